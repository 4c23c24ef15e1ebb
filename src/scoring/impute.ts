/**
 * Imputation (Rezende, Mohamed & Wierstra 2014, with means instead of draws): a missing value, or a deviation that does not
 * count (domain/signal.ts), is replaced by the expected value, so that it affects neither a statistic nor the code of the
 * window. A channel that training has never seen stays masked.
 */
import type { Scaler } from '../domain/scaler';
import type { Counts } from '../domain/signal';
import type { EncodedWindows, WindowBatch, WindowShape } from '../domain/window';

/** Largest change of a value, in scaled units, at which a window has settled. */
const settledWithin = 0.02;

/**
 * Imputes the encoded windows of a batch that have not settled.
 * @param expected of the windows as encoded now, scaled, shape [count, dim]
 * @returns whether any window has changed. A settled window keeps its score, whatever its batch
 */
export type Impute = (batch: WindowBatch, expected: Float32Array, encoded: EncodedWindows) => boolean;

export function createImputation(
  { length, channels }: WindowShape,
  scaler: Scaler,
  counts: Counts | undefined,
): Impute {
  const dim = length * channels;

  return ({ values, count, recalled: { shifts } }, expected, { x, mask, lacking }) => {
    const shiftAt = (i: number): number => shifts[Math.floor(i / dim) * channels + (i % channels)] ?? 0;
    /** The scaled value for the model at place i: the value itself, or the expected value. */
    const wanted = (i: number): number => {
      const channel = i % channels;
      const value = values[i]!;
      if (Number.isNaN(value)) return scaler.knows(channel) ? expected[i]! : x[i]!;
      const isDeviation =
        counts === undefined || counts(channel, value, scaler.unscale(expected[i]! + shiftAt(i), channel));
      return isDeviation ? Math.fround(Math.fround(scaler.scale(value, channel)) - shiftAt(i)) : expected[i]!;
    };
    /** The largest change of a value of the window that begins at `from`; Infinity if a masked value becomes known. */
    const largestChange = (from: number): number => {
      let largest = 0;
      for (let i = from; i < from + dim; i++) {
        const isMasked = mask[i] === 0 && Number.isNaN(values[i]!) && scaler.knows(i % channels);
        largest = Math.max(largest, isMasked ? Infinity : Math.abs(x[i]! - wanted(i)));
      }
      return largest;
    };
    let changed = false;
    for (let from = 0; from < count * dim; from += dim) {
      if (counts === undefined && lacking[from / dim] === 0) continue;
      if (largestChange(from) <= settledWithin) continue;
      changed = true;
      for (let i = from; i < from + dim; i++) {
        x[i] = wanted(i);
        if (scaler.knows(i % channels)) mask[i] = 1;
      }
    }
    return changed;
  };
}
