/** What vaemon says of one record. */
import type { Origin } from './record';
import type { LimitViolation } from './signal';

/** What is said of a window before anything is calibrated; docs/configuration.md says what each is. */
export const statisticNames = [
  'reconstruction',
  'newest',
  'bias',
  'latent',
  'llr',
  'stuck',
  'channel',
] as const;
export type StatisticName = (typeof statisticNames)[number];

/** How much one channel of the scored record weighs in the statistic, and what the model expected of it. */
export interface Contribution {
  channel: string;
  /**
   * In nats; may be negative for a channel that fits better than usual. They sum to the statistic `reconstruction`, or,
   * where the detection has a nearest normal, to the reconstruction by that.
   */
  contribution: number;
  /** How unusual the channel is by itself: −log10 of the p-value of its share, or of its repeating itself. */
  surprise: number;
  /** Value of the record, in the channel's own unit. */
  actual: number;
  /** Mean of p(x|z) for this value, in the channel's own unit. */
  expected: number;
  /** How many times in a row the channel has repeated its value, up to the length of the window. */
  repeats: number;
}

/** One dimension of the model's code of the window. */
export interface LatentDeviation {
  /** 1 is the uppermost; only hvae has more. */
  level: number;
  /** Within the level, from 1. */
  dimension: number;
  /** Of the window as it is. */
  value: number;
  /** Of the nearest normal. */
  expected: number;
  /** How much rarer the value is than the likeliest one, given the levels above, in nats. */
  nats: number;
}

/** The likeliest window that fits the channels that fit together: what the record should have been. */
export interface NearestNormal {
  /** What the contributions sum to: −log p(x|z) at the nearest normal's code, over the window as it is scored, in nats. */
  reconstruction: number;
  /** Channels that do not fit the others, the worst first: the nearest normal was found without them. */
  leftOut: readonly string[];
  /** The dimensions of the code that are off the most. */
  latent: readonly LatentDeviation[];
}

/** The verdict on one record, judged with the window that ends in it. */
export interface Detection {
  detector: string;
  key: string;
  /** Event time of the record, Unix ms. */
  timestamp: number;
  origin: Origin;
  /** −log10 of the calibrated p-value; the largest there is where a limit is violated. */
  surprise: number;
  /** −log10 of the false-alarm target: what surprise is compared with. */
  threshold: number;
  anomalous: boolean;
  /** The p-value lies beyond what the calibration records support on their own (from the fitted tail). */
  extrapolated: boolean;
  /** Hard limits that the record violates: it is anomalous whatever the model says. */
  limits: readonly LimitViolation[];
  /** By name of the statistic, in nats. Empty where a limit is violated before the window of the key is full. */
  statistics: Readonly<Record<string, number>>;
  /**
   * By name of the statistic, by how much its logarithm was lowered for the level of the device. Absent where levels are
   * not followed.
   */
  baselines?: Readonly<Record<string, number>>;
  /** The most unusual channel first. Empty on a record that is not anomalous. */
  contributions: readonly Contribution[];
  /** Where an anomaly begins or grows. The contributions, and what was expected, are then measured against it. */
  nearestNormal?: NearestNormal;
  /**
   * What could not be brought back after an interruption: records before this one that its `window` should hold, or that
   * the `levels` of its device should rest on, may be missing. Absent where none is.
   */
  incomplete?: readonly ('window' | 'baselines')[];
  modelVersion: string;
}
