import { createWindowBatch } from '../../src/domain/window';
import { createStuckStatistic, fitRepeats, type Repetition } from '../../src/scoring/stuck';

const shape = { length: 4, channels: 2, conditions: 0 };
const rare: Repetition = { byValue: [], first: 0.01, next: 0.01 };
/** Rests at 5. */
const resting: Repetition = { byValue: [{ value: 5, probability: 0.9 }], first: 0.01, next: 0.5 };

function windowOf(a: number[], b: number[]) {
  const batch = createWindowBatch(shape, 1);
  a.forEach((value, t) => batch.values.set([value, b[t]!], t * 2));
  batch.count = 1;
  return batch;
}

const fitOne = (values: number[]): Repetition =>
  fitRepeats(
    Float64Array.from(values),
    1,
    Int32Array.from({ length: values.length - 2 }, (_, i) => i + 2),
  )[0]!;

test('a repetition that has never occurred is unlikely, not impossible', () => {
  expect(fitOne(Array.from({ length: 100 }, (_, i) => i))).toEqual({ byValue: [], first: 0.01, next: 0.01 });
  expect(fitRepeats(new Float64Array(), 1, new Int32Array())).toEqual([{ byValue: [], first: 1, next: 1 }]);
});

test('a frequent value has its own probability', () => {
  const values = [...new Array<number>(12).fill(0), 1, 2, 2, 3, 0, 4];
  const { byValue, first, next } = fitOne(values);
  // From the third record on: after 0 comes 0 ten times of twelve.
  expect(byValue).toEqual([{ value: 0, probability: 11 / 14 }]);
  // After 1, 2 and 3 the same one once; after the second 2 not.
  expect({ first, next }).toEqual({ first: 2 / 5, next: 0.4 / 2 });
});

test('a quantity that changes seldom is not stuck if it has not changed for long', () => {
  const steps = fitOne(Array.from({ length: 200 }, (_, i) => Math.floor(i / 5)));
  expect(steps.byValue).toEqual([]);
  expect(steps.next).toBeGreaterThan(0.7);
});

test('channels are learned separately, and missing values are ignored', () => {
  const values = Float64Array.of(1, NaN, 2, NaN, 2, NaN, 3, NaN);
  expect(fitRepeats(values, 2, Int32Array.of(2, 3))).toEqual([
    { byValue: [], first: 2 / 3, next: 2 / 3 / 2 },
    { byValue: [], first: 1, next: 1 },
  ]);
});

test('the least likely run of a window counts, in nats', () => {
  const stuck = createStuckStatistic(shape, [rare, resting]);
  expect(stuck.assess(windowOf([1, 2, 3, 4], [5, 5, 5, 5]))[0]).toBeCloseTo(-3 * Math.log(0.9), 12);
  expect(stuck.assess(windowOf([1, 2, 3, 4], [6, 6, 6, 6]))[0]).toBeCloseTo(
    -Math.log(0.01) - 2 * Math.log(0.5),
    12,
  );
  expect(stuck.assess(windowOf([1, 4, 4, 4], [5, 5, 5, 5]))[0]).toBeCloseTo(-2 * Math.log(0.01), 12);
});

test('a run that has ended does not count, and a missing value is no repetition', () => {
  const stuck = createStuckStatistic(shape, [rare, rare]);
  expect(stuck.assess(windowOf([4, 4, 4, 1], [1, 2, 3, 4]))[0]).toBe(0);
  expect(stuck.assess(windowOf([NaN, NaN, NaN, NaN], [1, 2, 3, 4]))[0]).toBe(0);
});

test('the explanation contains the repetitions of each channel', () => {
  const stuck = createStuckStatistic(shape, [rare, resting]);
  expect(stuck.explain(windowOf([1, 4, 4, 4], [5, 5, 5, 6]), 0)).toEqual([
    { repeats: 2, nats: expect.closeTo(-2 * Math.log(0.01), 12) },
    { repeats: 0, nats: 0 },
  ]);
});

test('a channel that often repeats itself is never stuck', () => {
  // Every tenth record repeats the one before; its values never come again.
  const values = Array.from({ length: 300 }, (_, i) => i - (i % 10 === 5 ? 1 : 0));
  expect(fitOne(values)).toEqual({ byValue: [], first: 1, next: 1 });
});
