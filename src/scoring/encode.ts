/** Raw windows to the inputs of a model: scaled values with a mask, and one encoded condition per window. */
import { joinConditions, type ConditionEncoder } from '../domain/condition';
import type { ConditionTerms } from '../domain/condition-terms';
import type { Values } from '../domain/record';
import type { Scaler } from '../domain/scaler';
import {
  resetEncoded,
  type EncodedWindows,
  type RecordEncoder,
  type WindowBatch,
  type WindowShape,
} from '../domain/window';
import type { Examples } from '../models/model';
import { tf } from '../tensor';

/**
 * Engines run a multiple of this number of rows. A single row is multiplied in another order than many, and the rows after the
 * last full CPU vector are computed by other code; both would change the last bits of a score.
 */
export const engineRows = 16;

/** Widths of examples. */
export interface ExampleLayout {
  /** Columns of `x`. */
  readonly dim: number;
  /** Columns of `c`. */
  readonly conditionDim: number;
}

/** Examples row by row; the shapes are [capacity, dim], the same, and [capacity, conditionDim]. */
export type ExampleArrays = Pick<EncodedWindows, 'x' | 'mask' | 'c'>;

/** Arrays for `capacity` examples without missing values. */
export function createExampleArrays({ dim, conditionDim }: ExampleLayout, capacity: number): ExampleArrays {
  return {
    x: new Float32Array(capacity * dim),
    mask: new Float32Array(capacity * dim).fill(1),
    c: new Float32Array(capacity * conditionDim),
  };
}

/** `conditionDim` is twice the encoding of one record: the conditions of the newest record, and their mean over the window. */
export interface WindowEncoder extends RecordEncoder, ExampleLayout {
  /** Terms for the regression of the linear sibling. */
  readonly terms: ConditionTerms;
  /** @param shared memory that an engine on another thread reads in place; engines on this thread are faster without it */
  createBuffers(capacity: number, shared?: boolean): EncodedWindows;
  /** Encodes all windows of the batch into the first rows of `out`, their masks included. */
  encode(batch: WindowBatch, out: EncodedWindows): void;
  /** Resets the masks of the windows of the batch: 0 for a missing value, and for a channel without values in training. */
  mask(batch: WindowBatch, out: EncodedWindows): void;
  /** Subtracts the shifts of the levels from the windows. */
  shift(batch: WindowBatch, out: EncodedWindows): void;
}

/**
 * A window is scored given the conditions of its newest record, and their mean over the window. The mean shows the model that a
 * mode changed within the window; without it, every change of mode looks odd.
 */
export function createWindowEncoder(
  shape: WindowShape,
  scaler: Scaler,
  conditions: ConditionEncoder,
): WindowEncoder {
  const { length, channels, conditions: given } = shape;
  const dim = length * channels;
  const recordConditionDim = conditions.dim;
  const conditionDim = 2 * recordConditionDim;
  const usualMask = Float32Array.from({ length: dim }, (_, i) => (scaler.knows(i % scaler.channels) ? 1 : 0));
  /** Encoded conditions of the records of one window. */
  const rows = new Float32Array(length * recordConditionDim);
  /** By window of the batch, whether its mask differs from the default. */
  const unusual = new WeakMap<EncodedWindows, Uint8Array>();

  const encodeRecord: RecordEncoder['encodeRecord'] = (columns, row, x, xAt, c, cRow) => {
    scaler.scaleRow(columns.values, row * channels, channels, x, xAt);
    const time = columns.timestamps[row]!;
    return conditions.encode(columns.conditions, row * given, time, c, cRow * recordConditionDim);
  };

  const encoder: WindowEncoder = {
    dim,
    recordConditionDim,
    conditionDim,
    terms: conditions.terms,
    encodeRecord,
    createBuffers(capacity, shared = false) {
      const create = shared ? createShared : (length: number) => new Float32Array(length);
      const capacityRows = Math.ceil(capacity / engineRows) * engineRows;
      const encoded: EncodedWindows = {
        encoder,
        count: 0,
        x: create(capacityRows * dim),
        mask: create(capacityRows * dim),
        c: create(capacityRows * conditionDim),
        lacking: new Uint8Array(capacity),
        lackingCount: 0,
        unknownConditions: 0,
      };
      for (let i = 0; i < capacityRows; i++) encoded.mask.set(usualMask, i * dim);
      unusual.set(encoded, new Uint8Array(capacity));
      return encoded;
    },
    encode(batch, out) {
      resetEncoded(out);
      for (let window = 0; window < batch.count; window++) {
        const from = window * length;
        let unknown = 0;
        for (let i = 0; i < length; i++)
          unknown = encodeRecord(batch, from + i, out.x, (from + i) * channels, rows, i);
        out.unknownConditions += unknown;
        if (recordConditionDim > 0) joinConditions(rows, 0, length, recordConditionDim, out.c, window);
        const lacks = hasMissing(batch.values, window * dim, dim);
        out.lacking[window] = lacks ? 1 : 0;
        if (lacks) out.lackingCount++;
      }
      out.count = batch.count;
      encoder.mask(batch, out);
    },
    shift({ count, recalled }, { x }) {
      if (recalled.shifted === 0) return;
      const { shifts } = recalled;
      for (let window = 0; window < count; window++) {
        const from = window * dim;
        for (let j = 0; j < channels; j++) {
          const off = shifts[window * channels + j]!;
          if (off !== 0) for (let i = from + j; i < from + dim; i += channels) x[i]! -= off;
        }
      }
    },
    mask({ count, values }, out) {
      const isUnusual = unusual.get(out)!;
      for (let window = 0; window < count; window++) {
        const lacks = out.lacking[window]!;
        if (lacks === 0 && isUnusual[window] === 0) continue;
        out.mask.set(usualMask, window * dim);
        isUnusual[window] = lacks;
        if (lacks === 0) continue;
        for (let i = window * dim; i < (window + 1) * dim; i++) if (Number.isNaN(values[i]!)) out.mask[i] = 0;
      }
    },
  };
  return encoder;
}

function createShared(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

function hasMissing(values: Values, from: number, count: number): boolean {
  // No byte is missing.
  if (values instanceof Uint8Array) return false;
  for (let i = from; i < from + count; i++) if (Number.isNaN(values[i]!)) return true;
  return false;
}

/** `count` rows from row `from` on as tensors, which the caller must dispose. Rows beyond the buffers are zeros. */
export function toExamples(
  { dim, conditionDim }: ExampleLayout,
  encoded: ExampleArrays,
  from: number,
  count: number,
): Examples {
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
