import { cholesky, inverse, quadraticForm, solve } from '../../src/calibration/matrix';
import { seededNormal } from './seeded';

/** a·b, with a of shape [rows, inner] and b of shape [inner, columns]. */
function multiply(a: Float64Array, b: Float64Array, rows: number, inner: number, columns: number) {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      for (let k = 0; k < inner; k++) out[i * columns + j]! += a[i * inner + k]! * b[k * columns + j]!;
    }
  }
  return out;
}

function transpose(a: Float64Array, n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => a[(at % n) * n + Math.floor(at / n)]!);
}

/** GᵀG + I/10 of a random G. */
function positiveDefinite(n: number): Float64Array {
  const g = Float64Array.from({ length: n * n }, seededNormal(n));
  const a = multiply(transpose(g, n), g, n, n, n);
  for (let i = 0; i < n; i++) a[i * n + i]! += 0.1;
  return a;
}

function expectClose(actual: Float64Array, expected: ArrayLike<number>): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 9));
}

test('the factor is lower triangular, and its product with its transpose is the matrix', () => {
  expectClose(cholesky([4, 2, 2, 5], 2), [2, 0, 1, 2]);
  for (const n of [1, 3, 12]) {
    const a = positiveDefinite(n);
    const factor = cholesky(a, n);
    expectClose(multiply(factor, transpose(factor, n), n, n, n), a);
  }
});

test('equations are solved, and an inverse times its matrix is the identity', () => {
  const n = 9;
  const a = positiveDefinite(n);
  const x = Float64Array.from({ length: n }, (_, i) => i - 1.5);
  expectClose(solve(cholesky(a, n), n, multiply(a, x, n, n, 1)), x);
  const identity = Float64Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0));
  expectClose(multiply(a, inverse(a, n), n, n, n), identity);
});

test.each([
  ['indefinite', [1, 2, 2, 1]],
  ['singular', [1, 1, 1, 1]],
  ['singular but for rounding', [1 / 3, 1 / 3, 1 / 3, 1 / 3 + 1e-17]],
  ['zero', [0, 0, 0, 0]],
  ['not a number', [NaN, 0, 0, 1]],
  ['infinite', [Infinity, 0, 0, 1]],
])('a matrix that is %s is an error', (_, a) => {
  expect(() => inverse(a, 2)).toThrow(RangeError);
});

test('a quadratic form equals the product', () => {
  const n = 7;
  const a = positiveDefinite(n);
  const d = Float64Array.from({ length: n }, (_, i) => Math.sin(i));
  expect(quadraticForm(a, n, d)).toBeCloseTo(multiply(d, multiply(a, d, n, n, 1), 1, n, 1)[0]!, 10);
});
