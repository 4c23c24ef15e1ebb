/** report.json of a model version: what training saw and how it went. */
import type { ParetoTail } from '../calibration/tail';
import type { Interval } from './exclusion';

export interface TrainingReport {
  records: number;
  /** Records left out: near events, or beyond a limit. */
  excludedRecords: number;
  /** Stretches near events that were learned from all the same: there were more than training.maxExcludedShare allows. */
  released: readonly Interval[];
  windows: { fit: number; validation: number; calibration: number };
  epochs: number;
  bestEpoch: number;
  steps: number;
  /** Steps whose loss or gradient was not finite. */
  skippedSteps: number;
  /** Mean loss of the model's first phase over the last epoch, nats a window. */
  trainLoss: number;
  /** The best on the validation block, behind every schedule: the −ELBO; for an aae −log p(x|z) − log p(z). */
  validationLoss: number;
  /** Mean KL to the prior on the validation block, nats a window. */
  validationRate: number;
  /** Latent dimensions of each level, the upper one first. */
  latentDims: readonly number[];
  /** How many of them carry something. 0 = the posterior of that level has collapsed. */
  activeUnitsPerLevel: readonly number[];
  /** The tail of the combined statistic. */
  tail: ParetoTail;
  /** What has taken the steps. */
  trainingEngine: string;
  /** Why tfjs trained although there is an engine for graphs, where it did. */
  trainingProblem?: string;
  /** What has scored the calibration block. */
  scoringEngine: string;
  /** Why the version has no graph, where it has none: tfjs scores then. */
  graphProblem?: string;
}

/** Levels (1 = the upper one) of which no latent dimension is in use: the model explains the data without them. */
export function collapsedLevels({
  activeUnitsPerLevel,
}: Pick<TrainingReport, 'activeUnitsPerLevel'>): number[] {
  return activeUnitsPerLevel.flatMap((active, l) => (active === 0 ? [l + 1] : []));
}
