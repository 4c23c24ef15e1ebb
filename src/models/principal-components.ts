/** The largest principal components of a set of vectors. */
import { createRandom } from '../tensor';

export interface Components {
  /** Variances, largest first. Shape [count]. */
  variances: Float64Array;
  /** Directions of unit length. Shape [count, dim]. */
  directions: Float64Array;
  /** Total variance over all directions. */
  total: number;
}

/** The iteration ends when the variances change by a smaller share than this. */
const settled = 1e-10;
const mostIterations = 200;

/** With more directions than wanted, the iteration converges faster. */
const oversampling = 4;

/**
 * Orthogonal iteration (Golub & Van Loan 2013, § 8.2.4) on the covariance or, with fewer vectors than dimensions, on their
 * inner products, which have the same eigenvalues; then Rayleigh–Ritz.
 * @param vectors about a mean of 0. Shape [rows, dim]
 * @param count of components, at most `dim`; components beyond the rank have variance 0
 */
export function principalComponents(vectors: Float64Array, dim: number, count: number): Components {
  const rows = vectors.length / dim;
  const isDual = rows < dim;
  const [size, along] = isDual ? [rows, dim] : [dim, rows];
  const at = (i: number, t: number): number => vectors[isDual ? i * dim + t : t * dim + i]!;
  const matrix = new Float64Array(size * size);
  // The inner loop reads one row of `lines` at a time, in order.
  const lines = Float64Array.from({ length: size * along }, (_, k) => at(Math.floor(k / along), k % along));
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let t = 0; t < along; t++) sum += lines[i * along + t]! * lines[j * along + t]!;
      matrix[i * size + j] = matrix[j * size + i] = sum / rows;
    }
  }
  let total = 0;
  for (let i = 0; i < size; i++) total += matrix[i * size + i]!;

  const held = Math.min(size, count + oversampling);
  const random = createRandom(1);
  let basis = orthonormal(
    Float64Array.from({ length: held * size }, () => random.normal()),
    size,
  );
  let before = 0;
  for (let step = 0; step < mostIterations; step++) {
    const image = product(matrix, basis, size);
    let seen = 0;
    for (let i = 0; i < image.length; i++) seen += image[i]! * basis[i]!;
    if (Math.abs(seen - before) <= settled * total) break;
    before = seen;
    basis = orthonormal(image, size);
  }
  const small = new Float64Array(held * held);
  const image = product(matrix, basis, size);
  for (let a = 0; a < held; a++)
    for (let b = 0; b < held; b++)
      for (let i = 0; i < size; i++) small[a * held + b]! += basis[a * size + i]! * image[b * size + i]!;
  const { values, vectors: mixing } = symmetricEigen(small, held);

  const variances = new Float64Array(count);
  const directions = new Float64Array(count * dim);
  for (let k = 0; k < Math.min(count, held); k++) {
    variances[k] = Math.max(0, values[k]!);
    const direction = directions.subarray(k * dim, (k + 1) * dim);
    for (let a = 0; a < held; a++) {
      const weight = mixing[k * held + a]!;
      for (let i = 0; i < size; i++) {
        const part = weight * basis[a * size + i]!;
        if (isDual) for (let j = 0; j < dim; j++) direction[j]! += part * vectors[i * dim + j]!;
        else direction[i]! += part;
      }
    }
    const length = Math.hypot(...direction);
    if (length > 0) for (let j = 0; j < dim; j++) direction[j]! /= length;
  }
  return { variances, directions, total };
}

/** Each row of `basis`, shape [any, size], times the symmetric matrix. */
function product(matrix: Float64Array, basis: Float64Array, size: number): Float64Array {
  const result = new Float64Array(basis.length);
  for (let from = 0; from < basis.length; from += size) {
    for (let i = 0; i < size; i++) {
      let sum = 0;
      for (let j = 0; j < size; j++) sum += matrix[i * size + j]! * basis[from + j]!;
      result[from + i] = sum;
    }
  }
  return result;
}

/**
 * Gram–Schmidt orthonormalisation of the rows, shape [any, size], in place; two passes are enough (Giraud 2005). A row that
 * depends on others becomes 0.
 */
function orthonormal(rows: Float64Array, size: number): Float64Array {
  for (let from = 0; from < rows.length; from += size) {
    const row = rows.subarray(from, from + size);
    const before = norm(row);
    for (let pass = 1; pass <= 2; pass++) {
      for (let other = 0; other < from; other += size) {
        let inner = 0;
        for (let i = 0; i < size; i++) inner += row[i]! * rows[other + i]!;
        for (let i = 0; i < size; i++) row[i]! -= inner * rows[other + i]!;
      }
    }
    const length = norm(row);
    const scale = length > 1e-12 * before ? 1 / length : 0;
    for (let i = 0; i < size; i++) row[i]! *= scale;
  }
  return rows;
}

function norm(row: Float64Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return Math.sqrt(sum);
}

/**
 * All eigenvalues of a small symmetric matrix, largest first, with their eigenvectors as rows: cyclic Jacobi rotations
 * (Golub & Van Loan 2013, § 8.5).
 */
export function symmetricEigen(
  matrix: Float64Array,
  size: number,
): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const v = new Float64Array(size * size);
  for (let i = 0; i < size; i++) v[i * size + i] = 1;
  let scale = 0;
  for (const value of a) scale += value * value;
  for (let sweep = 0; sweep < 50; sweep++) {
    let off = 0;
    for (let p = 0; p < size; p++) for (let q = 0; q < p; q++) off += a[p * size + q]! ** 2;
    if (off <= 1e-26 * scale) break;
    for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) rotate(p, q);
  }
  const order = Array.from({ length: size }, (_, i) => i).sort((i, j) => a[j * size + j]! - a[i * size + i]!);
  return {
    values: Float64Array.from(order, (i) => a[i * size + i]!),
    vectors: Float64Array.from(
      { length: size * size },
      (_, k) => v[order[Math.floor(k / size)]! * size + (k % size)]!,
    ),
  };

  /** Makes a[p, q] = 0. */
  function rotate(p: number, q: number): void {
    const apq = a[p * size + q]!;
    if (apq === 0) return;
    const theta = (a[q * size + q]! - a[p * size + p]!) / (2 * apq);
    const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
    const cos = 1 / Math.sqrt(t * t + 1);
    const sin = t * cos;
    for (let k = 0; k < size; k++) {
      const [x, y] = [a[k * size + p]!, a[k * size + q]!];
      a[k * size + p] = cos * x - sin * y;
      a[k * size + q] = sin * x + cos * y;
    }
    for (let k = 0; k < size; k++) {
      const [x, y] = [a[p * size + k]!, a[q * size + k]!];
      a[p * size + k] = cos * x - sin * y;
      a[q * size + k] = sin * x + cos * y;
      const [u, w] = [v[p * size + k]!, v[q * size + k]!];
      v[p * size + k] = cos * u - sin * w;
      v[q * size + k] = sin * u + cos * w;
    }
  }
}
