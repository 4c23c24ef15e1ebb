/** The result for one record. */
import type { Box } from './image';
import type { Origin } from './record';
import type { LimitViolation } from './signal';

/** Statistics of a window, which are then calibrated; described in docs/configuration.md. */
export const statisticNames = [
  'reconstruction',
  'balanced',
  'linear',
  'newest',
  'latent',
  'llr',
  'channel',
  'patch',
  'bank',
] as const;
export type StatisticName = (typeof statisticNames)[number];

/** The share of one channel in the score of a record, and the value that the model expects. */
export interface Contribution {
  /** Name of the channel, or of the region of an image, such as `x 0-6, y 7-13`. */
  channel: string;
  /** The region of an image, in pixels of the image as it came. Absent for sensors. */
  region?: Box;
  /**
   * Nats; negative for a channel that fits better than usual. The contributions sum to the statistic `reconstruction`; with a
   * nearest normal, to its `reconstruction`. For an image, a contribution is the sum over a region.
   */
  contribution: number;
  /** How unusual the channel is by itself: −log10 of the p-value of its contribution, or of its repetitions. */
  surprise: number;
  /** In the channel's unit. */
  actual: number;
  /** Mean of p(x|z), in the channel's unit. */
  expected: number;
  /** Successive records with the same value, up to the length of the window. */
  repeats: number;
}

/** One dimension of the latent code of a window. */
export interface LatentDeviation {
  /** Latent level; 1 is the top. Only hvae has more than one. */
  level: number;
  /** Within the level, from 1. */
  dimension: number;
  /** In the scored window. */
  value: number;
  /** In the nearest normal. */
  expected: number;
  /** How much less likely the value is than the likeliest one, given the levels above, in nats. */
  nats: number;
}

/** The likeliest window given the channels that fit together. */
export interface NearestNormal {
  /** Sum of the contributions: −log p(x|z) of the scored window at the code of the nearest normal, in nats. */
  reconstruction: number;
  /** Channels that do not fit the others, the worst first. The nearest normal ignores them. */
  leftOut: readonly string[];
  /** The dimensions with the largest deviations. */
  latent: readonly LatentDeviation[];
}

/** The parts of a score that come from the earlier records of the device. */
export interface DeviceBaseline {
  /** How far the evidence of the device lies above calibration, in its standard deviations; it raises the threshold. */
  rise: number;
  /**
   * By channel, the amount that was subtracted for its level, in the unit of the channel. Channels without a shift are absent.
   */
  shifts: Readonly<Record<string, number>>;
}

/** The result for one record, from the window that ends with it. */
export interface Detection {
  detector: string;
  key: string;
  /** Event time of the record, Unix ms. */
  timestamp: number;
  origin: Origin;
  /** −log10 of the calibrated p-value; the largest possible one if a limit is violated. */
  surprise: number;
  /** −log10 of the false-alarm target, plus the rise of the device's baseline. A record is anomalous from this surprise on. */
  threshold: number;
  /** The threshold without the rise of the baseline. A replay decides by the target that was in force. */
  targetThreshold: number;
  anomalous: boolean;
  /** The p-value comes from the fitted tail, beyond all calibration records. */
  extrapolated: boolean;
  /** Channels without a value in the record. Absent if there are none. */
  missing?: readonly string[];
  /** Violated limits. A record with at least one is anomalous. */
  limits: readonly LimitViolation[];
  /** By name, in nats. Empty if a limit is violated before the window of the key is full. */
  statistics: Readonly<Record<string, number>>;
  /** What the score took from the earlier records of the device. Absent if the detector keeps no baselines. */
  baseline?: DeviceBaseline;
  /** Channels beyond a limit first, then the most unusual ones. Empty for a normal record without an explanation. */
  contributions: readonly Contribution[];
  /** Given for explained records, where an anomaly begins or grows. The contributions and expected values refer to it. */
  nearestNormal?: NearestNormal;
  /** After an interruption: the parts that may not be based on all records of the device. Absent if complete. */
  incomplete?: readonly ('window' | 'baselines')[];
  modelVersion: string;
}
