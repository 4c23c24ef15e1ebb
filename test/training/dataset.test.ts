import fc from 'fast-check';
import type { TimeRules } from '../../src/domain/continuity';
import { createRecordBatch, type RecordSchema } from '../../src/domain/record';
import { createWindowBatch, type WindowShape } from '../../src/domain/window';
import { createWindowStore } from '../../src/domain/window-store';
import { createDatasetBuilder, type Dataset, type DatasetOptions } from '../../src/training/dataset';
import type { Interval } from '../../src/training/exclusion';
import { splitByTime } from '../../src/training/split';

const schema: RecordSchema = {
  channels: ['x', 'y'],
  missingChannels: 'reject',
  extraChannels: 'reject',
  conditions: [{ name: 'load', kind: 'number', missing: 'unknown' }],
};
const shapeOf = (length: number): WindowShape => ({ length, channels: 2, conditions: 1 });
const ttlMs = 10;
const plain: TimeRules = { ttlMs, intervalMs: 0, gaps: 'ignore', padding: 'none' };
const asGiven: DatasetOptions = { time: plain, exclude: [], maxExcludedShare: 1, limits: () => [] };

interface Row {
  key: string;
  time: number;
}

/** Channel and condition values follow from the time and the key. */
function toBatch(rows: readonly Row[]) {
  const batch = createRecordBatch(schema, rows.length);
  for (const { key, time } of rows) {
    const i = batch.count++;
    batch.keys[i] = key;
    batch.timestamps[i] = time;
    batch.values.set([time, key.charCodeAt(0)], 2 * i);
    batch.conditions[i] = -time;
  }
  return batch;
}

function build(
  rows: readonly Row[],
  length: number,
  exclude: readonly Interval[] = [],
  options: Partial<DatasetOptions> = {},
): Dataset {
  const builder = createDatasetBuilder({ channels: 2, conditions: 1, length: 3 });
  builder.add(toBatch(rows));
  return builder.build(shapeOf(length), { ...asGiven, exclude, ...options });
}

/** Times of the window that ends at a row, with its key. */
function windowAt(dataset: Dataset, end: number) {
  const batch = createWindowBatch(dataset.shape, 1);
  dataset.copy(end, batch);
  const keys = new Set(Array.from(batch.values).filter((_, i) => i % 2 === 1));
  return { times: Array.from(batch.timestamps), keys, batch };
}
const windows = (dataset: Dataset) => Array.from(dataset.ends, (end) => windowAt(dataset, end).times);
const of = (key: string, ...times: number[]): Row[] => times.map((time) => ({ key, time }));

/** Records of three keys, in order of time, some at the same moment, now and then a long silence. */
const streams = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom(0, 0, 1, 1, 2, 5, 30)), { maxLength: 120 })
  .map((steps) => {
    let time = 0;
    return steps.map(([key, step]): Row => ({ key, time: (time += step) }));
  });
const lengths = fc.integer({ min: 1, max: 5 });
const intervals = fc.array(
  fc
    .tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 40 }))
    .map(([key, from, size]): Interval => ({ key, from, to: from + size })),
  { maxLength: 3 },
);

