/** A loaded model version: windows in, surprise out. */
import {
  createBaselines,
  type DeviceBaselines,
  type BaselinePolicy,
  type Baselines,
  type BaselinesSnapshot,
} from '../calibration/baseline';
import { createSurpriseScale } from '../calibration/surprise';
import { surpriseOf } from '../calibration/threshold';
import type { CategoryTable } from '../domain/condition';
import type { Contribution, NearestNormal } from '../domain/detection';
import type { WindowBatch, WindowShape } from '../domain/window';
import { disposeModel, type Model } from '../models/model';
import { createAssessor, type RawScores } from './assess';
import { assessBias } from './bias';
import { createChannelStatistic } from './channels';
import type { OpenEngine } from './engine';
import { createExplainer, offDimensions } from './explain';
import { createGroupReader } from './group';
import { createRanking } from './ranking';
import { createVersionBatch, type VersionState } from './version-state';

/** Calibrated scores of a batch of windows, column by column. */
export interface Scores extends Calibrated {
  count: number;
  /** By name, shape [count]. */
  statistics: Readonly<Record<string, ArrayLike<number>>>;
  /** Statistics of one window. Cheaper than `statistics`, where the column `channel` is computed on first use. */
  statisticsOf(window: number): Record<string, number>;
  /** Categories that training has not seen. */
  unknownConditions: number;
  /** The contribution of each channel of one window, the most unusual channel first. */
  contributions(window: number): Contribution[];
  /**
   * One window compared with its nearest normal, which takes milliseconds to find; its contributions sum to
   * `nearestNormal.reconstruction`. Repeatable.
   */
  explain(window: number): { contributions: Contribution[]; nearestNormal: NearestNormal };
}

/** P-values of a batch. */
interface Calibrated {
  /** −log10 p. Shape [count]. */
  surprise: Float64Array;
  /** 1 where the p-value rests on the fitted tail alone. Shape [count]. */
  extrapolated: Uint8Array;
  /** By statistic, by how much it was lowered for the baseline of its device. Absent without baselines. Shape [count]. */
  baselines?: Readonly<Record<string, Float64Array>>;
}

/** The baselines of a window's device: its score depends on them, and they observe its statistics. */
export type BaselinesOf = (window: number) => DeviceBaselines | undefined;

export interface Detector {
  readonly version: string;
  readonly state: VersionState;
  readonly shape: WindowShape;
  /** Name of the engine that scores. */
  readonly engine: string;
  /** A batch with buffers for encoded windows, so that a window store can encode record by record. */
  createBatch(capacity: number): WindowBatch;
  /**
   * Runs the model. Repeatable: the scores of a window do not depend on its batch. The batch must not change, and must not
   * be assessed again, until `applyCalibration` has returned.
   */
  assess(batch: WindowBatch): Promise<RawScores>;
  /** With baselines, batches must come in the order of their records. */
  applyCalibration(batch: WindowBatch, raw: RawScores, baselinesOf?: BaselinesOf): Scores;
  /** `assess`, then `applyCalibration`. */
  score(batch: WindowBatch, baselinesOf?: BaselinesOf): Promise<Scores>;
  /** What each value adds to the reconstruction statistic, in nats. Shape [count, values of a window]. */
  heat(batch: WindowBatch): Promise<Float32Array>;
  /** Baselines that start from the calibration. */
  createBaselines(policy: BaselinePolicy, snapshot?: BaselinesSnapshot): Baselines;
  /** Disposes the engine but not the model. */
  release(): void;
  /** Disposes engine and model. */
  dispose(): void;
}

/** Surprise above which a channel looks odd: one normal record in a hundred. */
const oddSurprise = 2;

