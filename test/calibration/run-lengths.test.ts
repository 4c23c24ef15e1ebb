import { createRunLengths, fitRuns, type RunState } from '../../src/calibration/run-lengths';
import { seededNormal, seededUniform } from './seeded';

/** Values of a record, written with some decimals. */
const written = (record: readonly number[], decimals: number): number[] =>
  record.map((value) => Number(value.toFixed(decimals)));

const times = (count: number, record: (i: number) => readonly number[]): (readonly number[])[] =>
  Array.from({ length: count }, (_, i) => record(i));

function learn(records: readonly (readonly number[])[]): RunState {
  const state = fitRuns(Float64Array.from(records.flat()), records[0]!.length, [
    { key: 'a', from: 0, to: records.length },
  ]);
  return JSON.parse(JSON.stringify(state)) as RunState;
}

/** Surprise of each record of a device without history. */
function surprises(state: RunState, records: readonly (readonly number[])[]): number[] {
  const runs = createRunLengths(state);
  const cells = new Float64Array(runs.size);
  runs.begin(cells, '');
  return records.map((record) => runs.step(cells, Float64Array.from(record), 0));
}

/** As the field reports it: three gauges with six digits, and later with one. */
function gauges(seed: number): (i: number) => number[] {
  const normal = seededNormal(seed);
  return (i) => [
    10 + 2 * Math.sin(i / 40) + 0.1 * normal(),
    5 + Math.sin(i / 40) + 0.05 * normal(),
    60 + 3 * Math.sin(i / 200) + 0.2 * normal(),
  ];
}

describe('a change of resolution', () => {
  const history = gauges(1);
  const fine = learn(times(2400, (i) => written(history(i), 6)));

  test.each([0, 1, 2, 4])('from six digits to %d is no fault', (digits) => {
    const live = gauges(2);
    expect(
      Math.max(
        ...surprises(
          fine,
          times(600, (i) => written(live(i), digits)),
        ),
      ),
    ).toBe(0);
  });

  test('a single channel is no fault either, though its records repeat with it', () => {
    const one = gauges(3);
    const state = learn(times(10_000, (i) => written(one(i).slice(0, 1), 6)));
    const live = gauges(4);
    const records = times(600, (i) => written(live(i).slice(0, 1), 1));
    expect(records.some(([value], i) => value === records[i - 1]?.[0])).toBe(true);
    expect(Math.max(...surprises(state, records))).toBe(0);
  });

  test('a channel that is frozen at two digits is found all the same', () => {
    const live = gauges(5);
    const records = times(600, (i) => {
      const record = written(live(i), 2);
      return i < 570 ? record : [record[0]!, 5.23, record[2]!];
    });
    const found = surprises(fine, records);
    expect(Math.max(...found.slice(0, 570))).toBe(0);
    expect(found.findIndex((surprise) => surprise > 0) - 570).toBeLessThan(25);
  });

  test('from two digits to six is no fault, and a channel that is frozen then is found', () => {
    const before = gauges(6);
    const coarse = learn(times(2400, (i) => written(before(i), 2)));
    const live = gauges(7);
    const records = times(600, (i) => {
      const record = written(live(i), 6);
      return i < 570 ? record : [record[0]!, 5.234567, record[2]!];
    });
    const found = surprises(coarse, records);
    expect(Math.max(...found.slice(0, 570))).toBe(0);
    expect(found.findIndex((surprise) => surprise > 0) - 570).toBeLessThan(20);
  });
});

test('a frozen channel of noise is found within 15 records, and the frozen one is named', () => {
  const normal = seededNormal(8);
  const state = learn(times(10_000, () => [normal(), normal(), normal()]));
  const live = times(20, () => [normal(), 0.123456, normal()]);
  expect(surprises(state, live).findIndex((surprise) => surprise > 4)).toBeLessThan(15);
  const runs = createRunLengths(state);
  const cells = new Float64Array(runs.size);
  runs.begin(cells, '');
  for (const record of live) runs.step(cells, Float64Array.from(record), 0);
  expect([0, 1, 2].map((channel) => runs.ofChannel(cells, channel).repeats)).toEqual([0, 19, 0]);
  expect(runs.ofChannel(cells, 1).surprise).toBeGreaterThan(4);
  expect(runs.ofChannel(cells, 0).surprise).toBe(0);
});

test('a value that rests may rest, and another value may not', () => {
  const normal = seededNormal(9);
  const uniform = seededUniform(10);
  let resting = 0;
  const state = learn(
    times(20_000, () => {
      // A pump that stands still for hundreds of records now and then.
      resting = resting > 0 ? resting - 1 : uniform() < 0.01 ? Math.floor(200 + 300 * uniform()) : 0;
      return [resting > 0 ? 0 : 5 + normal(), normal()];
    }),
  );
  const live = (value: number): number[] =>
    surprises(
      state,
      times(200, () => [value, normal()]),
    );
  expect(Math.max(...live(0))).toBe(0);
  expect(Math.max(...live(5.123456))).toBeGreaterThan(4);
});

test('a device whose coarse values each repeat often is frozen when all of them repeat', () => {
  const normal = seededNormal(11);
  const record = (): number[] =>
    written(
      Array.from({ length: 5 }, () => 20 + 0.1 * normal()),
      1,
    );
  const state = learn(times(8_000, record));
  const still = [20.1, 19.9, 20, 20.1, 19.9];
  const live = times(400, (i) => (i < 380 ? record() : still));
  const found = surprises(state, live);
  expect(Math.max(...found.slice(0, 380))).toBe(0);
  expect(found.findIndex((surprise) => surprise > 0) - 380).toBeLessThan(15);
});

describe('missing values', () => {
  const normal = seededNormal(12);

  test('neither extend nor end a run', () => {
    const state = learn(times(10_000, () => [normal()]));
    const runs = createRunLengths(state);
    const cells = new Float64Array(runs.size);
    runs.begin(cells, '');
    for (const value of [7, NaN, 7, NaN, NaN, 7]) runs.step(cells, Float64Array.of(value), 0);
    expect(runs.ofChannel(cells, 0).repeats).toBe(2);
  });

  test('are counted in history as in deployment: channels that come in turns are no frozen device', () => {
    // A state and a setpoint that rest for long; the setpoint comes with every other record.
    const record = (i: number): number[] => [i % 500 === 0 ? normal() : 1, i % 2 === 0 ? NaN : 2];
    const state = learn(times(40_000, record));
    expect(Math.max(...surprises(state, times(2000, record)))).toBe(0);
  });
});

test('without history nothing is unusual', () => {
  const state = fitRuns(new Float64Array(), 2, []);
  expect(
    surprises(
      state,
      times(100, () => [1, 2]),
    ).every((surprise) => surprise === 0),
  ).toBe(true);
});

test('runs do not cross devices', () => {
  const values = new Float64Array(200).fill(3);
  const halves = [0, 1].map((i) => ({ key: `${i}`, from: i * 100, to: i * 100 + 100 }));
  const [table] = fitRuns(values, 1, halves).channels[0]!;
  expect(table!.all).toEqual({ lengths: [100], counts: [2] });
});
