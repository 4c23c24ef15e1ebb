/** Synthetic windows and latent codes from a model version: for augmentation and diagnosis, not for scoring. */
import { createConditionEncoder, createConditionReader, type CategoryTable } from '../domain/condition';
import { givenConditions } from '../domain/record';
import { DecodeError } from '../errors';
import { createScaler } from '../domain/scaler';
import { createWindowBatch, type WindowBatch } from '../domain/window';
import type { Model } from '../models/model';
import { createRandom, scoped, tf } from '../tensor';
import { createWindowEncoder, toExamples } from './encode';
import { modelState, shapeOf, type LearnedState } from './version-state';

export interface GenerateOptions {
  count: number;
  /** Conditions of every record, in the same form as in records. */
  conditions: Readonly<Record<string, unknown>>;
  /** Time of every record, Unix ms, for the hour of the day and the day of the week. */
  timestamp: number;
  /** Factor for the standard deviation of z. */
  temperature: number;
  seed: number;
}

/**
 * Windows in the channels' own units, shape [count, length, channels]; or images, or tiles of images, in bytes,
 * [count, height, width, colours].
 * @throws DecodeError if a condition is missing, has the wrong type or is not known to the model
 */
export function generateWindows(
  state: LearnedState,
  model: Model,
  table: CategoryTable,
  { count, conditions, timestamp, temperature, seed }: GenerateOptions,
): Float64Array {
  checkCategories(state.conditions, conditions);
  const shape = shapeOf(modelState(state));
  const scaler = createScaler(state.scaler);
  const encoder = createWindowEncoder(shape, scaler, createConditionEncoder(state.conditions, table));
  const batch = createWindowBatch(shape, 1);
  const read = createConditionReader(state.conditions.specs, table);
  for (let i = 0; i < shape.length; i++) read(conditions, batch.conditions, i * shape.conditions);
  batch.timestamps.fill(timestamp);
  batch.count = 1;
  const buffers = encoder.createBuffers(1);
  encoder.encode(batch, buffers);
  const scaled = scoped(() => {
    const { c } = toExamples(encoder, buffers, 0, 1);
    const all = c === undefined ? undefined : tf.tile(c, [count, 1]);
    return model.generate(count, all, createRandom(seed), temperature).dataSync();
  });
  return Float64Array.from(scaled, (value, i) => scaler.unscale(value, i % scaler.channels));
}

/** @throws DecodeError that lists the known conditions, or values of a condition */
function checkCategories(
  { specs, categories }: LearnedState['conditions'],
  conditions: GenerateOptions['conditions'],
): void {
  const names = givenConditions(specs).map(({ name }) => name);
  for (const [name, value] of Object.entries(conditions)) {
    if (!names.includes(name))
      throw new DecodeError(
        'bad_condition',
        `the model has no condition "${name}" (known: ${listed(names)})`,
      );
    const known = categories[name];
    if (known !== undefined && !known.includes(String(value)))
      throw new DecodeError(
        'bad_condition',
        `condition "${name}" had no value ${JSON.stringify(value)} in training (known: ${listed(known)})`,
      );
  }
}

const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));

/**
 * The codes of the windows of a batch: posterior means, all levels side by side. Shape [count, sum of latentDims].
 * @throws Error if the model reads tiles: an image then has no code
 */
export function createLatentEncoder(
  state: LearnedState,
  model: Model,
  table: CategoryTable,
): (batch: WindowBatch) => Float32Array {
  if (state.image?.tile) throw new Error('an image with tiles (record.image.tile) has no code of its own');
  const encoder = createWindowEncoder(
    shapeOf(state),
    createScaler(state.scaler),
    createConditionEncoder(state.conditions, table),
  );
  return (batch) => {
    const buffers = encoder.createBuffers(batch.count);
    encoder.encode(batch, buffers);
    return scoped(() => model.encode(toExamples(encoder, buffers, 0, batch.count)).dataSync<'float32'>());
  };
}
