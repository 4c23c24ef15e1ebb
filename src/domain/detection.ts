/** What vaemon says of one record. */
import type { Origin } from './record';

/** What is said of a window before anything is calibrated; docs/configuration.md says what each is. */
export const statisticNames = [
  'reconstruction',
  'newest',
  'shift',
  'latent',
  'llr',
  'stuck',
  'channel',
] as const;
export type StatisticName = (typeof statisticNames)[number];

/** How much one channel of the scored record weighs in the statistic, and what the model expected of it. */
export interface Contribution {
  channel: string;
  /** Share of the reconstruction statistic in nats; may be negative for a channel that fits better than usual. */
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

/** The verdict on one record, judged with the window that ends in it. */
export interface Detection {
  detector: string;
  key: string;
  /** Event time of the record, Unix ms. */
  timestamp: number;
  origin: Origin;
  /** −log10 of the calibrated p-value. */
  surprise: number;
  /** −log10 of the false-alarm target: what surprise is compared with. */
  threshold: number;
  anomalous: boolean;
  /** The p-value lies beyond what the calibration records support on their own (from the fitted tail). */
  extrapolated: boolean;
  /** By name of the statistic, in nats. */
  statistics: Readonly<Record<string, number>>;
  /** The most unusual channel first. Empty on a record that is not anomalous. */
  contributions: readonly Contribution[];
  modelVersion: string;
}
