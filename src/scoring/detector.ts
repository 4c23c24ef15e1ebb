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
import { givenConditions } from '../domain/record';
import { createWindowBatch, type WindowBatch, type WindowShape } from '../domain/window';
import { disposeModel, type Model } from '../models/model';
import { createAssessor, type RawScores } from './assess';
import type { DetectorState } from './bundle';
import { createChannelStatistic } from './channels';
import type { OpenEngine } from './engine';
import { createExplainer, offDimensions } from './explain';
import { assessBias } from './bias';

/** What a model version says of a batch of windows, column by column. */
export interface Scores {
  count: number;
  /** −log10 p. Shape [count]. */
  surprise: Float64Array;
  /** 1 where the p-value rests on the fitted tail alone. Shape [count]. */
  extrapolated: Uint8Array;
  /** By name, shape [count]. */
  statistics: Readonly<Record<string, ArrayLike<number>>>;
  /** Those of one window: cheaper than a column, where one has yet to be computed. */
  statisticsOf(window: number): Record<string, number>;
  /** By name, by how much each statistic was lowered for the level of its device, where it is followed. Shape [count]. */
  baselines?: Readonly<Record<string, Float64Array>>;
  /** Conditions that the model has not seen in training. */
  unknownConditions: number;
  /** What each channel of one window has to do with its score, the most unusual channel first. */
  contributions(window: number): Contribution[];
  /**
   * One window beside its nearest normal, which takes some milliseconds; its contributions sum to
   * `nearestNormal.reconstruction`. Repeatable.
   */
  explain(window: number): { contributions: Contribution[]; nearestNormal: NearestNormal };
}

/** The levels of the device that a window is of, where they are followed: its score rests on them, and they take it in. */
export type BaselinesOf = (window: number) => DeviceBaselines | undefined;

export interface Detector {
  readonly version: string;
  readonly state: DetectorState;
  readonly shape: WindowShape;
  /** Name of the engine that scores. */
  readonly engine: string;
  /** A batch in which windows need not be encoded once more for this version: a window store does it, record by record. */
  createBatch(capacity: number): WindowBatch;
  /**
   * What the model says of a batch. Repeatable: the same window gets the same, in whatever batch it comes. The batch must
   * stay as it is until it has been judged, and may be given again only then.
   */
  assess(batch: WindowBatch): Promise<RawScores>;
  /** What that means. Batch after batch, in the order of their records, where levels are followed. */
  judge(batch: WindowBatch, raw: RawScores, levelsOf?: BaselinesOf): Scores;
  /** Both at once. */
  score(batch: WindowBatch, levelsOf?: BaselinesOf): Promise<Scores>;
  /**
   * What each value of the windows adds to their reconstruction, in nats: where in an image it does not fit. Shape [count,
   * values of a window].
   */
  heat(batch: WindowBatch): Promise<Float32Array>;
  /** Levels to follow devices with, from those of calibration. */
  createBaselines(policy: BaselinePolicy, snapshot?: BaselinesSnapshot): Baselines;
  /** Lets go of the engine; the model is left to whoever made it. */
  release(): void;
  /** Lets go of both. */
  dispose(): void;
}

/** A channel whose share is less probable than one in a hundred does not look normal. */
const oddChannel = 2;

