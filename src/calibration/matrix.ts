/** Operations on symmetric positive definite matrices, row-major. */

/**
 * L of M = L·Lᵀ, the Cholesky factor (Golub & Van Loan 2013, § 4.2). Shape [size, size]; above the diagonal 0.
 * @throws RangeError if the matrix is not finite, or not positive definite beyond rounding
 */
export function cholesky(matrix: ArrayLike<number>, size: number): Float64Array {
  const factor = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    // A pivot that should be 0 has about this value after rounding.
    const least = size * Number.EPSILON * matrix[i * size + i]!;
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j]!;
      for (let k = 0; k < j; k++) sum -= factor[i * size + k]! * factor[j * size + k]!;
      if (i !== j) factor[i * size + j] = sum / factor[j * size + j]!;
      else if (sum > least && sum < Infinity) factor[i * size + i] = Math.sqrt(sum);
      else throw new RangeError('the matrix is not positive definite');
    }
  }
  return factor;
}

/** Solves M·x = b in place, given the Cholesky factor of M. @param b shape [size] */
export function solve(factor: Float64Array, size: number, b: Float64Array): Float64Array {
  for (let i = 0; i < size; i++) {
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= factor[i * size + k]! * b[k]!;
    b[i] = sum / factor[i * size + i]!;
  }
  for (let i = size - 1; i >= 0; i--) {
    let sum = b[i]!;
    for (let k = i + 1; k < size; k++) sum -= factor[k * size + i]! * b[k]!;
    b[i] = sum / factor[i * size + i]!;
  }
  return b;
}

/** @throws RangeError under the same conditions as `cholesky` */
export function inverse(matrix: ArrayLike<number>, size: number): Float64Array {
  const factor = cholesky(matrix, size);
  const result = new Float64Array(size * size);
  for (let column = 0; column < size; column++) {
    const unit = new Float64Array(size);
    unit[column] = 1;
    solve(factor, size, unit);
    for (let row = 0; row < size; row++) result[row * size + column] = unit[row]!;
  }
  return result;
}

/** xᵀ·M·x for a symmetric matrix M. */
export function quadraticForm(matrix: Float64Array, size: number, x: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < size; i++) {
    const row = i * size;
    let sum = 0;
    for (let j = 0; j < i; j++) sum += matrix[row + j]! * x[j]!;
    total += x[i]! * (2 * sum + matrix[row + i]! * x[i]!);
  }
  return total;
}
