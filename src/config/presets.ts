/** Presets: defaults for a kind of data. */

export const presetNames = ['none', 'sensor', 'image'] as const;
export type PresetName = (typeof presetNames)[number];

/** In the shape of a detector's file. docs/quality.md has the measurements for these values. */
export const presets: Readonly<Record<PresetName, object>> = {
  none: {},
  sensor: {
    // Short recordings are enough for a training.
    training: { minRecords: 100 },
    calibration: { falseAlarmTarget: 0.005 },
    events: { budget: '1 per day' },
  },
  image: {
    // docs/models.md has the reasons for dense layers, this likelihood, and no latent statistic.
    model: {
      kind: 'vae',
      network: 'mlp',
      hidden: [256, 64],
      latentDim: 16,
      likelihood: 'auto',
      // A step of an 8-bit pixel is 0.004: images of low contrast have little noise.
      minVariance: 1e-4,
    },
    training: { minRecords: 100, epochs: 30 },
    calibration: { falseAlarmTarget: 0.01, statistics: ['reconstruction', 'channel'] },
  },
};
