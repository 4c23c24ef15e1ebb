/** report.json of a model version: what training saw and how it went. */
import type { ParetoTail } from '../calibration/tail';

export interface TrainingReport {
  records: number;
  windows: { fit: number; validation: number; calibration: number };
  epochs: number;
  bestEpoch: number;
  steps: number;
  /** Steps whose loss or gradient was not finite. */
  skippedSteps: number;
  /** Mean −ELBO in nats a window: of the last epoch, and the best on the validation block. */
  trainLoss: number;
  validationLoss: number;
  /** Mean KL to the prior on the validation block, nats a window. */
  validationRate: number;
  latentDim: number;
  /** Latent dimensions that carry something. 0 = the posterior has collapsed. */
  activeUnits: number;
  /** The tail of the combined statistic. */
  tail: ParetoTail;
}
