import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLabelFile, type LabelTimes } from '../../src/sources/labels';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vaemon-labels-'))));
afterEach(() => rmSync(directory, { recursive: true }));

function read(text: string, times?: LabelTimes) {
  const path = join(directory, 'labels.csv');
  writeFileSync(path, text);
  return readLabelFile(path, times);
}
const at = (hour: number) => Date.UTC(2026, 2, 1, hour);

test('stretches of one device or of all, to be left out or to be learned from', async () => {
  const text = `start,end,key,label
2026-03-01T10:00:00Z,2026-03-01T11:00:00Z,pump-3,anomaly

${at(12)},${at(13)},,
2026-03-01T14:00:00Z,2026-03-01T15:00:00Z,pump-1,normal
2026-03-01T16:00:00Z,2026-03-01T17:00:00Z,pump-1,new normal
`;
  expect(await read(text)).toEqual([
    { key: 'pump-3', from: at(10), to: at(11), label: 'anomaly' },
    { key: '', from: at(12), to: at(13), label: 'anomaly' },
    { key: 'pump-1', from: at(14), to: at(15), label: 'normal' },
    { key: 'pump-1', from: at(16), to: at(17), label: 'new normal' },
  ]);
});

test.each([
  ['Unix seconds', at(10) / 1000, at(11) / 1000],
  ['a space and an offset', '2026-03-01 10:00:00+00:00', '2026-03-01 12:00:00+01:00'],
])('times may be written as %s', async (_, start, end) => {
  expect(await read(`start,end\n${start},${end}\n`)).toMatchObject([{ from: at(10), to: at(11) }]);
});

test('times without a zone are in that of the records', async () => {
  const times = { timestampFormat: 'dd.MM.yyyy HH:mm', timeZone: 'Europe/Berlin' };
  expect(await read('start,end\n01.03.2026 11:00,2026-03-01 12:00\n', times)).toMatchObject([
    { from: at(10), to: at(11) },
  ]);
});

test('the file of known faults is one, too: of all devices', async () => {
  expect(await read(`start,end,kind,channels\n${at(1)},${at(2)},overheating,temperature\n`)).toEqual([
    { key: '', from: at(1), to: at(2), label: 'anomaly' },
  ]);
});

test.each([
  ['start,end\nyesterday,2026-03-01', /labels\.csv:2: start and end must be times/],
  [
    'start,end\n2026-03-02T00:00Z,2026-03-03T00:00Z\n2026-03-02T00:00Z,2026-03-01T00:00Z',
    /labels\.csv:3: .*start not after end/,
  ],
  [
    'start,end,label\n2026-03-01T00:00Z,2026-03-02T00:00Z,odd',
    /labels\.csv:2: label must be one of `anomaly`, `normal`, `new normal` \(got "odd"\)/,
  ],
  ['end\n2026-03-01', /labels\.csv:2: start and end/],
  ['start,end\n2026-03-01 10:00:00,2026-03-01 11:00:00', /labels\.csv:2: .*: start has no zone/],
  ['start,end\n395,805', /labels\.csv:2: .*: start is not a Unix time .* set fields\.timestampFormat/],
])('what is no label is named by file and line: %p', async (text, message) => {
  await expect(read(text)).rejects.toThrow(message);
});

test('a file that is not there is named with its key', async () => {
  await expect(readLabelFile(join(directory, 'none.csv'))).rejects.toThrow(
    /training\.labels\.file: cannot read .*none\.csv/,
  );
});
