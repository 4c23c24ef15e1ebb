/** What is chosen for a kind of data, so that nobody has to: keys that a detector's file leaves out. */

export const presetNames = ['none', 'sensor', 'image'] as const;
export type PresetName = (typeof presetNames)[number];

/** In the shape of a detector's document. docs/quality.md has the measurements that the choices rest on. */
export const presets: Readonly<Record<PresetName, object>> = {
  none: {},
  sensor: {
    // Short recordings are trained on, too.
    training: { minRecords: 100 },
    calibration: { falseAlarmTarget: 0.003, baselineRecords: 1500 },
  },
  image: {
    // docs/models.md says why dense layers, which likelihood, and why no latent statistic.
    model: {
      kind: 'vae',
      network: 'mlp',
      hidden: [256, 64],
      latentDim: 16,
      likelihood: 'auto',
      // A step of an 8-bit pixel is 0.004: pictures of little contrast have little noise.
      minVariance: 1e-4,
    },
    training: { minRecords: 100, epochs: 30 },
    calibration: { falseAlarmTarget: 0.01, statistics: ['reconstruction', 'channel'] },
  },
};
