import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DetectorSettings } from '../../src/config/settings';
import { createLabelWriter } from '../../src/runtime/label-writer';
import { readCsvTable } from '../../src/sources/file/csv';
import { createRecordedLog } from './recorded-log';

const directory = mkdtempSync(join(tmpdir(), 'vaemon-labels-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
let path: string;
beforeEach(() => (path = join(directory, `${++files}`, 'labels.csv')));

const open = (file = path) =>
  createLabelWriter({ training: { labels: { file, topic: '' } } } as DetectorSettings, undefined as never);

const label = { id: 'e', keys: ['pump-1'], start: 0, end: 60_000, label: 'anomaly', note: 'a note' };
const row = {
  start: '1970-01-01T00:00:00.000Z',
  end: '1970-01-01T00:01:00.000Z',
  key: 'pump-1',
  label: 'anomaly',
  note: 'a note',
};
const rows = async () => (await readCsvTable(path)).map(({ cells }) => cells);

test('a file that does not exist begins with a header, so that trainings can read it', async () => {
  const writer = await open();
  expect(await rows()).toEqual([]);
  await writer!.write(label);
  expect(await rows()).toEqual([row]);
});

test.each([
  ['quotes', '"pump", 1'],
  ['a separator', 'a,b;c'],
  ['the mark of a comment', '#1'],
  ['spaces at its ends', ' pump '],
  ['a formula', '=1+1'],
])('a device with %s is read as it was', async (_, key) => {
  const writer = await open();
  await writer!.write({ ...label, keys: [key, 'b'], note: 'first line\nsecond, "line"' });
  expect(await rows()).toEqual([
    { ...row, key, note: 'first line second, "line"' },
    { ...row, key: 'b', note: 'first line second, "line"' },
  ]);
});

test('a file of a person keeps its columns, its separator and its last line', async () => {
  await open();
  writeFileSync(path, 'key;label;end;start;who\npump-3;normal;2026-01-02;2026-01-01;me');
  await (await open())!.write({ ...label, keys: ['a;b'] });
  expect(readFileSync(path, 'utf8')).toBe(
    'key;label;end;start;who\npump-3;normal;2026-01-02;2026-01-01;me\n"a;b";anomaly;1970-01-01T00:01:00.000Z;1970-01-01T00:00:00.000Z;\n',
  );
});

test('a file that cannot name a device is left as it is', async () => {
  await open();
  writeFileSync(path, 'start,end\n');
  await expect((await open())!.write(label)).rejects.toThrow('has no column key, label');
  expect(readFileSync(path, 'utf8')).toBe('start,end\n');
});

test('a file that cannot be created is logged, and each label is refused', async () => {
  const blocked = join(directory, 'blocked');
  writeFileSync(blocked, '');
  const log = createRecordedLog();
  const settings = { training: { labels: { file: join(blocked, 'labels.csv'), topic: '' } } };
  const writer = await createLabelWriter(settings as DetectorSettings, log);
  expect(log.entries).toMatchObject([{ level: 'error', message: 'the file of labels cannot be created' }]);
  await expect(writer!.write(label)).rejects.toThrow();
});

test('without a place for labels there is no writer', async () => {
  expect(await open('')).toBeUndefined();
});
