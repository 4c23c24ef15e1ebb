/** Windows of a dataset, encoded for a model. */
import { createWindowBatch } from '../domain/window';
import type { ExampleArrays, WindowEncoder } from '../scoring/encode';
import type { WindowSource } from './dataset';
import type { ExampleSource } from './fit';
import type { Encoded } from './stepper';

/** Number of windows in a chunk. It bounds the memory of an evaluation and does not change its result. */
const chunk = 512;

/** Encodes all windows that end at `ends`, in chunks. */
export function encodeChunks(dataset: WindowSource, ends: Int32Array, encoder: WindowEncoder): Encoded[] {
  const chunks: Encoded[] = [];
  for (let from = 0; from < ends.length; from += chunk)
    chunks.push(encodeWindows(dataset, ends.subarray(from, from + chunk), encoder));
  return chunks;
}

/** Encodes at most `count` of the windows that end at `ends`, evenly spread. */
export function encodeSome(
  dataset: WindowSource,
  ends: Int32Array,
  encoder: WindowEncoder,
  count: number,
): Encoded {
  return encodeWindows(dataset, evenlySpread(ends, count), encoder);
}

/** At most `count` of the ends, evenly spread. */
export function evenlySpread(ends: Int32Array, count: number): Int32Array {
  if (ends.length <= count) return ends;
  return Int32Array.from({ length: count }, (_, i) => ends[Math.floor((i * ends.length) / count)]!);
}

/** Maximum number of values in windows that are encoded at once, unless a single window has more: bounds memory. */
const valuesAtOnce = 1_000_000;

/** Encodes the windows that end at `ends`, one part after the other. */
export function* encodeInTurn(
  dataset: WindowSource,
  ends: Int32Array,
  encoder: WindowEncoder,
): Generator<ExampleArrays & { count: number }> {
  const atOnce = Math.max(1, Math.floor(valuesAtOnce / encoder.dim));
  for (let from = 0; from < ends.length; from += atOnce) {
    const { buffers, count } = encodeWindows(dataset, ends.subarray(from, from + atOnce), encoder);
    yield { ...buffers, count };
  }
}

function encodeWindows(dataset: WindowSource, ends: Int32Array, encoder: WindowEncoder): Encoded {
  const batch = createWindowBatch(dataset.shape, ends.length);
  for (const end of ends) dataset.copy(end, batch);
  const buffers = encoder.createBuffers(ends.length);
  encoder.encode(batch, buffers);
  return { buffers, count: ends.length };
}

/** Training examples from the windows that end at `ends`. @param forget may replace conditions of the windows that are read */
export function windowSource(
  dataset: WindowSource,
  ends: Int32Array,
  encoder: WindowEncoder,
  batchSize: number,
  forget: (examples: ExampleArrays, count: number) => void,
): ExampleSource {
  const batch = createWindowBatch(dataset.shape, batchSize);
  const buffers = encoder.createBuffers(batchSize);
  return {
    ids: ends,
    read(ids) {
      batch.count = 0;
      for (const end of ids) dataset.copy(end, batch);
      encoder.encode(batch, buffers);
      forget(buffers, batch.count);
      return buffers;
    },
  };
}
