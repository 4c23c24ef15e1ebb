/** Raw windows to what a model reads: scaled values with a mask, and one encoded condition per window. */
import type { ConditionEncoder } from '../domain/condition';
import type { Scaler } from '../domain/scaler';
import { windowShape, type WindowBatch, type WindowShape } from '../domain/window';
import type { Examples } from '../models/model';
import { tf } from '../tensor';
import type { LearnedState } from './bundle';

/** The windows that a model version reads. */
export function shapeOf({
  spec,
  image,
  channels,
  conditions,
}: Pick<LearnedState, 'spec' | 'image' | 'channels' | 'conditions'>): WindowShape {
  const schema = { channels, conditions: conditions.specs };
  return windowShape(image === undefined ? schema : { ...schema, kind: 'image', image }, spec.length);
}

/** Buffers of one encoded batch, row by row; reused. An engine may exchange them. */
export interface EncodedWindows {
  /** Shape [capacity, length × channels], the capacity rounded up to what engines run at once. */
  x: Float32Array;
  mask: Float32Array;
  /** Shape [capacity, conditionDim]. */
  c: Float32Array;
  /** Values that are missing. */
  missing: number;
  /** Conditions that the model does not know, over all records that end a window. */
  unknownConditions: number;
}

/**
 * Engines run a multiple of so many rows. A single row would be multiplied in another order than many, and what is left over
 * behind the last full vector of a processor is computed by other code: both would change the last bits of a score.
 */
export const engineRows = 16;

export interface WindowEncoder {
  readonly dim: number;
  /** Twice the encoding of one record: that of the record being judged, and the mean over its window. */
  readonly conditionDim: number;
  createBuffers(capacity: number): EncodedWindows;
  /** Encodes all windows of the batch into the first rows of `out`. */
  encode(batch: WindowBatch, out: EncodedWindows): void;
}

/**
 * A window is judged given the conditions of its newest record and their mean over the window. The mean tells
 * the model when, within the window, a mode changed; without it every change of mode would look odd.
 */
export function createWindowEncoder(
  shape: WindowShape,
  scaler: Scaler,
  conditions: ConditionEncoder,
): WindowEncoder {
  const { length, channels, conditions: given } = shape;
  const dim = length * channels;
  const conditionDim = 2 * conditions.dim;
  return {
    dim,
    conditionDim,
    createBuffers(capacity) {
      const rows = Math.ceil(capacity / engineRows) * engineRows;
      return {
        x: new Float32Array(rows * dim),
        mask: new Float32Array(rows * dim),
        c: new Float32Array(rows * conditionDim),
        missing: 0,
        unknownConditions: 0,
      };
    },
    encode(batch, out) {
      out.unknownConditions = out.missing = 0;
      for (let i = 0; i < batch.count * dim; i++) {
        const value = batch.values[i]!;
        const channel = i % scaler.channels;
        const isMissing = Number.isNaN(value);
        if (isMissing) out.missing++;
        out.x[i] = scaler.scale(value, channel);
        out.mask[i] = isMissing || !scaler.knows(channel) ? 0 : 1;
      }
      if (conditionDim === 0) return;
      out.c.fill(0, 0, batch.count * conditionDim);
      for (let window = 0; window < batch.count; window++) {
        const newest = window * conditionDim;
        const mean = newest + conditions.dim;
        for (let i = 0; i < length; i++) {
          const row = window * length + i;
          const time = batch.timestamps[row]!;
          const unknown = conditions.add(batch.conditions, row * given, time, 1 / length, out.c, mean);
          if (i < length - 1) continue;
          conditions.add(batch.conditions, row * given, time, 1, out.c, newest);
          out.unknownConditions += unknown;
        }
      }
    },
  };
}

/** `count` rows from row `from` on as tensors, which the caller disposes. Rows beyond the buffers are zeros. */
export function toExamples(
  encoder: WindowEncoder,
  encoded: EncodedWindows,
  from: number,
  count: number,
): Examples {
  const { dim, conditionDim } = encoder;
  const rows = (buffer: Float32Array, width: number): tf.Tensor2D => {
    const part = buffer.slice(from * width, (from + count) * width);
    if (part.length === count * width) return tf.tensor2d(part, [count, width]);
    const padded = new Float32Array(count * width);
    padded.set(part);
    return tf.tensor2d(padded, [count, width]);
  };
  return {
    x: rows(encoded.x, dim),
    mask: rows(encoded.mask, dim),
    c: conditionDim === 0 ? undefined : rows(encoded.c, conditionDim),
  };
}
