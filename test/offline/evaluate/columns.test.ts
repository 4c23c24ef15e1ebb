import { chooseChannels, constantChannels } from '../../../src/offline/evaluate/columns';
import type { RecordedFile } from '../../../src/offline/evaluate/series';

function recorded(values: Record<string, readonly (number | string | null)[]>): RecordedFile {
  const count = Math.max(...Object.values(values).map(({ length }) => length));
  return {
    path: 'a.csv',
    shortRows: [],
    records: Array.from({ length: count }, (_, i) => ({
      timestamp: undefined,
      values: Object.fromEntries(Object.entries(values).map(([name, list]) => [name, list[i]])),
    })),
  };
}

const choose = (values: Parameters<typeof recorded>[0]) =>
  chooseChannels(recorded(values), Object.keys(values));

test.each(['is_anomaly', 'anomaly', 'Label', 'labels', 'changepoint', 'change_point', 'outlier', 'Attack'])(
  'a column "%s" of 0 and 1 looks like a label: it is no channel, and a warning names it',
  (name) => {
    const { channels, warnings } = choose({ flow: [1, 3, 2], [name]: [0, 1, 0] });
    expect(channels).toEqual(['flow']);
    expect(warnings).toEqual([
      `column "${name}" looks like a label: it is used only if record.channels lists it`,
    ]);
  },
);

test('a column with such a name and other values is a channel, and so is any other of 0 and 1', () => {
  expect(choose({ anomaly: [0.2, 0, 1], valve: [0, 1, 1] }).channels).toEqual(['anomaly', 'valve']);
});

test('consecutive whole numbers are an index, others are a channel', () => {
  const { channels, warnings } = choose({ row: [5, 6, 7, 8], counter: [5, 6, 7, 9], flow: [1, 3, 2, 2] });
  expect(channels).toEqual(['counter', 'flow']);
  expect(warnings).toEqual(['column "row" looks like an index: it is used only if record.channels lists it']);
});

test('a column without a name is named in a warning', () => {
  const { channels, warnings } = chooseChannels(recorded({ flow: [1, 3] }), ['flow', '']);
  expect([channels, warnings]).toEqual([['flow'], ['1 of 2 columns have no name: they are not used']]);
});

test('a file without a column of numbers is refused with the columns that it has', () => {
  expect(() => choose({ datetime: ['2026-03-01', '2026-03-02'], label: [0, 1] })).toThrow(
    'a.csv has no column of numbers that can be a channel; its columns are "datetime", "label"',
  );
});

test('constant channels are found', () => {
  expect(constantChannels(recorded({ flow: [1, 3], set: [5, 5] }), ['flow', 'set'])).toEqual(['set']);
});
