/**
 * Typical vectors among many: the centres of k-means (Lloyd 1982), or a coreset such that no vector is far from it (the greedy
 * k-centre algorithm, Gonzalez 1985, as in PatchCore, Roth 2022, § 3.2).
 */
import { matMul, scoped, tf, type Random } from '../tensor';

/** Maximum number of vectors to learn from: bounds the time. */
const mostVectors = 20_000;
/** Number of iterations, after which the centres hardly move. */
const iterations = 6;
/** Number of vectors that are compared with all centres at once: bounds memory. */
const chunk = 1024;

/** The columns of the vectors that are used. */
export interface Columns {
  from: number;
  size: number;
}

/**
 * A centre that no vector is nearest to keeps its position.
 * @param vectors shape [count, width]
 * @param size number of centres; with fewer vectors some are equal
 * @returns the centres, shape [columns.size, size]
 */
export function findTypical(
  vectors: Float32Array,
  width: number,
  size: number,
  random: Random,
  columns: Columns = { from: 0, size: width },
): Float32Array {
  const some = drawn(vectors, width, columns, random);
  const dim = columns.size;
  const count = some.length / dim;
  const centres = columnsOf(
    some,
    dim,
    Int32Array.from({ length: size }, (_, i) => i % count),
  );
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

/** Dimensions of a random projection, which preserves distances well enough for this choice (Johnson & Lindenstrauss 1984). */
const projected = 48;

/**
 * Repeatedly chooses the vector that is furthest from those chosen before.
 * @param vectors shape [count, width]
 * @param size number of vectors to choose; with fewer vectors some are equal
 * @returns the chosen ones, shape [columns.size, size]
 */
export function findCoreset(
  vectors: Float32Array,
  width: number,
  size: number,
  random: Random,
  columns: Columns = { from: 0, size: width },
): Float32Array {
  const some = drawn(vectors, width, columns, random);
  const dim = columns.size;
  const count = some.length / dim;
  const short = Math.min(dim, projected);
  const shorter = short === dim ? some : projection(some, dim, short, random);
  const distances = new Float64Array(count).fill(Infinity);
  const chosen = new Int32Array(size);
  // The first vector is a random choice, as their order is random.
  let next = 0;
  for (let i = 0; i < size; i++) {
    chosen[i] = next;
    const at = next * short;
    let furthest = 0;
    for (let row = 0; row < count; row++) {
      let squared = 0;
      for (let j = 0; j < short; j++) {
        const difference = shorter[row * short + j]! - shorter[at + j]!;
        squared += difference * difference;
      }
      if (squared < distances[row]!) distances[row] = squared;
      if (distances[row]! > distances[furthest]!) furthest = row;
    }
    next = furthest;
  }
  return columnsOf(some, dim, chosen);
}

/** Shape [count, dim] → [count, width]. */
function projection(vectors: Float32Array, dim: number, width: number, random: Random): Float32Array {
  return scoped(() =>
    matMul(tf.tensor2d(vectors, [vectors.length / dim, dim]), random.normalTensor([dim, width]))
      .dataSync<'float32'>()
      .slice(),
  );
}

/** The selected columns of at most `mostVectors` vectors, drawn at random, in a random order. */
function drawn(vectors: Float32Array, width: number, { from, size }: Columns, random: Random): Float32Array {
  const order = Int32Array.from({ length: vectors.length / width }, (_, i) => i);
  random.shuffle(order);
  const used = order.subarray(0, mostVectors);
  const some = new Float32Array(used.length * size);
  used.forEach((row, i) =>
    some.set(vectors.subarray(row * width + from, row * width + from + size), i * size),
  );
  return some;
}

/** Some vectors as columns. Shape [dim, rows.length]. */
function columnsOf(vectors: Float32Array, dim: number, rows: Int32Array): Float32Array {
  const columns = new Float32Array(dim * rows.length);
  rows.forEach((row, i) => {
    for (let j = 0; j < dim; j++) columns[j * rows.length + i] = vectors[row * dim + j]!;
  });
  return columns;
}

/** The nearest centre of each vector. */
function nearest(vectors: Float32Array, dim: number, centres: Float32Array, size: number): Int32Array {
  const found = new Int32Array(vectors.length / dim);
  for (let from = 0; from < found.length; from += chunk) {
    const rows = Math.min(chunk, found.length - from);
    scoped(() => {
      const part = tf.tensor2d(vectors.slice(from * dim, (from + rows) * dim), [rows, dim]);
      const bank = tf.tensor2d(centres, [dim, size]);
      // |v|² is the same for all centres, so it is left out.
      const distances = tf.sum(bank.square(), 0, true).sub(matMul(part, bank).mul(2));
      found.set(tf.argMin(distances, 1).dataSync(), from);
    });
  }
  return found;
}
