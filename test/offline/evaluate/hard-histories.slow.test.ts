/** Histories that are hard to learn from: a preset has to judge what follows them, and find a plain fault in it. */
import type { SeriesOutcome } from '../../../src/offline/evaluate/evaluate-series';
import { createRandom } from '../../../src/tensor';
import { evaluateLines } from './evaluate-lines';

const start = Date.UTC(2026, 2, 1);
const intervalMs = 10_000;
/** By record of the test. */
const fault = { from: 400, to: 430 };
const testRecords = 800;

interface Sample {
  key?: string;
  /** Unix ms. */
  time: number;
  /** NaN = missing. */
  values: readonly number[];
}

function evaluate(
  train: readonly Sample[],
  test: readonly Sample[],
  overrides: Readonly<Record<string, string>> = {},
): Promise<SeriesOutcome> {
  const toLine = ({ key = 'a', time, values }: Sample): string =>
    [key, new Date(time).toISOString(), ...values.map((value) => (Number.isNaN(value) ? '' : value))].join();
  return evaluateLines({
    detector: 'detector: any\npreset: sensor',
    overrides: { 'training.minRecords': '200', ...overrides },
    columns: ['key', 'timestamp', ...test[0]!.values.map((_, j) => `c${j}`)],
    train: train.map(toLine),
    test: test.map(toLine),
  });
}

/** Records of one device at a constant interval; `valuesAt` gets the record, counted from the beginning of history. */
function split(history: number, valuesAt: (record: number) => readonly number[]): [Sample[], Sample[]] {
  const records = Array.from({ length: history + testRecords }, (_, i) => ({
    time: start + i * intervalMs,
    values: valuesAt(i),
  }));
  return [records.slice(0, history), records.slice(history)];
}

const isFault = (record: number): boolean => record >= fault.from && record < fault.to;

/** Share of some records of the test that have a flag. */
function flagged({ flags }: SeriesOutcome, isOne: (record: number) => boolean): number {
  const of = flags.filter((_, record) => isOne(record));
  return of.reduce((sum, flag) => sum + flag / of.length, 0);
}

/** Flagged share of the records of the fault, and of those that are far from it. */
function shares(outcome: SeriesOutcome) {
  return {
    found: flagged(outcome, isFault),
    falseAlarms: flagged(outcome, (record) => record < fault.from || record > fault.to + 60),
  };
}

test('one channel', async () => {
  const { normal } = createRandom(1);
  const [train, test] = split(1500, (i) => [20 + Math.sin(i / 30) + 0.2 * normal()]);
  for (let i = fault.from; i < fault.to; i++) test[i]!.values = [test[i]!.values[0]! + 3];
  const { found, falseAlarms } = shares(await evaluate(train, test));
  expect(found).toBeGreaterThan(0.5);
  expect(falseAlarms).toBeLessThan(0.02);
}, 60_000);

test('five hundred channels: a fault of one of them is not lost among the others', async () => {
  const { normal } = createRandom(2);
  const [train, test] = split(400, (i) => {
    const load = Math.sin(i / 30);
    return Array.from({ length: 500 }, (_, j) => (j % 7) * load + normal());
  });
  for (let i = fault.from; i < fault.to; i++)
    test[i]!.values = test[i]!.values.map((value, j) => (j === 123 ? value + 40 : value));
  const { found, falseAlarms } = shares(await evaluate(train, test, { 'training.epochs': '10' }));
  expect(found).toBeGreaterThan(0.5);
  expect(falseAlarms).toBeLessThan(0.03);
}, 600_000);

test('two regimes: what lies between them is none of both', async () => {
  const { normal } = createRandom(3);
  const [train, test] = split(2400, (i) => {
    const level = Math.floor(i / 150) % 2 === 0 ? 0 : 10;
    return [level + 0.3 * normal(), 2 * level + 0.3 * normal(), normal()];
  });
  for (let i = fault.from; i < fault.to; i++) test[i]!.values = [5, 10, test[i]!.values[2]!];
  const { found, falseAlarms } = shares(await evaluate(train, test));
  expect(found).toBeGreaterThan(0.5);
  expect(falseAlarms).toBeLessThan(0.03);
}, 60_000);

