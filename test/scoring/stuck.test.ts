import { createWindowBatch } from '../../src/domain/window';
import { createStuckStatistic, fitRepeats } from '../../src/scoring/stuck';

const shape = { length: 4, channels: 2, conditions: 0 };

function windowOf(a: number[], b: number[]) {
  const batch = createWindowBatch(shape, 1);
  a.forEach((value, t) => batch.values.set([value, b[t]!], t * 2));
  batch.count = 1;
  return batch;
}

test('the probability of a repetition is learned from neighbours, and is never 0 or 1', () => {
  const values = Float64Array.of(1, 7, 1, 7, 2, 7, 3, 7);
  expect(fitRepeats(values, 2, Int32Array.of(1, 2, 3))).toEqual([2 / 5, 4 / 5]);
  expect(fitRepeats(values, 2, new Int32Array())).toEqual([1 / 2, 1 / 2]);
});

test('the least likely run of a window counts, in nats', () => {
  const stuck = createStuckStatistic(shape, [0.01, 0.9]);
  expect(stuck.assess(windowOf([1, 2, 3, 4], [5, 5, 5, 5]))[0]).toBeCloseTo(-3 * Math.log(0.9), 12);
  expect(stuck.assess(windowOf([1, 4, 4, 4], [5, 5, 5, 5]))[0]).toBeCloseTo(-2 * Math.log(0.01), 12);
});

test('a run that has ended does not count, and a missing value is no repetition', () => {
  const stuck = createStuckStatistic(shape, [0.01, 0.01]);
  expect(stuck.assess(windowOf([4, 4, 4, 1], [1, 2, 3, 4]))[0]).toBe(0);
  expect(stuck.assess(windowOf([NaN, NaN, NaN, NaN], [1, 2, 3, 4]))[0]).toBe(0);
});

test('the explanation says how often each channel has repeated itself', () => {
  const stuck = createStuckStatistic(shape, [0.01, 0.5]);
  expect(stuck.explain(windowOf([1, 4, 4, 4], [5, 5, 5, 6]), 0)).toEqual([
    { repeats: 2, nats: expect.closeTo(-2 * Math.log(0.01), 12) },
    { repeats: 0, nats: 0 },
  ]);
});
