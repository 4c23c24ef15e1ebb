import { extremalIndex } from '../../src/calibration/extremal-index';
import { seededNormal } from './seeded';

/** Records at which a moving maximum of `width` values, whose extremal index is 1 / width, is above its highest hundredth. */
function exceedances(width: number): number[] {
  const normal = seededNormal(width);
  const values = Float64Array.from({ length: 50_000 }, normal);
  const maxima = values.map((_, i) => Math.max(...values.subarray(Math.max(0, i - width + 1), i + 1)));
  const level = Float64Array.from(maxima).sort()[49_500]!;
  return Array.from(maxima.keys()).filter((i) => maxima[i]! > level);
}

test.each([1, 4, 10])('clusters of %i records', (width) => {
  expect(extremalIndex([exceedances(width)]) * width).toBeCloseTo(1, 0);
  expect(Math.abs(extremalIndex([exceedances(width)]) * width - 1)).toBeLessThan(0.25);
});

test('devices are apart: nothing is between the last record of one and the first of the next', () => {
  expect(extremalIndex([[7], [8], [9]])).toBe(1);
  expect(extremalIndex([])).toBe(1);
});

test('a single cluster is one', () => {
  expect(extremalIndex([[5, 6, 7, 8]])).toBeGreaterThanOrEqual(0.25);
  expect(extremalIndex([[5, 6, 7, 8]])).toBeLessThanOrEqual(1);
});