describe('windows', () => {
  test('are every run of records of a key, in order of the time at which they end', () => {
    const dataset = build([...of('b', 2, 4, 6), ...of('a', 1, 3, 5, 7)], 3);
    expect(windows(dataset)).toEqual([
      [1, 3, 5],
      [2, 4, 6],
      [3, 5, 7],
    ]);
    expect(dataset.records).toBe(7);
  });

  test('contain values and conditions of their records, oldest first', () => {
    const dataset = build(of('a', 1, 2, 3), 2);
    const { batch } = windowAt(dataset, dataset.ends[1]!);
    expect(batch.count).toBe(1);
    expect([...batch.values]).toEqual([2, 97, 3, 97]);
    expect([...batch.conditions]).toEqual([-2, -3]);
  });

  test('are copied one after the other', () => {
    const dataset = build(of('a', 1, 2, 3), 2);
    const batch = createWindowBatch(dataset.shape, 2);
    for (const end of [...dataset.ends].reverse()) dataset.copy(end, batch);
    expect(batch.count).toBe(2);
    expect([...batch.timestamps]).toEqual([2, 3, 1, 2]);
    expect([...batch.conditions]).toEqual([-2, -3, -1, -2]);
  });

  test('do not span a silence longer than the time to live', () => {
    expect(windows(build(of('a', 0, 10, 20.5, 21), 2))).toEqual([
      [0, 10],
      [20.5, 21],
    ]);
  });

  test('contain no excluded record, both ends of the interval included; other keys are not affected', () => {
    const rows = [...of('a', 1, 2, 3, 4, 5, 6), ...of('b', 3, 4)];
    expect(windows(build(rows, 2, [{ key: 'a', from: 3, to: 4 }]))).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
  });

  test('contain nothing of an incident, whatever its share and also without a key, but intervals that people call normal', () => {
    const rows = ['a', 'b'].flatMap((key) => Array.from({ length: 20 }, (_, time) => ({ key, time })));
    const timesOf = (dataset: Dataset) => Array.from(dataset.ends, (end) => dataset.timestamps[end]);
    const options = { maxExcludedShare: 0.1 };
    const incidents = [
      { key: 'a', from: 0, to: 14 },
      { key: '', from: 18, to: 18 },
    ];
    expect(timesOf(build(rows, 1, [], { ...options, incidents })).filter((time) => time! < 15)).toHaveLength(
      15,
    );
    expect(timesOf(build(rows, 1, [], { ...options, incidents }))).not.toContain(18);
    const alarmed = [{ key: 'b', from: 3, to: 4 }];
    expect(build(rows, 1, alarmed, options).excludedRecords).toBe(2);
    const normal = [{ key: 'b', from: 4, to: 9 }];
    expect(build(rows, 1, alarmed, { ...options, normal }).excludedRecords).toBe(1);
  });

  test('do not span omitted parts of the history', () => {
    const builder = createDatasetBuilder({ channels: 2, conditions: 1, length: 3 });
    const rows = (from: number, count: number) =>
      ['a', 'b'].flatMap((key) => Array.from({ length: count }, (_, i) => ({ key, time: from + i })));
    builder.add(toBatch(rows(0, 5)), '0/0');
    builder.add(toBatch(rows(5, 2)), '0/0');
    builder.add(toBatch(rows(8, 4)), '0/8');
    for (const gaps of ['ignore', 'fill'] as const) {
      const time = { ...plain, intervalMs: 1, gaps };
      const dataset = builder.build(shapeOf(3), { ...asGiven, time, share: 0.5 });
      const ends = Array.from(dataset.ends, (end) => dataset.timestamps[end]);
      expect([...new Set(ends)]).toEqual([2, 3, 4, 5, 6, 10, 11]);
      // Half of the records of the time have not come.
      expect(dataset.recordsPerMs).toBeCloseTo(21 / 11 / 0.5);
    }
  });

  test('have one key, no gap and no excluded record', () => {
    fc.assert(
      fc.property(streams, lengths, intervals, (rows, length, exclude) => {
        const dataset = build(rows, length, exclude);
        for (const end of dataset.ends) {
          const { times, keys } = windowAt(dataset, end);
          expect(keys.size).toBe(1);
          const key = String.fromCharCode([...keys][0]!);
          times.slice(1).forEach((time, i) => {
            expect(time).toBeGreaterThan(times[i]!);
            expect(time - times[i]!).toBeLessThanOrEqual(ttlMs);
          });
          for (const { from, to } of exclude.filter((interval) => interval.key === key))
            expect(times.some((time) => time >= from && time <= to)).toBe(false);
        }
      }),
    );
  });

  test('are the same as those scored live, with all rules for gaps and padding', () => {
    const rules = fc.record({
      ttlMs: fc.constant(ttlMs),
      intervalMs: fc.constantFrom(0, 1, 2),
      gaps: fc.constantFrom('ignore', 'break', 'fill'),
      padding: fc.constantFrom('none', 'missing'),
    });
    fc.assert(
      fc.property(streams, lengths, rules, (rows, length, time) => {
        const store = createWindowStore(shapeOf(length), { ...time, maxKeys: 10 });
        const columns = toBatch(rows);
        const live: number[][] = [];
        rows.forEach(({ key }, i) => {
          const result = store.push(key, i, columns.timestamps, columns.values, columns.conditions);
          if (result !== 'ready') return;
          const batch = createWindowBatch(shapeOf(length), 1);
          store.copy(key, batch);
          live.push([...batch.timestamps, ...batch.values, ...batch.conditions]);
        });
        const dataset = build(rows, length, [], { time });
        const past = Array.from(dataset.ends, (end) => {
          const { batch } = windowAt(dataset, end);
          return [...batch.timestamps, ...batch.values, ...batch.conditions];
        });
        const sorted = (list: number[][]) => list.map((window) => window.join()).sort();
        expect(sorted(past)).toEqual(sorted(live));
      }),
    );
  });
});

