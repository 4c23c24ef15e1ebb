import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openQuarantine, Quarantine, readQuarantine } from '../../src/runtime/quarantine';
import { createRecordedLog } from './recorded-log';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vaemon-quarantine-'));
  path = join(directory, 'plant', 'quarantine.json');
});
afterEach(() => rmSync(directory, { recursive: true }));

test('an interval is kept with its margin on both sides, also by the next process', async () => {
  const first = await Quarantine.open(path, 60);
  first.add('a', 1000, 2000);
  await first.save([]);
  const second = await Quarantine.open(path, 10);
  second.add('b', 5000, 5000);
  await second.save([]);
  expect(await readQuarantine(path)).toEqual([
    { key: 'a', from: 940, to: 2060 },
    { key: 'b', from: 4990, to: 5010 },
  ]);
});

test('nothing is written without a new interval', async () => {
  const quarantine = await Quarantine.open(path, 0);
  await quarantine.save([]);
  expect(existsSync(path)).toBe(false);
  quarantine.add('a', 1, 2);
  await quarantine.save([]);
  rmSync(path);
  await quarantine.save([]);
  expect(existsSync(path)).toBe(false);
});

test('the file is replaced atomically, and no temporary file is left', async () => {
  const quarantine = await Quarantine.open(path, 0);
  quarantine.add('a', 1, 2);
  await quarantine.save([]);
  expect(readdirSync(dirname(path))).toEqual(['quarantine.json']);
});

test('a failed write is repeated by the next save', async () => {
  const quarantine = await Quarantine.open(path, 0);
  quarantine.add('a', 1, 2);
  // A folder where the file should go.
  await mkdir(path, { recursive: true });
  await expect(quarantine.save([])).rejects.toThrow();
  await rm(path, { recursive: true });
  await quarantine.save([]);
  expect(await readQuarantine(path)).toEqual([{ key: 'a', from: 1, to: 2 }]);
});

test('only the newest 10,000 intervals are kept', async () => {
  const quarantine = await Quarantine.open(path, 0);
  for (let i = 0; i < 10_005; i++) quarantine.add('a', i, i);
  await quarantine.save([]);
  const kept = await readQuarantine(path);
  expect(kept).toHaveLength(10_000);
  expect([kept[0]!.from, kept.at(-1)!.from]).toEqual([5, 10_004]);
});

test('a missing file is an empty quarantine', async () => {
  expect(await readQuarantine(path)).toEqual([]);
});

describe.each([
  ['cut off', '[{"key":"a","from":1'],
  ['not a list', '{}'],
  ['empty', ''],
])('a file that is %s', (_, content) => {
  beforeEach(async () => {
    await mkdir(dirname(path), { recursive: true });
    writeFileSync(path, content);
  });

  test('is an error that names it to a training', async () => {
    await expect(readQuarantine(path)).rejects.toThrow(`cannot read ${path}`);
  });

  test('is replaced by a daemon', async () => {
    const quarantine = await Quarantine.open(path, 0);
    quarantine.add('a', 1, 2);
    await quarantine.save([]);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual([{ key: 'a', from: 1, to: 2 }]);
  });
});

test('processes that share a file add to it, and each writes its intervals again if another one has overwritten them', async () => {
  const [first, second] = [await Quarantine.open(path, 0), await Quarantine.open(path, 0)];
  first.add('a', 1, 2);
  await first.save([]);
  second.add('b', 3, 4);
  await second.save([]);
  expect(await readQuarantine(path)).toHaveLength(2);
  // As if the second had read before the first wrote.
  writeFileSync(path, JSON.stringify([{ key: 'b', from: 3, to: 4 }]));
  await first.save([]);
  expect(await readQuarantine(path)).toEqual([
    { key: 'b', from: 3, to: 4 },
    { key: 'a', from: 1, to: 2 },
  ]);
});

test('an event that continues is one interval, which grows', async () => {
  const quarantine = await Quarantine.open(path, 0);
  for (let end = 10; end <= 40; end += 10) await quarantine.save([{ key: 'a', start: 5, end }]);
  quarantine.add('a', 5, 50);
  await quarantine.save([]);
  expect(await readQuarantine(path)).toEqual([{ key: 'a', from: 5, to: 50 }]);
});

test('a truncated file is reported and kept aside, and only its owner can read the next one', async () => {
  await mkdir(dirname(path), { recursive: true });
  writeFileSync(path, '[{"key":"a","fr');
  const damage: string[] = [];
  const quarantine = await Quarantine.open(path, 0, (error) => damage.push((error as Error).message));
  expect(damage).toEqual([`cannot read ${path}`]);
  expect(readFileSync(`${path}.damaged`, 'utf8')).toBe('[{"key":"a","fr');
  quarantine.add('b', 1, 2);
  await quarantine.save([]);
  expect(await readQuarantine(path)).toEqual([{ key: 'b', from: 1, to: 2 }]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('what a cold start takes for an event is not kept from the training that replaces it', async () => {
  let isColdStart = true;
  const quarantine = await openQuarantine(path, 1000, () => isColdStart, createRecordedLog());
  quarantine.add('pump-1', 10_000, 20_000);
  await quarantine.save([{ key: 'pump-2', start: 10_000, end: 20_000 }]);
  expect(await readQuarantine(path)).toEqual([]);
  isColdStart = false;
  quarantine.add('pump-1', 30_000, 40_000);
  await quarantine.save([]);
  expect(await readQuarantine(path)).toEqual([{ key: 'pump-1', from: 29_000, to: 41_000 }]);
});
