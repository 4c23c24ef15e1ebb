/** A loaded model version: windows in, surprise out. */
import {
  createLevels,
  type DeviceLevels,
  type LevelPolicy,
  type Levels,
  type LevelsSnapshot,
} from '../calibration/level';
import { createSurpriseScale } from '../calibration/surprise';
import { surpriseOf } from '../calibration/threshold';
import type { CategoryTable } from '../domain/condition';
import type { Contribution, NearestNormal } from '../domain/detection';
import type { WindowBatch, WindowShape } from '../domain/window';
import { disposeModel, type Model } from '../models/model';
import { createAssessor } from './assess';
import type { DetectorState } from './bundle';
import { createChannelStatistic } from './channels';
import { createExplainer, offDimensions } from './explain';
import { assessShift } from './shift';

/** What a model version says of a batch of windows, column by column. */
export interface Scores {
  count: number;
  /** −log10 p. Shape [count]. */
  surprise: Float64Array;
  /** 1 where the p-value rests on the fitted tail alone. Shape [count]. */
  extrapolated: Uint8Array;
  /** By name, shape [count]. */
  statistics: Readonly<Record<string, Float64Array>>;
  /** By name, by how much each statistic was lowered for the level of its device, where it is followed. Shape [count]. */
  levels?: Readonly<Record<string, Float64Array>>;
  /** Conditions that the model has not seen in training. */
  unknownConditions: number;
  /** What each channel of one window has to do with its score, the most unusual channel first. */
  contributions(window: number): Contribution[];
  /** What each value of one window adds to its reconstruction, in nats: where in an image it does not fit. Shape [dim]. */
  heat(window: number): Float32Array;
  /**
   * One window beside its nearest normal, which takes some milliseconds; its contributions sum to
   * `nearestNormal.reconstruction`. Repeatable.
   */
  explain(window: number): { contributions: Contribution[]; nearestNormal: NearestNormal };
}

export interface Detector {
  readonly version: string;
  readonly state: DetectorState;
  readonly shape: WindowShape;
  /**
   * Repeatable: the same window has the same score, in whatever batch it comes.
   * @param levelsOf the levels of the device that a window is of, where they are followed: they are part of what its
   *   score rests on, and take in its statistics
   */
  score(batch: WindowBatch, levelsOf?: (window: number) => DeviceLevels | undefined): Scores;
  /** Levels to follow devices with, from those of calibration. */
  createLevels(policy: LevelPolicy, snapshot?: LevelsSnapshot): Levels;
  dispose(): void;
}

/** A channel whose share is less probable than one in a hundred does not look normal. */
const oddChannel = 2;

export function createDetector(
  version: string,
  state: DetectorState,
  model: Model,
  table: CategoryTable,
): Detector {
  const assessor = createAssessor(state, model, table);
  const { shape, scaler, stuck, attribution } = assessor;
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
    channelOf: (value) => attribution.channelOf(value),
    sum: (perValue) => attribution.sum(perValue, 1),
    represent: (perValue) => attribution.represent(perValue, 1),
    typicalParts: state.channelCalibrations.map(({ scores }) => scores[scores.length >> 1]!),
    isOdd: (part, j) => surpriseOf(channel.pValueOf(part, j)) > oddChannel,
  });

  /** The channels of a window, the most unusual one first. */
  function rank(
    batch: WindowBatch,
    window: number,
    parts: Float64Array,
    expected: Float64Array,
  ): Contribution[] {
    const runs = stuck?.explain(batch, window) ?? state.channels.map(() => ({ repeats: 0, nats: 0 }));
    const values = batch.values.subarray(window * valuesPerWindow, (window + 1) * valuesPerWindow);
    const actual = attribution.represent(values, 1);
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

  const ofWindow = (values: Float64Array, window: number): Float64Array =>
    values.subarray(window * channels, (window + 1) * channels);

  return {
    version,
    state,
    shape,
    score(batch, levelsOf) {
      const { statistics: raw, parts, errors, excess, expected, unknownConditions } = assessor.assess(batch);
      const statistics: Record<string, Float64Array> = {
        ...raw,
        channel: channel.assess(parts, batch.count),
        shift: assessShift(state.shift, errors),
      };
      const surprise = new Float64Array(batch.count);
      const extrapolated = new Uint8Array(batch.count);
      const row = scale.names.map(() => 0);
      const lowered = scale.followed.map(() => new Float64Array(batch.count));
      for (let i = 0; i < batch.count; i++) {
        scale.names.forEach((name, s) => (row[s] = statistics[name]![i]!));
        const levels = levelsOf?.(i);
        const value = scale.pValue(row, levels?.above);
        levels?.above.forEach((by, s) => (lowered[s]![i] = by));
        levels?.observe(scale.followable(row));
        surprise[i] = surpriseOf(value.p);
        extrapolated[i] = value.extrapolated ? 1 : 0;
      }

      return {
        count: batch.count,
        surprise,
        extrapolated,
        statistics,
        ...(levelsOf && { levels: Object.fromEntries(scale.followed.map((name, s) => [name, lowered[s]!])) }),
        unknownConditions,
        heat: (window) =>
          excess.slice((window * excess.length) / batch.count, ((window + 1) * excess.length) / batch.count),
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
    },
    createLevels: (policy, snapshot) => createLevels(scale.bases, policy, snapshot),
    dispose: () => disposeModel(model),
  };
}
