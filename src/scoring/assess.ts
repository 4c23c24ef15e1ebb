/** Windows to raw statistics: encode, run the model, and look at what no model sees. Nothing is calibrated yet. */
import { createConditionEncoder, type CategoryTable } from '../domain/condition';
import { createScaler, type Scaler } from '../domain/scaler';
import type { WindowBatch, WindowShape } from '../domain/window';
import type { Model } from '../models/model';
import { fixedBatchRows, scoped } from '../tensor';
import { createImageAttribution, createWindowAttribution, type Attribution } from './attribution';
import type { LearnedState } from './bundle';
import { createWindowEncoder, shapeOf, toExamples, type EncodedWindows, type WindowEncoder } from './encode';
import { createStuckStatistic, type StuckStatistic } from './stuck';

/** What a model says of a batch of windows. */
export interface RawScores {
  /** By name, larger = odder, in nats. Shape [count]. */
  statistics: Readonly<Record<string, Float64Array>>;
  /** What each channel adds to the reconstruction statistic. Shape [count, channels]. */
  parts: Float64Array;
  /** Mean of p(x|z) for the newest record, or over a region of an image, scaled. Shape [count, channels]. */
  expected: Float64Array;
  /** What each single value adds, a pixel of an image for instance. Shape [count, values of a window]. */
  distortion: Float32Array;
  /** Conditions that the model has not seen in training. */
  unknownConditions: number;
}

export interface Assessor {
  readonly shape: WindowShape;
  readonly scaler: Scaler;
  /** Undefined for images: a pixel that stays as it is, is not stuck. */
  readonly stuck: StuckStatistic | undefined;
  readonly attribution: Attribution;
  readonly encoder: WindowEncoder;
  assess(batch: WindowBatch): RawScores;
}

export function createAssessor(state: LearnedState, model: Model, table: CategoryTable): Assessor {
  const shape = shapeOf(state);
  const channels = state.channels.length;
  const { image } = state;
  const scaler = createScaler(state.scaler);
  const encoder = createWindowEncoder(shape, scaler, createConditionEncoder(state.conditions, table));
  const stuck = image === undefined ? createStuckStatistic(shape, state.repeats) : undefined;
  const attribution = image === undefined ? createWindowAttribution(shape) : createImageAttribution(image);
  let buffers: EncodedWindows | undefined;
  let capacity = 0;

  return {
    shape,
    scaler,
    stuck,
    attribution,
    encoder,
    assess(batch) {
      if (buffers === undefined || capacity < batch.capacity) {
        capacity = batch.capacity;
        buffers = encoder.createBuffers(capacity);
      }
      encoder.encode(batch, buffers);
      const { statistics, distortion, expected } = runModel(model, encoder, buffers, batch.count);
      const parts = attribution.sum(distortion, batch.count);
      return {
        statistics: {
          ...statistics,
          reconstruction: sumOverChannels(parts, channels),
          ...(stuck && {
            // What came before the newest record must not speak for it.
            newest: sumOverChannels(attribution.represent(distortion, batch.count), channels),
            stuck: stuck.assess(batch),
          }),
        },
        parts,
        expected: attribution.represent(expected, batch.count),
        distortion,
        unknownConditions: buffers.unknownConditions,
      };
    },
  };
}

interface ModelResult {
  statistics: Record<string, Float64Array>;
  /** Shape [count, dim]. */
  distortion: Float32Array;
  expected: Float32Array;
}

/** Runs the model and brings its results over as typed arrays. Frees every tensor on the way. */
function runModel(model: Model, encoder: WindowEncoder, encoded: EncodedWindows, count: number): ModelResult {
  const { dim } = encoder;
  const result: ModelResult = {
    statistics: Object.fromEntries(model.statistics.map((name) => [name, new Float64Array(count)])),
    distortion: new Float32Array(count * dim),
    expected: new Float32Array(count * dim),
  };
  const rows = fixedBatchRows() ?? count;
  for (let from = 0; from < count; from += rows) {
    scoped(() => {
      const assessment = model.assess(toExamples(encoder, encoded, from, rows));
      const used = Math.min(rows, count - from);
      for (const name of model.statistics) {
        result.statistics[name]!.set(assessment.statistics[name]!.dataSync().subarray(0, used), from);
      }
      result.distortion.set(assessment.distortion.dataSync<'float32'>().subarray(0, used * dim), from * dim);
      result.expected.set(assessment.expected.dataSync<'float32'>().subarray(0, used * dim), from * dim);
    });
  }
  return result;
}

function sumOverChannels(parts: Float64Array, channels: number): Float64Array {
  const sums = new Float64Array(parts.length / channels);
  parts.forEach((part, i) => (sums[Math.floor(i / channels)]! += part));
  return sums;
}
