/** What a training is to do. */
import type { GapStatistics } from '../calibration/gaps';
import type { StatisticName } from '../domain/detection';
import type { RecordSchema, TimeConditionSpec } from '../domain/record';
import type { SignalRule } from '../domain/signal';
import type { ModelChoice } from '../models/zoo';
import type { OpenSession } from '../onnx/session';
import type { StoredTensor } from '../tensor';
import type { Effort } from './effort';

/** An effort of 0 is chosen from the number of windows. */
export interface TrainingOptions extends Effort {
  schema: RecordSchema;
  /** Gaps between the records of each device. */
  gaps?: GapStatistics | undefined;
  /** Channels whose values in the dataset are rates. */
  counters?: readonly string[];
  /** Conditions besides those of the schema. */
  seasons?: readonly TimeConditionSpec[];
  /** Which deviations count in calibration; the model learns from all. */
  signals: readonly SignalRule[];
  model: ModelChoice & {
    /** Share of training examples whose categories are replaced by the unknown token. */
    conditionDropout: number;
  };
  seed: number;
  /** Least number of windows. */
  minRecords: number;
  calibrationShare: number;
  /** Records beyond history's range that make a new normal, and records of a baseline; 0 = never, none. */
  acceptAfter: number;
  /** The statistics that the score combines, as far as the model has them. The others are only reported. */
  statistics: readonly StatisticName[];
  /** Condition for each of whose values calibration is separate; empty = none. */
  groupBy: string;
  engine: string;
  settingsFingerprint: string;
  /** Opens the traced graph, if an engine for graphs is available: calibration then uses the engine that scores. */
  openScoring?: OpenSession | undefined;
  /** Opens traced training steps, if an engine for graphs is available. */
  openTraining?: OpenSession | undefined;
  /** Weights of the backbone, for a model that reads its features. */
  backbone?: ReadonlyMap<string, Float32Array>;
  /** Weights in PyTorch's layout instead of a training. Scaler and calibration are fitted as usual. */
  weights?: ReadonlyMap<string, StoredTensor>;
}