export function createDetector(
  version: string,
  state: VersionState,
  model: Model,
  table: CategoryTable,
  openEngine?: OpenEngine,
): Detector {
  const assessor = createAssessor(state, model, table, openEngine);
  const { shape, encoder, engine, channelMap } = assessor;
  const channel = createChannelStatistic(state.channelCalibrations);
  const scale = createSurpriseScale(state.calibration);
  const groupOf = createGroupReader(state, table);
  const rank = createRanking(state, assessor, channel);
  const findNearestNormal = createExplainer({
    model,
    encoder,
    shape,
    channelMap,
    typicalContributions: state.channelCalibrations.map(({ scores }) => scores[scores.length >> 1]!),
    isOdd: (contribution, j) => surpriseOf(channel.pValueOf(contribution, j)) > oddSurprise,
  });

  function calibrate(
    batch: WindowBatch,
    statistics: Scores['statistics'],
    baselinesOf: BaselinesOf | undefined,
  ): Calibrated {
    const { count } = batch;
    const surprise = new Float64Array(count);
    const extrapolated = new Uint8Array(count);
    const columns = scale.names.map((name) => statistics[name]!);
    const row = new Float64Array(columns.length);
    const lowered = scale.followed.map(() => new Float64Array(count));
    for (let i = 0; i < count; i++) {
      for (let s = 0; s < columns.length; s++) row[s] = columns[s]![i]!;
      const baselines = baselinesOf?.(i);
      const value = scale.pValue(row, baselines?.above, groupOf?.(batch, i));
      if (baselines !== undefined) {
        baselines.above.forEach((by, s) => (lowered[s]![i] = by));
        baselines.observe(scale.followable(row));
      }
      surprise[i] = surpriseOf(value.p);
      extrapolated[i] = value.extrapolated ? 1 : 0;
    }
    const byName = scale.followed.map((name, s) => [name, lowered[s]!] as const);
    return { surprise, extrapolated, ...(baselinesOf && { baselines: Object.fromEntries(byName) }) };
  }

  function explain(batch: WindowBatch, window: number): ReturnType<Scores['explain']> {
    const nearest = findNearestNormal(batch, window);
    return {
      contributions: rank(batch, window, nearest.contributions, nearest.expected),
      nearestNormal: {
        reconstruction: nearest.contributions.reduce((sum, contribution) => sum + contribution, 0),
        leftOut: nearest.leftOut.map((j) => state.channels[j]!),
        latent: offDimensions(nearest.latent, model.latentDims),
      },
    };
  }

  function applyCalibration(batch: WindowBatch, raw: RawScores, baselinesOf?: BaselinesOf): Scores {
    const { count } = batch;
    const channels = state.channels.length;
    const ofWindow = (values: Float32Array, window: number): Float32Array =>
      values.subarray(window * channels, (window + 1) * channels);
    const cheap: Record<string, ArrayLike<number>> = {
      ...raw.statistics,
      bias: assessBias(state.bias, raw.meanErrors),
    };
    let ofChannels: Float64Array | undefined;
    const statistics = {
      ...cheap,
      get channel() {
        return (ofChannels ??= channel.assess(raw.contributions, count));
      },
    };
    return {
      count,
      ...calibrate(batch, statistics, baselinesOf),
      statistics,
      statisticsOf: (window) => ({
        ...rowOf(cheap, window),
        channel: channel.assess(ofWindow(raw.contributions, window), 1)[0]!,
      }),
      unknownConditions: raw.unknownConditions,
      contributions: (window) =>
        rank(batch, window, ofWindow(raw.contributions, window), ofWindow(raw.expected, window)),
      explain: (window) => explain(batch, window),
    };
  }

  return {
    version,
    state,
    shape,
    engine: engine.name,
    createBatch: (capacity) =>
      createVersionBatch(state, capacity, encoder.createBuffers(capacity, engine.onThread)),
    assess: (batch) => assessor.assess(batch),
    applyCalibration,
    score: async (batch, baselinesOf) => applyCalibration(batch, await assessor.assess(batch), baselinesOf),
    heat: (batch) => assessor.deviance(batch),
    createBaselines: (policy, snapshot) => createBaselines(scale.bases, policy, snapshot),
    release: () => engine.dispose(),
    dispose() {
      engine.dispose();
      disposeModel(model);
    },
  };
}

/** The values of one window, by name of the column. */
export function rowOf(
  columns: Readonly<Record<string, ArrayLike<number>>>,
  window: number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[window]!]));
}
