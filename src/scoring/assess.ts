/** Windows to raw statistics: encode, run the model, and look at what no model sees. Nothing is calibrated yet. */
import { createConditionEncoder, type CategoryTable } from '../domain/condition';
import { createScaler, type Scaler } from '../domain/scaler';
import { createCounts, type Counts } from '../domain/signal';
import type { WindowBatch, WindowShape } from '../domain/window';
import type { Model } from '../models/model';
import { fixedBatchRows, scoped } from '../tensor';
import { createImageAttribution, createWindowAttribution, type Attribution } from './attribution';
import type { LearnedState } from './bundle';
import { createWindowEncoder, shapeOf, toExamples, type EncodedWindows, type WindowEncoder } from './encode';
import { meanErrors } from './shift';
import { createStuckStatistic, type StuckStatistic } from './stuck';

/** What a model says of a batch of windows. */
export interface RawScores {
  /** By name, larger = odder, in nats. Shape [count]. */
  statistics: Readonly<Record<string, Float64Array>>;
  /** What each channel adds to the reconstruction statistic. Shape [count, channels]. */
  parts: Float64Array;
  /** Mean error of each channel over the window (see shift.ts), or of each region, scaled. Shape [count, channels]. */
  errors: Float64Array;
  /** Mean of p(x|z) for the newest record, or over a region of an image, scaled. Shape [count, channels]. */
  expected: Float64Array;
  /** What each single value adds, a pixel of an image for instance. Shape [count, values of a window]. */
  excess: Float32Array;
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
  const counts = createCounts(state.channels, state.signals);
  const meanErrorsOf = ({ x, mask }: EncodedWindows, expected: Float32Array, count: number): Float64Array =>
    image === undefined
      ? meanErrors(x, expected, mask, count, shape)
      : attribution.represent(
          expected.map((value, i) => x[i]! - value),
          count,
        );
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
      let result = runModel(model, encoder, buffers, batch.count);
      // No pixel is missing, and each counts.
      for (let step = 0; step < imputationSteps && image === undefined; step++) {
        if (!imputeExpected(batch, result.expected, buffers, shape, scaler, counts)) break;
        result = runModel(model, encoder, buffers, batch.count);
      }
      const { statistics, excess, expected } = result;
      const parts = attribution.sum(excess, batch.count);
      return {
        statistics: {
          ...statistics,
          reconstruction: sumOverChannels(parts, channels),
          ...(stuck && {
            // What came before the newest record must not speak for it.
            newest: sumOverChannels(attribution.represent(excess, batch.count), channels),
            stuck: stuck.assess(batch),
          }),
        },
        parts,
        errors: meanErrorsOf(buffers, expected, batch.count),
        expected: attribution.represent(expected, batch.count),
        excess,
        unknownConditions: buffers.unknownConditions,
      };
    },
  };
}

interface ModelResult {
  statistics: Record<string, Float64Array>;
  /** Shape [count, dim]. */
  excess: Float32Array;
  expected: Float32Array;
}

/** Runs the model and brings its results over as typed arrays. Frees every tensor on the way. */
function runModel(model: Model, encoder: WindowEncoder, encoded: EncodedWindows, count: number): ModelResult {
  const { dim } = encoder;
  const result: ModelResult = {
    statistics: Object.fromEntries(model.statistics.map((name) => [name, new Float64Array(count)])),
    excess: new Float32Array(count * dim),
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
      result.excess.set(assessment.excess.dataSync<'float32'>().subarray(0, used * dim), from * dim);
      result.expected.set(assessment.expected.dataSync<'float32'>().subarray(0, used * dim), from * dim);
    });
  }
  return result;
}

/** What was put in for a value changes what is expected of it, so this is repeated, at most so often. */
const imputationSteps = 8;

/** In scaled units: a window in which nothing moves further than this is settled. */
const settledWithin = 0.02;

/**
 * Puts what the model expects in the place of what is missing, and of deviations that do not count (domain/signal.ts), so
 * that no statistic, the code of the window included, knows of them: the imputation of Rezende, Mohamed & Wierstra (2014),
 * with means for draws. A channel that training has never seen stays masked.
 * @param expected of the windows as they are now, scaled, shape [count, dim]
 * @returns whether any window has changed; one that has settled keeps its score, whatever the others do
 */
function imputeExpected(
  { values, count }: WindowBatch,
  expected: Float32Array,
  { x, mask }: EncodedWindows,
  { length, channels }: WindowShape,
  scaler: Scaler,
  counts: Counts | undefined,
): boolean {
  const dim = length * channels;
  /** What the model should see in place i: the value itself, or what it expects. */
  const wanted = (i: number): number => {
    const channel = i % channels;
    const value = values[i]!;
    if (Number.isNaN(value)) return scaler.knows(channel) ? expected[i]! : x[i]!;
    const isDeviation = counts === undefined || counts(channel, value, scaler.unscale(expected[i]!, channel));
    return isDeviation ? Math.fround(scaler.scale(value, channel)) : expected[i]!;
  };
  let changed = false;
  for (let window = 0; window < count; window++) {
    const from = window * dim;
    if (counts === undefined && !values.subarray(from, from + dim).some(Number.isNaN)) continue;
    let furthest = 0;
    for (let i = from; i < from + dim; i++) {
      const isMasked = mask[i] === 0 && Number.isNaN(values[i]!) && scaler.knows(i % channels);
      furthest = Math.max(furthest, isMasked ? Infinity : Math.abs(x[i]! - wanted(i)));
    }
    if (furthest <= settledWithin) continue;
    changed = true;
    for (let i = from; i < from + dim; i++) {
      x[i] = wanted(i);
      if (scaler.knows(i % channels)) mask[i] = 1;
    }
  }
  return changed;
}

function sumOverChannels(parts: Float64Array, channels: number): Float64Array {
  const sums = new Float64Array(parts.length / channels);
  parts.forEach((part, i) => (sums[Math.floor(i / channels)]! += part));
  return sums;
}
