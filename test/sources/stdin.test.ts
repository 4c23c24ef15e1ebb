import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Message } from '../../src/sources/source';
import { createSpool, createSpoolHistory } from '../../src/sources/stdin/spool';
import { createStdinSource, type StdinSourceOptions } from '../../src/sources/stdin/stdin';

const folders: string[] = [];
async function newSpool(): Promise<string> {
  folders.push(await mkdtemp(join(tmpdir(), 'vaemon-stdin-')));
  return join(folders.at(-1)!, 'plant/stdin');
}
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

const columns = { key: 'key', timestamp: 'timestamp', conditions: ['mode'] };

async function open(settings: Partial<StdinSourceOptions['settings']> = {}) {
  const input = new PassThrough();
  const spool = await newSpool();
  const passes: number[] = [];
  const source = createStdinSource({
    settings: { format: 'auto', historyRecords: 3, columns, ...settings },
    topic: 'stdin',
    input,
    spool,
    onPassEnd: (pass) => void passes.push(pass),
  });
  const seen: Message[] = [];
  const handle = ({ messages }: { messages: readonly Message[] }) => {
    seen.push(...messages);
    return Promise.resolve();
  };
  const texts = () => seen.map(({ value }) => value!.toString());
  return { input, source, spool, passes, seen, handle, texts };
}

const line = (i: number): string => JSON.stringify({ key: 'a', timestamp: 1e12 + i, values: { flow: i } });
const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => line(from + i));

async function historyIn(spool: string, maxRecords = 1000): Promise<string[]> {
  const texts: string[] = [];
  const range = { from: undefined, to: undefined, maxRecords };
  for await (const chunk of createSpoolHistory(spool, { columns })(range))
    texts.push(...chunk.map(({ value }) => value!.toString()));
  return texts;
}

test('each line is a record; the source ends with the input, after the last batch', async () => {
  const { input, source, handle, texts, passes, seen } = await open();
  const running = source.run(handle);
  input.end(`${lines(0, 600).join('\n')}\n\n  \r\n${line(600)}`);
  await running;
  expect(texts()).toEqual(lines(0, 601));
  expect(seen.map(({ origin }) => origin.offset).slice(-1)).toEqual(['600']);
  expect(passes).toEqual([1]);
});

test('a byte-order mark at the beginning is no part of the first line', async () => {
  const { input, source, handle, texts } = await open();
  const running = source.run(handle);
  input.end(`\ufeff${lines(0, 2).join('\n')}`);
  await running;
  expect(texts()).toEqual(lines(0, 2));
});

test('a line is delivered before the next one comes', async () => {
  const { input, source, texts } = await open();
  const arrivals: (() => void)[] = [];
  const arrived = () => new Promise<void>((resolve) => arrivals.push(resolve));
  const got: string[] = [];
  const running = source.run(({ messages }) => {
    got.push(...messages.map(({ value }) => value!.toString()));
    arrivals.shift()?.();
    return Promise.resolve();
  });
  for (const i of [0, 1, 2]) {
    const one = arrived();
    input.write(`${line(i)}\n`);
    await one;
    expect(got).toEqual(lines(0, i + 1));
  }
  input.end();
  await running;
  expect(texts()).toEqual([]);
});

test('a training before the first record waits for the history, which is then not scored', async () => {
  const { input, source, spool, handle, texts } = await open({ historyRecords: 3 });
  const position = source.position!();
  input.write(`${lines(0, 2).join('\n')}\n`);
  input.write(`${lines(2, 5).join('\n')}\n`);
  expect(await position).toBe(3);
  expect(await historyIn(spool)).toEqual(lines(0, 3));
  const running = source.run(handle);
  input.end(line(5));
  await running;
  expect(texts()).toEqual(lines(3, 6));
  // A later training has what was delivered since.
  expect(await source.position!()).toBe(6);
  expect(await historyIn(spool)).toEqual(lines(0, 6));
});

test('without a training all records are scored', async () => {
  const { input, source, handle, texts } = await open();
  const running = source.run(handle);
  input.end(lines(0, 5).join('\n'));
  await running;
  expect(texts()).toEqual(lines(0, 5));
});

test('an input that ends within the history has no records to score', async () => {
  const { input, source, handle, texts, passes } = await open();
  input.end(line(0));
  expect(await source.position!()).toBe(1);
  await source.run(handle);
  expect(texts()).toEqual([]);
  expect(passes).toEqual([1]);
});

test('CSV with a header: rows become records, and a row with too many cells is rejected, not trained on', async () => {
  const { input, source, spool, handle, seen } = await open();
  const running = source.run(handle);
  const rows = Array.from({ length: 40 }, (_, i) => `a;${1e12 + i};${i},5;on`);
  input.end(['key;timestamp;flow;mode', ...rows, 'a;1;2;3;4;5'].join('\n'));
  await running;
  expect(seen).toHaveLength(41);
  expect(JSON.parse(seen[39]!.value!.toString())).toEqual({
    key: 'a',
    timestamp: String(1e12 + 39),
    values: { flow: 39.5 },
    conditions: { mode: 'on' },
  });
  expect(seen[40]!.problem).toMatchObject({ reason: 'damaged_record' });
  expect(await historyIn(spool)).toHaveLength(40);
});

test('CSV without the column of devices is an error that names it', async () => {
  const { input, source, handle } = await open();
  const running = source.run(handle);
  input.end('timestamp,Key,mode,flow\n2026-01-31T12:00:00Z,a,x,1\n');
  await expect(running).rejects.toThrow(
    'cannot read standard input: there is no column "key", which columns.key names; did you mean "Key"?',
  );
});

test('a header alone, and nothing at all', async () => {
  for (const text of ['key,timestamp,flow\n', '']) {
    const { input, source, handle, seen, passes } = await open();
    const running = source.run(handle);
    input.end(text);
    await running;
    expect([seen.length, passes]).toEqual([0, [1]]);
  }
});

test('stopping ends a read that waits, and no pass', async () => {
  const { input, source, handle, passes } = await open();
  const running = source.run(handle);
  input.write(`${line(0)}\n`);
  await source.stop();
  await running;
  expect(passes).toEqual([]);
});

test('the spool keeps the newest records of two files, and begins empty', async () => {
  const spool = await newSpool();
  const add = async (limit: number, count: number) => {
    const { add: append, count: total } = createSpool(spool, limit);
    for (const text of lines(0, count))
      await append([
        {
          key: null,
          value: Buffer.from(text),
          timestamp: 0,
          origin: { topic: 'stdin', partition: 0, offset: '0' },
          warmUp: false,
        },
      ]);
    return total();
  };
  expect(await add(3, 8)).toBe(5);
  expect(await historyIn(spool)).toEqual(lines(3, 8));
  expect(await historyIn(spool, 2)).toEqual(lines(6, 8));
  expect(await add(3, 1)).toBe(1);
  expect((await readFile(`${spool}.ndjson`, 'utf8')).trim()).toBe(line(0));
  expect(await historyIn(spool)).toEqual(lines(0, 1));
});
