/** report.json of a model version: the data of the training and its result. */
import type { Interval } from './exclusion';
import type { TailBasis } from './tail-stretches';

export interface TrainingReport {
  records: number;
  /** Number of records left out: near events, or beyond a limit. */
  excludedRecords: number;
  /** Intervals near events that were used for training, because they exceed training.maxExcludedShare. */
  released: readonly Interval[];
  /** Channels that are scored by their rate. */
  counters: readonly string[];
  /** Conditions derived from seasons of the history. */
  seasons: readonly string[];
  windows: { fit: number; validation: number; calibration: number };
  epochs: number;
  bestEpoch: number;
  steps: number;
  /** Number of steps that were skipped, as loss or gradient was not finite. */
  skippedSteps: number;
  /** Mean loss of the model's first phase over the last epoch, nats per window. */
  trainLoss: number;
  /** The best loss on the validation block, after every schedule: the −ELBO; for an aae −log p(x|z) − log p(z). */
  validationLoss: number;
  /** Mean KL to the prior on the validation block, nats per window. */
  validationRate: number;
  /** Latent dimensions of each level, the upper one first. */
  latentDims: readonly number[];
  /** Number of latent dimensions in use, by level. 0 = the posterior of that level has collapsed. */
  activeUnitsPerLevel: readonly number[];
  /** Scale of the exponential tail of the evidence, in standard deviations. */
  tail: { scale: number };
  /**
   * The records that determine the alarm threshold, in the calibration block and before it. An unlabelled fault among them
   * raises the threshold.
   */
  tails: { block: TailBasis; before?: TailBasis };
  /** Whether the slow test is in use, for which the history needs enough independent stretches. */
  slowTest: boolean;
  /** Engine that computed the steps. */
  trainingEngine: string;
  /** Reason why tfjs trained although an engine for graphs is available. */
  trainingProblem?: string;
  /** Engine that scored the calibration block. */
  scoringEngine: string;
  /** Reason why the version has no graph, so that tfjs scores. */
  graphProblem?: string;
}

/** Levels (1 = the uppermost) without any latent dimension in use: the model explains the data without them. */
export function collapsedLevels({
  activeUnitsPerLevel,
}: Pick<TrainingReport, 'activeUnitsPerLevel'>): number[] {
  return activeUnitsPerLevel.flatMap((active, l) => (active === 0 ? [l + 1] : []));
}
