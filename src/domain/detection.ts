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
  /** Name of the channel; for an image that of the region, such as `x 0-6, y 7-13`. */
  channel: string;
  /** The region of an image, in pixels of the image as it came. Absent for sensors. */
  region?: Box;
  /**
   * Nats; negative for a channel that fits better than usual. The contributions sum to the statistic `reconstruction`, or,
   * with a nearest normal, to the reconstruction by that. Those of an image are the nats of its regions.
   */
  contribution: number;
  /** How unusual the channel is by itself: −log10 of the p-value of its contribution, or of its repetitions. */
  surprise: number;
  /** In the channel's unit. */
  actual: number;
  /** Mean of p(x|z), in the channel's unit. */
  expected: number;
  /** Repetitions of the value in a row, up to the length of the window. */
  repeats: number;
}

/** One dimension of the latent code of a window. */
export interface LatentDeviation {
  /** 1 is the top level; only hvae has more. */
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

/** What a score depends on besides its window. */
export interface DeviceBaseline {
  /** How far the evidence of the device lies above calibration, in its standard deviations; it raises the threshold. */
  rise: number;
  /** By channel, the amount that was subtracted for its level, in its unit; 0 is absent. */
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
  /** −log10 of the false-alarm target, and what the baseline of the device adds; a record is anomalous from this surprise on. */
  threshold: number;
  /** Without what the baseline adds, so that a replay decides by the target that was in force. */
  targetThreshold: number;
  anomalous: boolean;
  /** The p-value comes from the fitted tail, beyond all calibration records. */
  extrapolated: boolean;
  /** Channels without a value in the record. Absent if there are none. */
  missing?: readonly string[];
  /** Violated limits. A record with any is anomalous. */
  limits: readonly LimitViolation[];
  /** By name, in nats. Empty if the window of the key is not full, and a limit is violated. */
  statistics: Readonly<Record<string, number>>;
  /** What the score took from the earlier records of the device. Absent if the detector keeps nothing of it. */
  baseline?: DeviceBaseline;
  /** Channels beyond a limit first, then the most unusual ones. Empty for a normal record without an explanation. */
  contributions: readonly Contribution[];
  /** Given for explained records, where an anomaly begins or grows. The contributions and expected values refer to it. */
  nearestNormal?: NearestNormal;
  /** After an interruption: the parts that may not be based on all records of the device. Absent if complete. */
  incomplete?: readonly ('window' | 'baselines')[];
  modelVersion: string;
}
