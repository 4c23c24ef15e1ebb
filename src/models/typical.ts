/** Typical vectors of many: the centres that k-means finds (Lloyd 1982), from vectors drawn at random. */
import { matMul, scoped, tf, type Random } from '../tensor';

/** Vectors to learn from, at most: bounds the time. */
const mostVectors = 20_000;
/** After these the centres hardly move. */
const iterations = 6;
/** Vectors that are compared with all centres at once: bounds memory. */
const chunk = 1024;

/**
 * A centre without any vector stays where it is.
 * @param vectors shape [count, dim]
 * @param size number of centres; with fewer vectors some are equal
 * @returns the centres, shape [dim, size]
 */
export function findTypical(vectors: Float32Array, dim: number, size: number, random: Random): Float32Array {
  const order = Int32Array.from({ length: vectors.length / dim }, (_, i) => i);
  random.shuffle(order);
  const used = order.subarray(0, mostVectors);
  const some = new Float32Array(used.length * dim);
  used.forEach((row, i) => some.set(vectors.subarray(row * dim, (row + 1) * dim), i * dim));
  const centres = new Float32Array(dim * size);
  for (let i = 0; i < centres.length; i++) {
    const [j, centre] = [Math.floor(i / size), i % size];
    centres[i] = some[(centre % used.length) * dim + j]!;
  }
  for (let iteration = 0; iteration < iterations; iteration++) {
    const counts = new Float64Array(size);
    const sums = new Float64Array(dim * size);
    nearest(some, dim, centres, size).forEach((centre, row) => {
      counts[centre]!++;
      for (let j = 0; j < dim; j++) sums[j * size + centre]! += some[row * dim + j]!;
    });
    for (let i = 0; i < centres.length; i++) {
      const count = counts[i % size]!;
      if (count > 0) centres[i] = sums[i]! / count;
    }
  }
  return centres;
}

/** The nearest centre of each vector. */
function nearest(vectors: Float32Array, dim: number, centres: Float32Array, size: number): Int32Array {
  const found = new Int32Array(vectors.length / dim);
  for (let from = 0; from < found.length; from += chunk) {
    const rows = Math.min(chunk, found.length - from);
    scoped(() => {
      const part = tf.tensor2d(vectors.slice(from * dim, (from + rows) * dim), [rows, dim]);
      const bank = tf.tensor2d(centres, [dim, size]);
      // |v|² is the same for all centres.
      const distances = tf.sum(bank.square(), 0, true).sub(matMul(part, bank).mul(2));
      found.set(tf.argMin(distances, 1).dataSync(), from);
    });
  }
  return found;
}
