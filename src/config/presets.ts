/** Presets: defaults for a kind of data. */

export const presetNames = ['none', 'sensor', 'image'] as const;
export type PresetName = (typeof presetNames)[number];

/** Values of each preset in the shape of a detector's file. docs/quality.md has the measurements for these values. */
export const presets: Readonly<Record<PresetName, object>> = {
  none: {},
  sensor: {
    // Short recordings are enough for a training.
    training: { minRecords: 100 },
    calibration: { falseAlarmTarget: 0.005 },
    events: { budget: '1 per day' },
  },
  image: {
    // docs/models.md has the reasons for features, dense layers and these statistics.
    model: {
      kind: 'vae',
      features: 'auto',
      network: 'mlp',
      hidden: [256, 64],
      latentDim: 16,
      likelihood: 'auto',
    },
    training: { minRecords: 100, epochs: 15 },
    calibration: { falseAlarmTarget: 0.01, statistics: 'auto' },
    // Successive images show different parts, so one bad part is an event, and a good one ends it.
    events: { openRecords: 1, openWindow: 1, closeAfter: 1 },
  },
};
