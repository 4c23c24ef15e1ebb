import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLabels } from '../../../src/sources/file/fault-labels';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vaemon-labels-'))));
afterEach(() => rmSync(directory, { recursive: true }));

function write(...lines: string[]): string {
  const path = join(directory, 'labels.csv');
  writeFileSync(path, lines.join('\n'));
  return path;
}

test('faults are read with their times and channels', async () => {
  const path = write(
    'start,end,kind,channels',
    '2026-03-01T12:00:00Z,2026-03-01T12:01:00Z,cpu_hog,cpu_user;load1',
    '2026-03-01T13:00:00+01:00,2026-03-01T13:00:00+01:00,stuck,',
    '',
  );
  expect(await readLabels(path)).toEqual([
    {
      start: Date.parse('2026-03-01T12:00:00Z'),
      end: Date.parse('2026-03-01T12:01:00Z'),
      kind: 'cpu_hog',
      channels: ['cpu_user', 'load1'],
    },
    {
      start: Date.parse('2026-03-01T12:00:00Z'),
      end: Date.parse('2026-03-01T12:00:00Z'),
      kind: 'stuck',
      channels: [],
    },
  ]);
});

test('columns may stand in any order, beside others, behind a byte-order mark', async () => {
  const path = write('\ufeffkind,note,end,start', 'hog,by hand,2026-03-01T12:01:00Z,2026-03-01T12:00:00Z');
  expect(await readLabels(path)).toMatchObject([
    { kind: 'hog', channels: [], start: Date.UTC(2026, 2, 1, 12) },
  ]);
});

test('a file with a header alone has no faults', async () => {
  expect(await readLabels(write('start,end,kind,channels'))).toEqual([]);
});

test.each([
  ['Unix milliseconds', '1772366400000,1772366460000'],
  ['Unix seconds', '1772366400,1772366460'],
  ['a space and an offset', '2026-03-01 12:00:00+00:00,2026-03-01 13:01:00+0100'],
])('times may be written as %s', async (_, times) => {
  expect(await readLabels(write('start,end,kind,channels', `${times},hog,`))).toMatchObject([
    { start: Date.UTC(2026, 2, 1, 12), end: Date.UTC(2026, 2, 1, 12, 1) },
  ]);
});

test.each([
  ['that are no times', 'soon,later,hog,'],
  ['in the wrong order', '2026-03-01T12:01:00Z,2026-03-01T12:00:00Z,hog,'],
  ['without a zone', '2026-03-01 12:00:00,2026-03-01 12:01:00,hog,'],
  ['that are row numbers', '17,18,hog,'],
  ['of which one is missing', '2026-03-01T12:01:00Z,,hog,'],
])('start and end %s are refused with file and line', async (_, line) => {
  const path = write('start,end,kind,channels', '2026-03-01T12:00:00Z,2026-03-01T12:01:00Z,ok,', line);
  await expect(readLabels(path)).rejects.toThrow(`${path}:3: start and end must be times`);
});

test('the error for a time without a zone names no setting, as none applies', async () => {
  const path = write('start,end,kind,channels', '2026-03-01 12:00:00,2026-03-01 12:01:00,hog,');
  await expect(readLabels(path)).rejects.toThrow(/add Z, or an offset such as \+01:00$/);
});

test('a file that is not there is an error that names it', async () => {
  await expect(readLabels(join(directory, 'nothing.csv'))).rejects.toThrow('nothing.csv');
});