describe('records that are left out', () => {
  function collect(rows: readonly Row[]) {
    const stale: unknown[] = [];
    const builder = createDatasetBuilder({ channels: 2, conditions: 1, length: 3 }, (...one) =>
      stale.push(one),
    );
    builder.add(toBatch(rows));
    return { stale, builder };
  }

  test('are reported: those that are not newer than the newest one of their key', () => {
    const { stale, builder } = collect([...of('a', 1, 2, 3, 3, 2), ...of('b', 1)]);
    expect(stale).toEqual([
      ['duplicate', 'a', 3],
      ['out_of_order', 'a', 2],
    ]);
    expect(builder.records).toBe(4);
  });

  test('are those far ahead, if the next records of their key continue the earlier ones', () => {
    const { stale, builder } = collect(of('a', 1, 2, 3, 4, 5000, 5, 6, 7, 8));
    expect(stale).toEqual([]);
    expect([builder.records, builder.dropped]).toEqual([8, 1]);
    const time = { ttlMs: 1e6, intervalMs: 0, gaps: 'ignore', padding: 'none' } as const;
    const options = { time, exclude: [], maxExcludedShare: 0.5, limits: () => [] };
    const dataset = builder.build({ channels: 2, conditions: 1, length: 3 }, options);
    expect(windows(dataset)).toEqual([
      [1, 2, 3],
      [2, 3, 4],
      [5, 6, 7],
      [6, 7, 8],
    ]);
  });

  test('cuts of windows are counted, and the longest run', () => {
    const time = { ttlMs: 50, intervalMs: 1, gaps: 'break', padding: 'none' } as const;
    const dataset = build(of('a', 1, 2, 3, 10, 11, 100, 101), 3, [], { time });
    expect(dataset.cuts).toEqual({ expired: 1, broken: 1, longestRun: 3 });
  });
});

describe('excluded records', () => {
  const tenOf = (key: string) => of(key, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);

  test('are those beyond a limit, and no window contains them', () => {
    const limits: DatasetOptions['limits'] = (values, offset) =>
      values[offset] === 4 ? [{ channel: 'x', limit: 'max', bound: 3, actual: 4 }] : [];
    const dataset = build(of('a', 1, 2, 3, 4, 5, 6), 2, [], { limits });
    expect(windows(dataset)).toEqual([
      [1, 2],
      [2, 3],
      [5, 6],
    ]);
    expect(dataset).toMatchObject({ records: 6, excludedRecords: 1 });
  });

  test('are at most the allowed share: the longest intervals are released', () => {
    const long = { key: 'a', from: 3, to: 10 };
    const short = { key: 'b', from: 2, to: 3 };
    const rows = [...tenOf('a'), ...tenOf('b')];
    expect(build(rows, 1, [short, long], { maxExcludedShare: 0.5 })).toMatchObject({
      excludedRecords: 10,
      released: [],
    });
    expect(build(rows, 1, [short, long], { maxExcludedShare: 0.4 })).toMatchObject({
      excludedRecords: 2,
      released: [long],
    });
  });

  test('are not padded: a window after them must fill first', () => {
    const time: TimeRules = { ...plain, padding: 'missing' };
    const dataset = build(of('a', 1, 2, 3, 4, 5), 2, [{ key: 'a', from: 3, to: 3 }], { time });
    expect(windows(dataset)).toEqual([
      [1, 1],
      [1, 2],
      [4, 5],
    ]);
    expect(dataset.records).toBe(5);
  });
});

