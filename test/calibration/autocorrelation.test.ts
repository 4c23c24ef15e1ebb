import { autocorrelationTime } from '../../src/calibration/autocorrelation';
import { seededNormal } from './seeded';

/** φ-autoregressive, of variance 1. */
function autoregressive(phi: number, n: number, seed: number): Float64Array {
  const normal = seededNormal(seed);
  let state = normal();
  return Float64Array.from({ length: n }, () => (state = phi * state + Math.sqrt(1 - phi * phi) * normal()));
}

test.each([
  [0, 1],
  [0.5, 3],
  [0.9, 19],
])('of an autoregression with φ = %d is (1 + φ) / (1 − φ) = %d', (phi, tau) => {
  const estimate = autocorrelationTime(autoregressive(phi, 50_000, 1));
  expect(Math.abs(estimate / tau - 1)).toBeLessThan(0.15);
});

test('is at least 1, also with negative correlation, for a constant and for a few values', () => {
  expect(autocorrelationTime(autoregressive(-0.8, 5000, 2))).toBe(1);
  expect(autocorrelationTime(new Float64Array(100).fill(3))).toBe(1);
  expect(autocorrelationTime(Float64Array.of(1))).toBe(1);
  expect(autocorrelationTime(new Float64Array())).toBe(1);
});
