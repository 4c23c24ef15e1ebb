import { findTimeColumn } from '../../../src/offline/evaluate/time-column';

const find = (values: Record<string, readonly (number | string | null)[]>) =>
  findTimeColumn({
    path: 'a.csv',
    shortRows: [],
    records: Object.values(values)[0]!.map((_, i) => ({
      timestamp: undefined,
      values: Object.fromEntries(Object.entries(values).map(([name, list]) => [name, list[i]!])),
    })),
  });

const iso = (count: number) => Array.from({ length: count }, (_, i) => `2026-01-05T${10 + i}:00:00Z`);

test('a column of dates has the times, whatever its name', () => {
  expect(find({ level: [1, 2.5, 3], measured: iso(3) })).toEqual({
    column: 'measured',
    timestampFormat: 'auto',
    timeZone: '',
  });
});

test('dates without a zone are taken as UTC, dates of a country by their pattern', () => {
  const german = ['05.01.2026 10:00:00', '05.01.2026 11:00:00', '13.01.2026 12:00:00'];
  expect(find({ DATETIME: ['2026-01-05 10:00', '2026-01-05 11:00', '2026-01-05 12:00'] })).toMatchObject({
    timestampFormat: 'auto',
    timeZone: 'UTC',
  });
  expect(find({ Zeit: german })).toMatchObject({ timestampFormat: 'dd.MM.yyyy HH:mm:ss', timeZone: 'UTC' });
});

test('Unix times are times where the name says so', () => {
  const times = [1_767_607_200, 1_767_607_260, 1_767_607_320.5];
  expect(find({ time: times })?.column).toBe('time');
  expect(find({ flow: times })).toBeUndefined();
});

test('row numbers, times that go back, and times of which one cannot be read have none', () => {
  expect(find({ time: [0, 1, 2, 3] })).toBeUndefined();
  expect(find({ time: [...iso(3), ...iso(3)] })).toBeUndefined();
  expect(find({ time: [...iso(10).map((text) => text), 'soon'] })).toBeUndefined();
});
