import { createRecordBatch, type RecordSchema } from '../../src/domain/record';
import { createRandom } from '../../src/tensor';
import { createDatasetBuilder, type Dataset } from '../../src/training/dataset';
import { findSeasons } from '../../src/training/seasons';

const stepMs = 600_000;
const perDay = 144;
const { normal } = createRandom(3);

/** Ten minutes apart, from a Monday on. The first channel is noise. */
function history(days: number, valueAt: (i: number) => number): Dataset {
  const schema: RecordSchema = {
    channels: ['noise', 'value'],
    missingChannels: 'mask',
    extraChannels: 'reject',
    conditions: [],
  };
  const shape = { length: 3, channels: 2, conditions: 0 };
  const count = Math.round(days * perDay) + 1;
  const batch = createRecordBatch(schema, count);
  for (let i = 0; i < count; i++) {
    batch.keys[i] = 'a';
    batch.timestamps[i] = Date.UTC(2026, 0, 5) + i * stepMs;
    batch.values.set([normal(), valueAt(i)], 2 * i);
    batch.count++;
  }
  const builder = createDatasetBuilder(shape);
  builder.add(batch);
  return builder.build(shape, {
    time: { ttlMs: 10 * stepMs, intervalMs: 0, gaps: 'ignore', padding: 'none' },
    exclude: [],
    maxExcludedShare: 0.5,
    limits: () => [],
  });
}

const day = (i: number): number => Math.sin((2 * Math.PI * i) / perDay);
const isWeekend = (i: number): boolean => Math.floor(i / perDay) % 7 >= 5;
const seasonsOf = (dataset: Dataset): string[] => findSeasons(dataset, [], 'UTC').map(({ kind }) => kind);

function walk(): () => number {
  let sum = 0;
  return () => (sum += normal());
}

test.each([
  ['a sine over two days', 2, (i: number) => 10 * day(i) + normal(), ['hour-of-day']],
  ['a shift over three days', 3, (i: number) => (day(i) > 0 ? 8 : 2) + normal(), ['hour-of-day']],
  ['a small sine over four weeks', 28, (i: number) => 2 * day(i) + normal(), ['hour-of-day']],
  [
    'days that are shorter at weekends',
    21,
    (i: number) => (isWeekend(i) ? 1 : 8) * Math.max(0, day(i)) + normal(),
    ['hour-of-day', 'day-of-week'],
  ],
  [
    'a machine that is off at weekends',
    21,
    (i: number) => (isWeekend(i) ? 0 : 20) + normal(),
    ['day-of-week'],
  ],
])('the season of %s is found', (_, days, valueAt, kinds) => {
  expect(seasonsOf(history(days, valueAt))).toEqual(kinds);
});

test.each([
  ['one day and a half', 1.5, () => (i: number) => 10 * day(i)],
  ['noise', 14, () => () => normal()],
  ['a constant', 14, () => () => 5],
  ['a cycle of 10.8 hours', 14, () => (i: number) => 10 * Math.sin((2 * Math.PI * i) / 64.8) + normal()],
  ['a step', 4, () => (i: number) => (i > 250 ? 10 : 0) + normal()],
])('%s has none', (_, days, create) => {
  expect(seasonsOf(history(days, create()))).toEqual([]);
});

test('of a hundred random walks hardly any has one', () => {
  const count = (days: number): number =>
    Array.from({ length: 50 }).filter(() => seasonsOf(history(days, walk())).length > 0).length;
  expect(count(2) + count(7)).toBeLessThanOrEqual(2);
});

test('a configured condition of the same kind takes precedence', () => {
  const dataset = history(3, (i) => 10 * day(i));
  expect(findSeasons(dataset, ['hour-of-day'], 'UTC')).toEqual([]);
  expect(findSeasons(dataset, ['category'], 'Europe/Berlin')).toEqual([
    { name: 'hour-of-day', kind: 'hour-of-day', timeZone: 'Europe/Berlin' },
  ]);
});