describe('the builder', () => {
  test('ignores a record that is not newer than the last one of its key, as live', () => {
    const builder = createDatasetBuilder({ channels: 2, conditions: 1, length: 3 });
    builder.add(toBatch(of('a', 5, 5, 3, 6)));
    builder.add(toBatch([...of('a', 6, 7), ...of('b', 1)]));
    expect(builder.records).toBe(4);
    expect([...builder.build(shapeOf(1), asGiven).timestamps]).toEqual([5, 6, 7, 1]);
  });

  test('copies: a batch may be used again', () => {
    const builder = createDatasetBuilder({ channels: 2, conditions: 1, length: 3 });
    const batch = toBatch(of('a', 1));
    builder.add(batch);
    batch.timestamps[0] = 2;
    batch.values[0] = 99;
    builder.add(batch);
    expect([...builder.build(shapeOf(1), asGiven).values]).toEqual([1, 97, 99, 97]);
  });

  test('reads only the rows of a batch that are filled', () => {
    const batch = toBatch(of('a', 1, 2));
    batch.count = 1;
    const builder = createDatasetBuilder({ channels: 2, conditions: 1, length: 3 });
    builder.add(batch);
    expect(builder.records).toBe(1);
  });

  test('measures the record rate over all keys', () => {
    expect(build([...of('a', 0, 1000), ...of('b', 500)], 1).recordsPerMs).toBeCloseTo(2 / 1000, 12);
    expect(build(of('a', 5), 1).recordsPerMs).toBeNaN();
    expect(build([], 1)).toMatchObject({ records: 0, recordsPerMs: NaN });
  });
});

describe('the split by time', () => {
  test('gives calibration the newest windows, fit the oldest, and leaves out those that span a cut', () => {
    const times = Array.from({ length: 102 }, (_, i) => i);
    const dataset = build(of('a', ...times), 3);
    const { fit, validation, calibration } = splitByTime(dataset, 0.2);
    // 100 windows: 80 before calibration, 68 of them to fit.
    expect([fit.length, validation.length, calibration.length]).toEqual([68, 12 - 2, 20 - 2]);
    expect(windowAt(dataset, fit.at(-1)!).times).toEqual([67, 68, 69]);
    expect(windowAt(dataset, validation[0]!).times).toEqual([70, 71, 72]);
    expect(windowAt(dataset, calibration[0]!).times).toEqual([82, 83, 84]);
    expect(windowAt(dataset, calibration.at(-1)!).times).toEqual([99, 100, 101]);
  });

  test('shares no record between its parts and keeps them in order of time, with many keys at once too', () => {
    fc.assert(
      fc.property(streams, lengths, fc.constantFrom(0.1, 0.3, 0.5), (rows, length, share) => {
        const dataset = build(rows, length);
        const { fit, validation, calibration } = splitByTime(dataset, share);
        const recordsOf = (ends: Int32Array) =>
          new Set(Array.from(ends).flatMap((end) => Array.from({ length }, (_, i) => end - i)));
        const [f, v, c] = [fit, validation, calibration].map(recordsOf) as [
          Set<number>,
          Set<number>,
          Set<number>,
        ];
        const cut = dataset.timestamps[fit.at(-1) ?? 0]!;
        const reachesOver = (end: number) => dataset.timestamps[end - length + 1]! <= cut;
        const isApart = !validation.some(reachesOver);
        // Only where there is no other window to validate with.
        if (!isApart) expect(validation.every(reachesOver)).toBe(true);
        for (const row of f) expect((isApart && v.has(row)) || c.has(row)).toBe(false);
        for (const row of v) expect(c.has(row)).toBe(false);
        const timesOf = (part: Set<number>) => [...part].map((row) => dataset.timestamps[row]!);
        expect(Math.max(...timesOf(f))).toBeLessThanOrEqual(
          Math.min(...(isApart ? timesOf(v) : []), ...timesOf(c)),
        );
        expect(Math.max(...timesOf(v))).toBeLessThanOrEqual(Math.min(...timesOf(c)));
      }),
    );
  });

  test('is empty for an empty dataset', () => {
    const { fit, validation, calibration } = splitByTime(build([], 3), 0.2);
    expect([fit.length, validation.length, calibration.length]).toEqual([0, 0, 0]);
  });
});