test('one device of twenty is different: its normal is no fault, and its fault is one', async () => {
  const { normal } = createRandom(4);
  const odd = 'd7';
  const recordsOf = (from: number, to: number): Sample[] =>
    Array.from({ length: to - from }, (_, i) => from + i).flatMap((i) =>
      Array.from({ length: 20 }, (_, d) => {
        const key = `d${d}`;
        const load = Math.sin(i / 20 + d);
        const level = key === odd ? 8 : 0;
        return {
          key,
          time: start + i * intervalMs,
          values: [level + load + 0.2 * normal(), 2 * level - load + 0.2 * normal(), normal()],
        };
      }),
    );
  const history = 400;
  const test = recordsOf(history, history + 200);
  const during = (i: number): boolean => test[i]!.key === odd && i >= 2000 && i < 2600;
  test.forEach((record, i) => {
    // What is normal for the others.
    if (during(i)) record.values = [record.values[0]! - 8, record.values[1]! - 16, record.values[2]!];
  });
  const outcome = await evaluate(recordsOf(0, history), test);
  expect(flagged(outcome, during)).toBeGreaterThan(0.5);
  expect(flagged(outcome, (i) => test[i]!.key === odd && i < 2000)).toBeLessThan(0.03);
  expect(flagged(outcome, (i) => test[i]!.key !== odd)).toBeLessThan(0.02);
}, 120_000);

test('a gateway of eight devices freezes: one event with the list of them, and none of the others', async () => {
  const { normal } = createRandom(7);
  const recordsOf = (from: number, to: number): Sample[] =>
    Array.from({ length: to - from }, (_, i) => from + i).flatMap((i) =>
      Array.from({ length: 20 }, (_, d) => {
        const load = Math.sin(i / 20 + d);
        const values = [load + 0.2 * normal(), 3 - load + 0.2 * normal(), normal()];
        return {
          key: `d${d}`,
          time: start + i * intervalMs,
          values: values.map((value) => Number(value.toFixed(2))),
        };
      }),
    );
  const history = 400;
  const test = recordsOf(history, history + 200);
  const gateway = ['d1', 'd3', 'd4', 'd8', 'd9', 'd12', 'd15', 'd19'];
  test.forEach((record, i) => {
    if (gateway.includes(record.key!) && i >= 20 * 80 && i < 20 * 140) record.values = test[i - 20]!.values;
  });
  const { events } = await evaluate(recordsOf(0, history), test, { 'events.budget': '2 per day' });
  const frozen = events.filter(({ keys = [] }) => keys.length > 1);
  expect(frozen.map(({ keys }) => [...keys!].sort())).toEqual([[...gateway].sort()]);
  const [{ openedAt, end } = { openedAt: NaN, end: NaN }] = frozen;
  const recordAt = (time: number): number => (time - start) / intervalMs - history;
  expect(recordAt(openedAt)).toBeGreaterThan(80);
  expect(recordAt(openedAt)).toBeLessThan(120);
  expect(recordAt(end)).toBeGreaterThan(130);
  const ofOne = events.filter(({ key, keys }) => keys === undefined && gateway.includes(key));
  expect(ofOne.filter((event) => recordAt(event.end) >= 80)).toEqual([]);
}, 120_000);

test('values that are missing at random, and a channel that is missing for good', async () => {
  const { normal, uniform } = createRandom(5);
  const [train, test] = split(2000, (i) => {
    const load = Math.sin(i / 25);
    const values = [load + 0.1 * normal(), 3 - load + 0.1 * normal(), normal()];
    return values.map((value) => (uniform() < 0.2 ? NaN : value));
  });
  test.forEach((record, i) => {
    if (i >= 100) record.values = [record.values[0]!, record.values[1]!, NaN];
    if (isFault(i)) record.values = [record.values[0]! + 2, record.values[1]!, NaN];
  });
  const { found, falseAlarms } = shares(await evaluate(train, test));
  expect(found).toBeGreaterThan(0.5);
  expect(falseAlarms).toBeLessThan(0.03);
}, 60_000);