export function createDetector(
  version: string,
  state: DetectorState,
  model: Model,
  table: CategoryTable,
  openEngine?: OpenEngine,
): Detector {
  const assessor = createAssessor(state, model, table, openEngine);
  const { shape, scaler, stuck, contributions } = assessor;
  const channels = state.channels.length;
  const valuesPerWindow = shape.length * shape.channels;
  const channel = createChannelStatistic(state.channelCalibrations);
  const scale = createSurpriseScale(state.calibration);
  // Beyond what calibration has seen, tails are guesses, and no way to say which of two channels is the odder one.
  const seen = Math.log10(state.calibration.combined.scores.length + 1);
  const findNearestNormal = createExplainer({
    model,
    encoder: assessor.encoder,
    shape,
    contributions,
    typicalParts: state.channelCalibrations.map(({ scores }) => scores[scores.length >> 1]!),
    isOdd: (part, j) => surpriseOf(channel.pValueOf(part, j)) > oddChannel,
  });

  /** The channels of a window, the most unusual one first. */
  function rank(
    batch: WindowBatch,
    window: number,
    parts: ArrayLike<number>,
    expected: ArrayLike<number>,
  ): Contribution[] {
    const runs = stuck?.explain(batch, window) ?? state.channels.map(() => ({ repeats: 0, nats: 0 }));
    const values = batch.values.subarray(window * valuesPerWindow, (window + 1) * valuesPerWindow);
    const actual = contributions.actual(values);
    const nats = (j: number): number => Math.max(parts[j]!, runs[j]!.nats);
    const all = state.channels.map((name, j) => ({
      channel: name,
      contribution: parts[j]!,
      surprise: Math.max(surpriseOf(channel.pValueOf(parts[j]!, j)), runs[j]!.nats / Math.LN10),
      actual: actual[j]!,
      expected: scaler.unscale(expected[j]!, j % scaler.channels),
      repeats: runs[j]!.repeats,
    }));
    return Array.from(all.keys())
      .sort((a, b) => {
        const odder = Math.min(all[b]!.surprise, seen) - Math.min(all[a]!.surprise, seen);
        return odder === 0 ? nats(b) - nats(a) : odder;
      })
      .map((j) => all[j]!);
  }

  const groupOf = createGroupReader(state, table);

  const ofWindow = (values: Float32Array, window: number): Float32Array =>
    values.subarray(window * channels, (window + 1) * channels);

  function judge(batch: WindowBatch, raw: RawScores, levelsOf?: BaselinesOf): Scores {
    const { parts, errors, expected, unknownConditions } = raw;
    const { count } = batch;
    const cheap: Record<string, ArrayLike<number>> = {
      ...raw.statistics,
      bias: assessBias(state.bias, errors),
    };
    let ofChannels: Float64Array | undefined;
    const statistics = {
      ...cheap,
      // Where it does not enter the score it is asked for of few windows.
      get channel() {
        return (ofChannels ??= channel.assess(parts, count));
      },
    };
    const surprise = new Float64Array(count);
    const extrapolated = new Uint8Array(count);
    const row = new Float64Array(scale.names.length);
    const columns = scale.names.map((name) => (name === 'channel' ? statistics.channel : cheap[name]!));
    const lowered = scale.followed.map(() => new Float64Array(count));
    for (let i = 0; i < count; i++) {
      for (let s = 0; s < columns.length; s++) row[s] = columns[s]![i]!;
      const baselines = levelsOf?.(i);
      const value = scale.pValue(row, baselines?.above, groupOf?.(batch, i));
      if (baselines !== undefined) {
        baselines.above.forEach((by, s) => (lowered[s]![i] = by));
        baselines.observe(scale.followable(row));
      }
      surprise[i] = surpriseOf(value.p);
      extrapolated[i] = value.extrapolated ? 1 : 0;
    }
    return {
      count,
      surprise,
      extrapolated,
      statistics,
      statisticsOf: (window) => ({
        ...rowOf(cheap, window),
        channel: channel.assess(ofWindow(parts, window), 1)[0]!,
      }),
      ...(levelsOf && {
        baselines: Object.fromEntries(scale.followed.map((name, s) => [name, lowered[s]!])),
      }),
      unknownConditions,
      contributions: (window) => rank(batch, window, ofWindow(parts, window), ofWindow(expected, window)),
      explain(window) {
        const nearest = findNearestNormal(batch, window);
        return {
          contributions: rank(batch, window, nearest.parts, nearest.expected),
          nearestNormal: {
            reconstruction: nearest.parts.reduce((sum, part) => sum + part, 0),
            leftOut: nearest.leftOut.map((j) => state.channels[j]!),
            latent: offDimensions(nearest.latent, model.latentDims),
          },
        };
      },
    };
  }

  return {
    version,
    state,
    shape,
    engine: assessor.engine.name,
    createBatch: (capacity) =>
      createWindowBatch(shape, capacity, assessor.encoder.createBuffers(capacity, assessor.engine.onThread)),
    assess: (batch) => assessor.assess(batch),
    judge,
    score: async (batch, levelsOf) => judge(batch, await assessor.assess(batch), levelsOf),
    heat: (batch) => assessor.deviance(batch),
    createBaselines: (policy, snapshot) => createBaselines(scale.bases, policy, snapshot),
    release: () => assessor.engine.dispose(),
    dispose() {
      assessor.engine.dispose();
      disposeModel(model);
    },
  };
}

/** What columns say of one window, by name. */
export function rowOf(
  columns: Readonly<Record<string, ArrayLike<number>>>,
  window: number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[window]!]));
}

/** Of the newest record of a window, the group that it is calibrated in; undefined where there are none. */
export function createGroupReader(
  { conditions, groupBy }: Pick<DetectorState, 'conditions' | 'groupBy'>,
  table: CategoryTable,
): ((batch: WindowBatch, window: number) => string | undefined) | undefined {
  const given = givenConditions(conditions.specs);
  const column = given.findIndex(({ name }) => name === groupBy);
  if (column === -1) return undefined;
  return ({ conditions: codes, timestamps, capacity }, window) => {
    const length = timestamps.length / capacity;
    return table.value(codes[(window * length + length - 1) * given.length + column]!);
  };
}
