/** Options of a training. */
import type { GapStatistics } from '../calibration/gaps';
import type { StatisticName } from '../domain/detection';
import type { RecordSchema, TimeConditionSpec } from '../domain/record';
import type { SignalRule } from '../domain/signal';
import type { ModelChoice } from '../models/zoo';
import type { OpenSession } from '../onnx/session';
import type { StoredTensor } from '../tensor';
import type { Effort } from './effort';

/** An effort of 0 means that it is chosen by the number of windows. */
export interface TrainingOptions extends Effort {
  schema: RecordSchema;
  /** Gaps between the records of each device. */
  gaps?: GapStatistics | undefined;
  /** Channels whose values in the dataset are rates. */
  counters?: readonly string[];
  /** Conditions besides those of the schema. */
  seasons?: readonly TimeConditionSpec[];
  /** Which deviations count in calibration; the model is trained on all. */
  signals: readonly SignalRule[];
  model: ModelChoice & {
    /** Share of training examples whose categories are replaced by the unknown token. */
    conditionDropout: number;
  };
  seed: number;
  /** Least number of windows for a training. */
  minRecords: number;
  calibrationShare: number;
  /**
   * Number of records outside the history's range that make a new normal (0 = never), and number of records of a baseline (0 =
   * no baseline).
   */
  acceptAfter: number;
  /** Statistics to combine in the score, if the model has them. Others are only reported. */
  statistics: readonly StatisticName[];
  /** Condition whose values are calibrated separately; empty = none. */
  groupBy: string;
  engine: string;
  settingsFingerprint: string;
  /** Opens the traced graph, if an engine for graphs is available: calibration then uses the engine that scores. */
  openScoring?: OpenSession | undefined;
  /** Opens traced training steps, if an engine for graphs is available. */
  openTraining?: OpenSession | undefined;
  /** Weights of the backbone, for a model that reads its features. */
  backbone?: ReadonlyMap<string, Float32Array>;
  /** Weights in PyTorch's layout to use instead of training. Scaler and calibration are fitted as usual. */
  weights?: ReadonlyMap<string, StoredTensor>;
}