test('a clock that jumps ahead by hours: what follows is judged as before', async () => {
  const { normal } = createRandom(6);
  const [train, test] = split(1500, (i) => {
    const load = Math.sin(i / 25);
    return [load + 0.1 * normal(), 3 - load + 0.1 * normal()];
  });
  test.forEach((record, i) => {
    if (i >= 200) record.time += 6 * 3_600_000;
    if (isFault(i)) record.values = [record.values[0]! + 2, record.values[1]!];
  });
  const { found, falseAlarms } = shares(await evaluate(train, test));
  expect(found).toBeGreaterThan(0.5);
  expect(falseAlarms).toBeLessThan(0.03);
}, 60_000);

test('a history that is all fault, without a label: the repair is an event, then the new normal, and the fault is found', async () => {
  const { normal } = createRandom(8);
  const history = 1500;
  const repaired = 100;
  const back = { from: 600, to: 640 };
  const [train, test] = split(history, (i) => {
    const record = i - history;
    const isHot = record < repaired || (record >= back.from && record < back.to);
    const load = Math.sin(i / 5);
    return [20 + load + (isHot ? 8 : 0) + 0.2 * normal(), 3 - load + 0.2 * normal(), normal()];
  });
  const outcome = await evaluate(train, test, { 'events.acceptAfter': '200', 'events.budget': 'none' });
  const recordAt = (time: number): number => (time - start) / intervalMs - history;
  expect(outcome.events.map((event) => Math.round(recordAt(event.start) / 100))).toEqual([1, 6]);
  // Nobody has said that the history is a fault: it is normal, until other records have come for long enough.
  expect(flagged(outcome, (record) => record < repaired)).toBeLessThan(0.03);
  expect(flagged(outcome, (record) => record >= repaired + 5 && record < repaired + 150)).toBeGreaterThan(
    0.9,
  );
  expect(flagged(outcome, (record) => record >= 330 && record < back.from)).toBeLessThan(0.03);
  expect(flagged(outcome, (record) => record >= back.from && record < back.to)).toBeGreaterThan(0.9);
}, 60_000);

describe('a shift of one channel that lasts is one event, and then the new normal, where the channel', () => {
  test.each<[string, number, (i: number, normal: () => number) => number]>([
    ['reports in each record', 4, (_, normal) => normal()],
    ['reports in each tenth record', 8, (i, normal) => (i % 10 === 0 ? normal() : NaN)],
    ['reports in each twentieth record', 8, (i, normal) => (i % 20 === 0 ? normal() : NaN)],
    ['swings slowly', 23, (i, normal) => 3 * Math.sin(i / 30) + 0.3 * normal()],
  ])('%s', async (_, shift, valueAt) => {
    const { normal } = createRandom(9);
    const [train, test] = split(1500, (i) => {
      const load = Math.sin(i / 20);
      const isShifted = i >= 1500 + 200;
      return [load + 0.2 * normal(), 3 - load + 0.2 * normal(), valueAt(i, normal) + (isShifted ? shift : 0)];
    });
    const outcome = await evaluate(train, test, {
      'model.kind': 'linear',
      'events.acceptAfter': '200',
      'events.budget': 'none',
    });
    const recordAt = (time: number): number => (time - start) / intervalMs - 1500;
    const during = outcome.events.filter(({ end }) => recordAt(end) >= 200 && recordAt(end) < 460);
    expect(during).toHaveLength(1);
    expect(recordAt(during[0]!.start)).toBeGreaterThan(150);
    expect(recordAt(during[0]!.start)).toBeLessThan(250);
    expect(flagged(outcome, (record) => record >= 460)).toBeLessThan(0.04);
  });
});
