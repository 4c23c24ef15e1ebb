import { assessBias, fitBias } from '../../src/scoring/bias';
import { crossFittedReconstruction, crossFittedBias } from '../../src/training/cross-fit';
import { seededNormal } from '../calibration/seeded';

const normal = seededNormal(9);
const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value / values.length, 0);

test('a quarter that differs is scored as anomalous as unseen records', () => {
  // Means of overlapping windows move slowly: here from quarter to quarter.
  const errors = Float64Array.from(
    { length: 400 },
    (_, i) => [0, 0, 0, 2][Math.floor(i / 100)]! + 0.1 * normal(),
  );
  const within = assessBias(fitBias(errors, 1), errors);
  const across = crossFittedBias(errors, 1);
  expect(mean(across.subarray(300))).toBeGreaterThan(20 * mean(within.subarray(300)));
  expect(across).toHaveLength(400);
});

test('stationary contributions hardly change', () => {
  const parts = Float64Array.from({ length: 2 * 2000 }, () => normal() ** 2);
  const sums = crossFittedReconstruction(parts, 2);
  for (let i = 0; i < 2000; i++) {
    const plain = parts[2 * i]! + parts[2 * i + 1]!;
    expect(sums[i]! / plain).toBeCloseTo(1, 1);
  }
});

test('a channel with errors in one quarter only weighs more there', () => {
  const parts = Float64Array.from({ length: 400 }, (_, i) => (i < 100 ? 30 : 1));
  const sums = crossFittedReconstruction(parts, 1);
  // Mean 8.25 over all, 1 over the others.
  expect(sums[0]).toBeCloseTo((30 * 9.25) / 2, 6);
  expect(sums[399]).toBeCloseTo(9.25 / (1 + (100 * 30 + 200) / 300), 6);
});

test('too few windows are scored with their own variances', () => {
  const few = Float64Array.from({ length: 30 }, () => normal());
  expect(crossFittedBias(few, 1)).toEqual(assessBias(fitBias(few, 1), few));
  expect(crossFittedReconstruction(few, 1)).toEqual(few);
});
