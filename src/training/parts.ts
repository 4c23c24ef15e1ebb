/** Training examples of an inner model: parts of windows, such as the features of an image or of its cells. */
import { inputDim, type Model } from '../models/model';
import { createExampleArrays, type ExampleLayout, type WindowEncoder } from '../scoring/encode';
import type { Random } from '../tensor';
import type { WindowSource } from './dataset';
import { encodeInTurn } from './encode-windows';
import type { ExampleSource } from './fit';
import type { Encoded } from './stepper';

/** Maximum number of values in the parts to learn from: bounds memory. */
export const mostValues = 10_000_000;
/** Number of parts in a chunk. It bounds the memory of an evaluation and does not change its result. */
const chunk = 2048;

export const layoutOf = ({ spec }: Model): ExampleLayout => ({
  dim: inputDim(spec),
  conditionDim: spec.conditionDim,
});

/**
 * The parts of the windows that end at `ends`; if not all fit into memory, a random choice of them.
 * @param share of the parts that would fit
 */
export function readParts(
  dataset: WindowSource,
  ends: Int32Array,
  encoder: WindowEncoder,
  inside: NonNullable<Model['inside']>,
  random: Random,
  share = 1,
): Encoded {
  const { model, parts } = inside;
  const layout = layoutOf(model);
  const all = ends.length * parts;
  const kept = Math.min(all, Math.max(1, Math.floor((share * mostValues) / layout.dim)));
  const examples = createExampleArrays(layout, kept);
  const copy = (from: Float32Array, part: number, to: Float32Array, width: number): void =>
    to.set(from.subarray(part * width, (part + 1) * width), count * width);
  let count = 0;
  for (const windows of encodeInTurn(dataset, ends, encoder)) {
    if (count === kept) break;
    const found = inside.read(windows);
    for (let part = 0; part < found.count && count < kept; part++) {
      if (kept < all && random.uniform() >= kept / all) continue;
      copy(found.x, part, examples.x, layout.dim);
      copy(found.mask, part, examples.mask, layout.dim);
      copy(found.c, part, examples.c, layout.conditionDim);
      count++;
    }
  }
  return { buffers: examples, count };
}

/** The same parts in chunks, without a copy. */
export function inChunks({ buffers, count }: Encoded, { dim, conditionDim }: ExampleLayout): Encoded[] {
  return Array.from({ length: Math.ceil(count / chunk) }, (_, i) => {
    const [from, to] = [i * chunk, Math.min(count, (i + 1) * chunk)];
    const rows = (column: Float32Array, width: number): Float32Array =>
      column.subarray(from * width, to * width);
    return {
      buffers: {
        x: rows(buffers.x, dim),
        mask: rows(buffers.mask, dim),
        c: rows(buffers.c, conditionDim),
      },
      count: to - from,
    };
  });
}

/** @param forget may replace conditions of the parts that are read */
export function partSource(
  { buffers, count }: Encoded,
  { dim, conditionDim }: ExampleLayout,
  batchSize: number,
  forget: (examples: Encoded['buffers'], count: number) => void,
): ExampleSource {
  const batch = createExampleArrays({ dim, conditionDim }, batchSize);
  return {
    ids: Int32Array.from({ length: count }, (_, i) => i),
    read(ids) {
      ids.forEach((id, row) => {
        for (const [column, width] of [
          ['x', dim],
          ['mask', dim],
          ['c', conditionDim],
        ] as const)
          batch[column].set(buffers[column].subarray(id * width, (id + 1) * width), row * width);
      });
      forget(batch, ids.length);
      return batch;
    },
  };
}
