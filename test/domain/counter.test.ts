import { createCounterTest, toRates } from '../../src/domain/counter';
import { createRandom } from '../../src/tensor';

const count = 3000;
const series = (valueAt: (i: number) => number): number[] =>
  Array.from({ length: count }, (_, i) => valueAt(i));

/** The sum of steps. */
function sumOf(stepAt: (i: number) => number): number[] {
  let sum = 0;
  return series((i) => (sum += stepAt(i)));
}

function isCounter(values: readonly number[]): boolean {
  const test = createCounterTest();
  for (let i = 1; i < values.length; i++)
    test.add(values[i - 1]!, values[i]!, Math.floor((2 * i) / values.length));
  return test.passes();
}

const { normal, uniform } = createRandom(5);
const day = (i: number): number => Math.sin((2 * Math.PI * i) / 1440);

describe('the history of a counter', () => {
  test.each([
    ['bytes at a steady rate', series((i) => Math.round(5e6 + 1500 * i + 50 * normal()))],
    ['bytes that come in bursts', sumOf(() => (uniform() < 0.02 ? 1e6 * uniform() : 0))],
    ['energy that is used by day', sumOf((i) => Math.max(0, day(i)))],
    ['an hour meter of whole hours', series((i) => 12_000 + Math.floor(i / 60))],
    ['requests, with three restarts', series((i) => 40 * (i % 900))],
    ['a reset within the first records', series((i) => (i < 5 ? 1e9 + i : 3 * i))],
  ])('is one: %s', (_, values) => {
    expect(isCounter(values)).toBe(true);
  });

  test.each([
    ['noise', series(() => 100 + normal())],
    ['a constant', series(() => 5)],
    ['a ramp with noise', series((i) => 20 + 0.01 * i + 0.1 * normal())],
    ['a random walk', sumOf(() => normal())],
    ['a random walk that drifts upwards', sumOf(() => 0.5 + normal())],
    ['a temperature that warms up', series((i) => 60 - 40 * Math.exp(-i / 300))],
    [
      'a temperature that warms up, with noise',
      series((i) => 60 - 40 * Math.exp(-i / 1500) + 0.1 * normal()),
    ],
    ['a temperature in whole degrees', series((i) => Math.round(20 + 0.01 * i + 0.3 * normal()))],
    ['a set point that is raised now and then', series((i) => 50 + Math.floor(i / 250))],
    ['a day', series((i) => 20 + 5 * day(i))],
    ['rare pulses', series((i) => (i % 100 === 0 ? 1 : 0))],
    ['a tank that is filled and drained', series((i) => Math.min(i % 500, 5 * (500 - (i % 500))))],
    ['a fast sawtooth', series((i) => i % 50)],
    ['a count down', series((i) => 1e6 - 10 * i)],
    ['too few records', series((i) => i).slice(0, 90)],
  ])('is not: %s', (_, values) => {
    expect(isCounter(values)).toBe(false);
  });
});

describe('a rate', () => {
  const ratesOf = (values: number[], times: number[], before = NaN, beforeAt = 0): number[] => {
    const columns = { values: Float64Array.from(values), timestamps: Float64Array.from(times) };
    toRates(
      columns,
      { counters: [0], channels: 1 },
      0,
      values.length,
      Float64Array.of(before),
      Float64Array.of(beforeAt),
    );
    return Array.from(columns.values);
  };

  test('is the growth per second, whatever the interval', () => {
    expect(ratesOf([100, 110, 140], [1000, 2000, 5000])).toEqual([NaN, 10, 10]);
  });

  test('of the first value needs the value before', () => {
    expect(ratesOf([100, 110], [1000, 2000], 60, -1000)).toEqual([20, 10]);
  });

  test('spans records without a value', () => {
    expect(ratesOf([100, NaN, NaN, 160], [0, 1000, 2000, 3000])).toEqual([NaN, NaN, NaN, 20]);
  });

  test('counts from 0 after a reset, and is negative after a smaller drop', () => {
    expect(ratesOf([1000, 30, 1000, 990], [0, 1000, 2000, 3000])).toEqual([NaN, 30, 970, -10]);
  });

  test('leaves other channels alone', () => {
    const columns = { values: Float64Array.of(1, 5, 3, 6), timestamps: Float64Array.of(0, 1000) };
    const unknown = Float64Array.of(NaN, NaN);
    toRates(columns, { counters: [1], channels: 2 }, 0, 2, unknown, unknown);
    expect(Array.from(columns.values)).toEqual([1, NaN, 3, 1]);
  });
});
