import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { loadSettings } from '../../../src/config/load';
import { examineRecords } from '../../../src/offline/doctor/records';
import { writeFolder } from '../../config/folder';

const at = (i: number): string => new Date(Date.UTC(2026, 0, 1) + 60_000 * i).toISOString();
const rows = (of: (i: number) => string, header = 'time,flow,temperature'): string =>
  `${[header, ...Array.from({ length: 300 }, (_, i) => of(i))].join('\n')}\n`;
const good = rows((i) => `${at(i)},${i % 7},${20 + (i % 3)}`);

/** The finding of a file, without its path. */
async function findingOf(
  name: string,
  content: string | Buffer,
  source = 'columns: { timestamp: time, key: "" }',
) {
  const folder = await writeFolder({});
  const path = join(folder, name);
  await writeFile(path, content);
  const config = join(folder, 'pump.yaml');
  await writeFile(
    config,
    `detector: pump
source: { kind: file, file: { path: '${path}', historyRecords: 100, ${source} } }
record: { channels: [flow, temperature] }
`,
  );
  const { detectors } = await loadSettings(config, { env: {} });
  const [finding, ...others] = await examineRecords(detectors[0]!.settings, Date.UTC(2026, 5, 1));
  expect(others).toEqual([]);
  const { level, subject, message } = finding!;
  expect(subject).toBe(`file ${path}`);
  return `${level}: ${message.replaceAll(path, 'FILE')}`;
}

test('a file whose first records can be used is all right, packed or not', async () => {
  const fine = 'ok: the first 200 records can be used (source.file.path)';
  expect(await findingOf('a.csv', good)).toBe(fine);
  expect(await findingOf('a.csv.gz', gzipSync(good))).toBe(fine);
});

test.each<[string, string, string | Buffer, RegExp]>([
  ['is empty', 'a.csv', '', /^wrong: /],
  ['has a header alone', 'a.csv', 'time,flow,temperature\n', /^wrong: contains no record$/],
  ['is cut', 'a.csv.gz', gzipSync(good).subarray(0, 300), /^wrong: .*(unexpected end|incorrect)/],
  [
    'is not packed as its name says',
    'a.csv.gz',
    good,
    /^wrong: cannot read FILE: the file is not gzip, although its name ends in \.gz$/,
  ],
  [
    'lacks a column',
    'a.csv',
    rows((i) => `${at(i)},1,2`, 'time,flow,temp'),
    /^wrong: .*200 unknown_channel \(FILE:0:0: channel "temp" is not in the schema/,
  ],
  [
    'has times that are none',
    'a.csv',
    rows(() => 'yesterday,1,2'),
    /^wrong: the first 200 records: none can be used: 200 bad_timestamp \(FILE:0:0: .*fields\.timestampFormat/,
  ],
  [
    'has some values that are none',
    'a.csv',
    rows((i) => `${at(i)},${i % 10 === 3 ? 'n/k' : 1},2`),
    /^warning: the first 200 records: 20 cannot be used: 20 \w+ \(FILE:0:3: /,
  ],
  ['is no text', 'a.ndjson', Buffer.from([0, 1, 2, 255, 254, 10, 7, 7, 10]), /^wrong: /],
])('a file that %s', async (_, name, content, expected) => {
  expect(await findingOf(name, content)).toMatch(expected);
});

test('a file that does not exist, and a folder without images, are wrong', async () => {
  const folder = await writeFolder({ 'read-me.txt': 'nothing' });
  const config = join(folder, 'pump.yaml');
  const examineAt = async (path: string, record: string) => {
    await writeFile(config, `detector: pump\nsource: { kind: file, file: { path: '${path}' } }\n${record}\n`);
    const { detectors } = await loadSettings(config, { env: {} });
    return examineRecords(detectors[0]!.settings, Date.UTC(2026, 5, 1));
  };
  const sensors = 'record: { channels: [flow] }';
  expect(await examineAt(join(folder, 'none.ndjson'), sensors)).toMatchObject([
    {
      level: 'wrong',
      message: expect.stringContaining('ENOENT') as string,
      mend: 'correct source.file.path',
    },
  ]);
  const images = 'record: { kind: image, image: { width: 32, height: 32 } }';
  expect(await examineAt(folder, images)).toMatchObject([{ level: 'wrong' }]);
});
