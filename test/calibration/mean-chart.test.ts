import { addToMeans, createMeanChart, fitChart } from '../../src/calibration/mean-chart';
import { seededNormal } from './seeded';

const size = 8;
const records = 10;
const centre = new Float64Array(size);

/** Deviations of channels that share half of their noise; from record 200 on all are shifted. Shape [count, size] */
function deviationsOf(count: number, seed: number, shift = 0): Float64Array {
  const normal = seededNormal(seed);
  const deviations = new Float64Array(count * size);
  for (let i = 0; i < count; i++) {
    const common = normal();
    for (let j = 0; j < size; j++)
      deviations[i * size + j] = Math.SQRT1_2 * (common + normal()) + (i >= 200 ? shift : 0);
  }
  return deviations;
}

function fitted() {
  const deviations = deviationsOf(5000, 1);
  const means = new Float64Array(deviations.length);
  const cells = new Float64Array(size);
  for (let i = 0; i < deviations.length; i += size) {
    addToMeans(cells, 0, deviations, i, centre, records);
    means.set(cells, i);
  }
  return fitChart(means, size, records);
}

const state = fitted();

/** T² of the mean of each record. */
function follow(deviations: Float64Array): number[] {
  const chart = createMeanChart(state, records);
  const cells = new Float64Array(chart.size);
  return Array.from({ length: deviations.length / size }, (_, i) =>
    chart.step(cells, deviations, i * size, centre),
  );
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value / values.length, 0);

test('T² of the means of normal records is as large as the number of errors', () => {
  expect(mean(follow(deviationsOf(5000, 2)).slice(100)) / size).toBeCloseTo(1, 1);
});

test('a shift of all channels by one and a half standard deviations, which a single record hides, stands out after ten', () => {
  const normal = follow(deviationsOf(5000, 3)).toSorted((a, b) => a - b);
  const threshold = normal[Math.floor(0.99 * normal.length)]!;
  const found = follow(deviationsOf(260, 4, 1.5)).slice(200);
  expect(mean(found.slice(10).map((value) => (value > threshold ? 1 : 0)))).toBeGreaterThan(0.9);
  expect(found[0]).toBeLessThan(threshold);
});

test('a missing or overflowing error leaves its mean as it was', () => {
  const cells = Float64Array.of(9, 1, 2, 3);
  addToMeans(cells, 1, [NaN, Infinity, 3 + 11], 0, [0, 0, 0], records);
  expect(Array.from(cells)).toEqual([9, 1, 2, 5]);
});

test('errors that never vary, and no records at all, have finite charts', () => {
  for (const means of [new Float64Array(30), new Float64Array()]) {
    const chart = createMeanChart(fitChart(means, 3, records), records);
    expect(chart.step(new Float64Array(3), [1, -1, 0], 0, [0, 0, 0])).toBeGreaterThan(0);
  }
});
