/** Channels that follow others with a lag longer than a window. */
import {
  contextOfHistory,
  createContext,
  fitContext,
  type ContextHistory,
} from '../../src/calibration/context';
import { seededNormal } from './seeded';

const channels = 3;

/**
 * A load in steps, a temperature that follows it over 80 records, and noise; all near a variance of 1.
 * @param follows whether the temperature follows the load, or steps of its own
 * @param fault added to the temperature
 */
function plant(
  seed: number,
  records: number,
  { follows = true, fault = () => 0 }: { follows?: boolean; fault?: (record: number) => number } = {},
): Float64Array {
  const normal = seededNormal(seed);
  const x = new Float64Array(records * channels);
  let load = 0;
  let other = 0;
  let temperature = 0;
  for (let record = 0; record < records; record++) {
    if (record % 150 === 0) [load, other] = [normal(), normal()];
    temperature += ((follows ? load : other) - temperature) / 80;
    x.set(
      [load + 0.03 * normal(), 1.3 * temperature + 0.03 * normal() + fault(record), normal()],
      record * channels,
    );
  }
  return x;
}

function historyOf(x: Float64Array): ContextHistory {
  const records = x.length / channels;
  return {
    x,
    deviations: x,
    devices: [{ key: 'pump', from: 0, to: records }],
    times: Array.from({ length: records }, (_, i) => 1000 * i),
    before: Int32Array.from({ length: Math.floor(0.7 * records) }, (_, i) => i),
  };
}

const history = historyOf(plant(1, 8000));
const state = fitContext(history, channels)!;

function run(x: Float64Array): number[] {
  const context = createContext(state);
  const cells = new Float64Array(context.size);
  context.begin(cells, 'new');
  return Array.from({ length: x.length / channels }, (_, i) =>
    context.step(cells, x, i * channels, x, i * channels),
  );
}

/** A record at the mean. */
const plantMean = new Float64Array(channels).fill(1e-9);

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value / values.length, 0);

test('the channel that follows another one has a context, and noise has none', () => {
  expect(state.channels.map(({ channel }) => channel)).toContain(1);
  expect(state.channels.map(({ channel }) => channel)).not.toContain(2);
});

test('a channel is not expected from its own means', () => {
  for (const { channel, coefficients } of state.channels)
    expect(coefficients.slice(4 * channel, 4 * channel + 4)).toEqual([0, 0, 0, 0]);
});

test('where the later records gain nothing there is no context', () => {
  expect(fitContext(historyOf(plant(1, 8000, { follows: false })), channels)).toBeUndefined();
});

test.each([
  ['short', historyOf(plant(1, 900)), channels],
  ['of one channel', historyOf(plant(1, 8000)), 1],
])('a history that is %s has no context', (_, short, count) => {
  expect(fitContext(short, count)).toBeUndefined();
});

test('a lasting offset within the range of the channel stays far beyond what normal records have', () => {
  const normal = run(plant(2, 4000)).slice(1000);
  const faulty = run(plant(2, 4000, { fault: (record) => (record >= 2000 ? 0.8 : 0) }));
  const limit = normal.toSorted((a, b) => a - b)[Math.floor(0.995 * normal.length)]!;
  const during = faulty.slice(2000);
  expect(during.filter((distance) => distance > limit).length / during.length).toBeGreaterThan(0.9);
  // By its values alone it is no odd one: they spread as far.
  const x = plant(2, 4000);
  const spread = Math.sqrt(mean(Array.from({ length: 4000 }, (_, i) => x[channels * i + 1]! ** 2)));
  expect(spread).toBeGreaterThan(0.4);
});

test('a value that is far off hardly moves the means', () => {
  const context = createContext(state);
  const [clean, odd] = [new Float64Array(context.size), new Float64Array(context.size)];
  context.begin(clean, 'pump');
  context.begin(odd, 'pump');
  const one = plant(3, 1);
  context.step(clean, one, 0, one, 0);
  const spike = one.slice();
  spike[1]! += 9;
  context.step(odd, spike, 0, spike, 0);
  const { limit } = state.channels.find(({ channel }) => channel === 1)!;
  expect(Math.abs(odd[4]! - clean[4]!)).toBeLessThan((2.1 * limit) / 10);
});

test('while a device is new, little is expected of it', () => {
  const context = createContext(state);
  const known = new Float64Array(context.size);
  const unknown = new Float64Array(context.size);
  context.begin(known, 'pump');
  context.begin(unknown, 'other');
  // The temperature is not that of the load.
  const x = Float64Array.of(known[0]!, known[4]! + 1, 0);
  const first = context.step(unknown, x, 0, x, 0);
  expect(first).toBeLessThan(context.step(known, x, 0, x, 0) / 20);
  for (let record = 0; record < 3000; record++) context.step(unknown, plantMean, 0, plantMean, 0);
  expect(context.step(unknown, x, 0, x, 0)).toBeGreaterThan(20 * first);
});

test('a known device begins where history left it, and so goes on as if it had not ended', () => {
  const all = contextOfHistory(state, historyOf(plant(1, 8500)));
  const context = createContext(state);
  const cells = new Float64Array(context.size);
  context.begin(cells, 'pump');
  const x = plant(1, 8500);
  for (let record = 8000; record < 8500; record++)
    expect(context.step(cells, x, record * channels, x, record * channels)).toBeCloseTo(
      all.distances[record]!,
      9,
    );
});

test('a missing value leaves its means as they are', () => {
  const context = createContext(state);
  const cells = new Float64Array(context.size);
  context.begin(cells, 'pump');
  const before = cells.slice();
  const distance = context.step(cells, Float64Array.of(0, NaN, 0), 0, Float64Array.of(0.1, 0, 0.1), 0);
  expect(Number.isFinite(distance)).toBe(true);
  expect(cells.slice(4, 8)).toEqual(before.slice(4, 8));
});

test('a constant channel has no context, and T² stays finite', () => {
  const x = plant(1, 8000).map((value, i) => (i % channels === 2 ? 0 : value));
  const constant = fitContext(historyOf(x), channels)!;
  expect(constant.channels.map(({ channel }) => channel)).not.toContain(2);
  expect(contextOfHistory(constant, historyOf(x)).distances.every(Number.isFinite)).toBe(true);
});
