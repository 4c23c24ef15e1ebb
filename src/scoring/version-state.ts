/** The learned state of a model version besides its weights: model.json of a bundle. */
import type { BalanceState } from '../calibration/balance';
import type { BaselineState } from '../calibration/baseline';
import type { ContextState } from '../calibration/context';
import type { GapStatistics } from '../calibration/gaps';
import type { LevelState } from '../calibration/level';
import type { ChartState } from '../calibration/mean-chart';
import type { RunState } from '../calibration/run-lengths';
import type { SectionsState } from '../calibration/sections';
import type { SlowState } from '../calibration/slow-test';
import type { SurpriseState } from '../calibration/surprise';
import type { ConditionState } from '../domain/condition';
import type { ImageShape } from '../domain/image';
import { modelImage } from '../domain/tiles';
import type { ScalerState } from '../domain/scaler';
import { createCounts, type SignalRule } from '../domain/signal';
import {
  createWindowBatch,
  windowShape,
  type EncodedWindows,
  type WindowBatch,
  type WindowShape,
} from '../domain/window';
import type { LinearState } from '../models/linear';
import type { ModelSpec } from '../models/model';
import type { ChannelState } from './channels';
import type { OddnessState } from './oddness';

/** State that is learned before the calibration. */
export interface LearnedState {
  spec: ModelSpec;
  /** Sensors, or the parts of a grid over an image. */
  channels: readonly string[];
  /** The shape that images are resized to; absent if records are not images. */
  image?: ImageShape;
  scaler: ScalerState;
  conditions: ConditionState;
  /** Channels that are scored by their rate; absent if there are none. */
  counters?: readonly string[];
  /** Conditions derived from seasons of the history; absent if there are none. */
  seasons?: readonly string[];
  /** Which deviations count. They are part of the version, because calibration depends on them. */
  signals: readonly SignalRule[];
  /** The linear sibling of a model of windows. */
  linear?: LinearState;
  /** Levels of the channels of a window. */
  level?: LevelState;
  /** Runs of equal values in the history, for channels of a window. */
  runs?: RunState;
  /** Records per millisecond of the whole detector, for targets such as "2 per day". */
  recordsPerMs: number;
  /** Gaps between records of a device, to assess silences; absent where no gap is known. */
  gaps?: GapStatistics;
  /** Engine that trained the version. */
  engine: string;
  /** Fingerprint of the settings that the version depends on. The version must not be used with other settings. */
  settingsFingerprint: string;
}

export interface VersionState extends LearnedState {
  /** Calibration of each channel's contribution to the reconstruction statistic. */
  channelCalibrations: ChannelState;
  calibration: SurpriseState;
  /** Usual oddness of each place of an image; absent in older versions. */
  oddness?: OddnessState;
  baseline: BaselineState;
  /** Absent in older versions. */
  balance?: BalanceState;
  /** Absent if means over more records than a window explain no channel. */
  context?: ContextState;
  /** Chart of the mean deviation from the linear sibling, given its context; absent if it is not part of the evidence. */
  linearMean?: ChartState;
  /** Absent if the history is too short for the slow test. */
  slow?: SlowState;
  /** Absent if all channels form one section. */
  sections?: SectionsState;
  /** Condition; the false-alarm target holds for each of its values separately. */
  groupBy?: string;
  /** Number of records of a key after which its surprise is nearly independent. */
  independentAfter: number;
}

/** The state for the model alone: for images with tiles, its images are the tiles. */
export function modelState<State extends LearnedState>(state: State): State {
  const { image } = state;
  return image?.tile ? { ...state, image: modelImage(image) } : state;
}

/** The shape of the windows that a model version reads. */
export function shapeOf({
  spec,
  image,
  channels,
  conditions,
}: Pick<LearnedState, 'spec' | 'image' | 'channels' | 'conditions'>): WindowShape {
  const schema = { channels, conditions: conditions.specs };
  return windowShape(image === undefined ? schema : { ...schema, kind: 'image', image }, spec.length);
}

/**
 * A batch for windows of the version, with the rates of its counters.
 * @param mayDefer whether raw records may be copied later, by `completeWindow`
 */
export function createVersionBatch(
  state: Pick<LearnedState, 'spec' | 'image' | 'channels' | 'conditions' | 'counters' | 'signals'>,
  capacity: number,
  encoded?: EncodedWindows,
  mayDefer = false,
): WindowBatch {
  const counters = (state.counters ?? []).map((name) => state.channels.indexOf(name));
  const shape = shapeOf(state);
  // The raw values are read to compute rates, and for comparison by imputation.
  const isRead = counters.length > 0 || createCounts(state.channels, state.signals) !== undefined;
  const defers = mayDefer && shape.length > 1 && !isRead;
  return createWindowBatch(shape, capacity, encoded, { counters, defers });
}
