/** A loaded model version: windows in, surprise out. */
import { surpriseOf } from '../calibration/threshold';
import { createSurpriseScale } from '../calibration/surprise';
import { createConditionEncoder, type CategoryTable } from '../domain/condition';
import { givenConditions } from '../domain/record';
import type { Contribution } from '../domain/detection';
import { createScaler } from '../domain/scaler';
import type { WindowBatch, WindowShape } from '../domain/window';
import { disposeModel, type Model } from '../models/model';
import { scoped } from '../tensor';
import type { DetectorState } from './bundle';
import { createStuckStatistic } from './stuck';
import { createWindowEncoder, toExamples, type EncodedWindows, type WindowEncoder } from './encode';

/** What a model version says of a batch of windows, column by column. */
export interface Scores {
  count: number;
  /** −log10 p. Shape [count]. */
  surprise: Float64Array;
  /** 1 where the p-value rests on the fitted tail alone. Shape [count]. */
  extrapolated: Uint8Array;
  /** By name, shape [count]. */
  statistics: Readonly<Record<string, Float64Array>>;
  /** Conditions that the model has not seen in training. */
  unknownConditions: number;
  /** What each channel of one window adds to the reconstruction statistic; the most suspicious first. */
  contributions(window: number): Contribution[];
}

export interface Detector {
  readonly version: string;
  readonly state: DetectorState;
  readonly shape: WindowShape;
  /** Repeatable: the same window has the same score, in whatever batch it comes. */
  score(batch: WindowBatch): Scores;
  dispose(): void;
}

export function createDetector(
  version: string,
  state: DetectorState,
  model: Model,
  table: CategoryTable,
): Detector {
  const channels = state.channels.length;
  const { length } = state.spec;
  const shape: WindowShape = {
    length,
    channels,
    conditions: givenConditions(state.conditions.specs).length,
  };
  const scaler = createScaler(state.scaler);
  const encoder = createWindowEncoder(shape, scaler, createConditionEncoder(state.conditions, table));
  const scale = createSurpriseScale(state.calibration);
  const stuck = createStuckStatistic(shape, state.repeats);
  let buffers: EncodedWindows | undefined;
  let capacity = 0;

  return {
    version,
    state,
    shape,
    score(batch) {
      if (buffers === undefined || capacity < batch.capacity) {
        capacity = batch.capacity;
        buffers = encoder.createBuffers(capacity);
      }
      encoder.encode(batch, buffers);
      const { statistics: ofModel, distortion, expected } = assess(model, encoder, buffers, batch.count);
      const statistics: Record<string, Float64Array> = { ...ofModel, stuck: stuck.assess(batch) };

      const surprise = new Float64Array(batch.count);
      const extrapolated = new Uint8Array(batch.count);
      const row = scale.names.map(() => 0);
      for (let i = 0; i < batch.count; i++) {
        scale.names.forEach((name, s) => (row[s] = statistics[name]![i]!));
        const value = scale.pValue(row);
        surprise[i] = surpriseOf(value.p);
        extrapolated[i] = value.extrapolated ? 1 : 0;
      }

      return {
        count: batch.count,
        surprise,
        extrapolated,
        statistics,
        unknownConditions: buffers.unknownConditions,
        contributions(window) {
          const runs = stuck.explain(batch, window);
          const weigh = (j: number): number => sums[j]! + runs[j]!.nats;
          const sums = state.channels.map((_, j) => {
            let sum = 0;
            for (let t = 0; t < length; t++) sum += distortion[(window * length + t) * channels + j]!;
            return sum;
          });
          return Array.from(sums.keys())
            .sort((a, b) => weigh(b) - weigh(a))
            .map((j) => {
              const newest = (window * length + length - 1) * channels + j;
              return {
                channel: state.channels[j]!,
                contribution: sums[j]!,
                actual: batch.values[newest]!,
                expected: scaler.unscale(expected[newest]!, j),
                repeats: runs[j]!.repeats,
              };
            });
        },
      };
    },
    dispose: () => disposeModel(model),
  };
}

/** Runs the model once and brings its results over as typed arrays. Frees every tensor on the way. */
function assess(
  model: Model,
  encoder: WindowEncoder,
  encoded: EncodedWindows,
  count: number,
): { statistics: Record<string, Float64Array>; distortion: Float32Array; expected: Float32Array } {
  return scoped(() => {
    const assessment = model.assess(toExamples(encoder, encoded, count));
    return {
      statistics: Object.fromEntries(
        model.statistics.map((name) => [name, Float64Array.from(assessment.statistics[name]!.dataSync())]),
      ),
      distortion: assessment.distortion.dataSync<'float32'>(),
      expected: assessment.expected.dataSync<'float32'>(),
    };
  });
}
