/** Windows to raw statistics: encode, run the model, and look at what no model sees. Nothing is calibrated yet. */
import { createConditionEncoder, type CategoryTable } from '../domain/condition';
import { createScaler, type Scaler } from '../domain/scaler';
import { createCounts, type Counts } from '../domain/signal';
import type { EncodedWindows, WindowBatch, WindowShape } from '../domain/window';
import type { Model } from '../models/model';
import { contributionsOf, type Contributions } from './contributions';
import type { LearnedState } from './bundle';
import { createWindowEncoder, shapeOf, type WindowEncoder } from './encode';
import { createTfjsEngine, type OpenEngine, type Outputs, type ScoringEngine } from './engine';
import { outputNames, outputStatistics } from './outputs';
import { createStuckStatistic, type StuckStatistic } from './stuck';

/** What a model says of a batch of windows. */
export interface RawScores {
  /** By name, larger = odder, in nats. Shape [count]. */
  statistics: Readonly<Record<string, ArrayLike<number>>>;
  /** What each channel adds to the reconstruction statistic. Shape [count, channels]. */
  parts: Float32Array;
  /** Mean error of each channel over the window, or of each region, scaled. Shape [count, channels]. */
  errors: Float32Array;
  /** Mean of p(x|z) for the newest record, or over a region of an image, scaled. Shape [count, channels]. */
  expected: Float32Array;
  /** Conditions that the model has not seen in training. */
  unknownConditions: number;
}

export interface Assessor {
  readonly shape: WindowShape;
  readonly scaler: Scaler;
  /** Undefined for images: a pixel that stays as it is, is not stuck. */
  readonly stuck: StuckStatistic | undefined;
  readonly contributions: Contributions;
  readonly encoder: WindowEncoder;
  readonly engine: ScoringEngine;
  /** One batch at a time. */
  assess(batch: WindowBatch): Promise<RawScores>;
  /** What each single value adds to the reconstruction, a pixel of an image for instance. Shape [count, values of a window]. */
  deviance(batch: WindowBatch): Promise<Float32Array>;
}

/** @param openEngine what shall score: tfjs, where nothing else is said */
export function createAssessor(
  state: LearnedState,
  model: Model,
  table: CategoryTable,
  openEngine: OpenEngine = createTfjsEngine,
): Assessor {
  const shape = shapeOf(state);
  const { image } = state;
  const scaler = createScaler(state.scaler);
  const encoder = createWindowEncoder(shape, scaler, createConditionEncoder(state.conditions, table));
  const stuck = image === undefined ? createStuckStatistic(shape, state.repeats) : undefined;
  const contributions = contributionsOf(state);
  const engine = openEngine(model, encoder, contributions);
  const counts = createCounts(state.channels, state.signals);
  const statisticsOfModel = outputStatistics(model, contributions);
  const usual = [...statisticsOfModel, outputNames.parts, outputNames.errors, outputNames.typical];
  const buffersOf = new WeakMap<WindowBatch, EncodedWindows>();

  function encodedOf(batch: WindowBatch): EncodedWindows {
    if (batch.encoded?.encoder === encoder) return batch.encoded;
    let encoded = buffersOf.get(batch);
    if (encoded === undefined)
      buffersOf.set(batch, (encoded = encoder.createBuffers(batch.capacity, engine.onThread)));
    return encoded;
  }

  /** The batch as the model shall see it, and what is read out of that. */
  async function settle<Name extends string>(
    batch: WindowBatch,
    wanted: readonly Name[],
  ): Promise<{ encoded: EncodedWindows; outputs: Outputs<Name> }> {
    const encoded = encodedOf(batch);
    if (encoded.count === batch.count) encoder.mask(batch, encoded);
    else encoder.encode(batch, encoded);
    // Imputation changes them.
    encoded.count = 0;
    // No pixel is missing, and each counts.
    const mayChange = image === undefined && (counts !== undefined || encoded.lackingCount > 0);
    if (!mayChange) return { encoded, outputs: await engine.run(encoded, batch.count, wanted) };
    const withExpected = [...wanted, outputNames.expected] as const;
    let outputs = await engine.run(encoded, batch.count, withExpected);
    for (let step = 0; step < imputationSteps; step++) {
      if (!imputeExpected(batch, outputs[outputNames.expected], encoded, shape, scaler, counts)) break;
      outputs = await engine.run(encoded, batch.count, withExpected);
    }
    return { encoded, outputs };
  }

  return {
    shape,
    scaler,
    stuck,
    contributions,
    encoder,
    engine,
    async assess(batch) {
      const { encoded, outputs } = await settle(batch, usual);
      return {
        statistics: {
          ...Object.fromEntries(statisticsOfModel.map((name) => [name, outputs[name]!])),
          ...(stuck && { stuck: stuck.assess(batch) }),
        },
        parts: outputs[outputNames.parts]!,
        errors: outputs[outputNames.errors]!,
        expected: outputs[outputNames.typical]!,
        unknownConditions: encoded.unknownConditions,
      };
    },
    deviance: async (batch) => (await settle(batch, [outputNames.excess])).outputs[outputNames.excess],
  };
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
