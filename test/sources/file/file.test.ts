import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import timers from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { createFileHistory, createFileSource, type FileSourceSettings } from '../../../src/sources/file/file';
import type { Batch, Message } from '../../../src/sources/source';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vaemon-file-'))));
afterEach(() => rmSync(directory, { recursive: true }));

function write(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const begin = Date.parse('2026-03-01T12:00:00Z');
const iso = (second: number) => new Date(begin + 1000 * second).toISOString();

/** A CSV of n records, one a second; channel x holds the number of the record. */
function csv(n: number): string {
  const rows = Array.from({ length: n }, (_, i) => `${iso(i)},host-1,${i},${-i / 2},idle`);
  return ['time,device,x,y,mode', ...rows, ''].join('\n');
}

const settingsOf = (path: string, overrides: Partial<FileSourceSettings> = {}): FileSourceSettings => ({
  path,
  rate: 0,
  loop: false,
  historyRecords: 0,
  columns: { key: 'device', timestamp: 'time', conditions: ['mode'] },
  ...overrides,
});

interface FileRecord {
  key?: string;
  timestamp?: string;
  values: Record<string, unknown>;
  conditions?: Record<string, unknown>;
}
const parse = (message: Message) => JSON.parse(message.value!.toString()) as FileRecord;
const offsets = (messages: readonly Message[]) => messages.map(({ origin }) => Number(origin.offset));
const upTo = (n: number, from = 0) => Array.from({ length: n - from }, (_, i) => from + i);

async function readAll(settings: FileSourceSettings): Promise<{ messages: Message[]; batches: Batch[] }> {
  const batches: Batch[] = [];
  await createFileSource(settings).run((batch) => {
    batches.push(batch);
    return Promise.resolve();
  });
  return { batches, messages: batches.flatMap((batch) => batch.messages) };
}

describe('a file without devices or times', () => {
  const columns = { key: '', timestamp: '', conditions: [] };

  test('of CSV has one device, called after the file, and records a second apart', async () => {
    const { messages } = await readAll(settingsOf(write('rig-1.csv', 'x\n1\n2\n3\n'), { columns }));
    expect(messages.map(parse).map(({ key, values }) => [key, values['x']])).toEqual([
      ['rig-1', 1],
      ['rig-1', 2],
      ['rig-1', 3],
    ]);
    const times = messages.map(({ timestamp }) => timestamp);
    expect([times[1]! - times[0]!, times[2]! - times[1]!]).toEqual([1000, 1000]);
    expect(messages.map(parse).map(({ timestamp }) => Date.parse(timestamp!))).toEqual(times);
  });

  test('of NDJSON has messages with this key and these times', async () => {
    const path = write('rig-1.ndjson', '{"x":1}\n{"x":2}\n');
    const { messages } = await readAll(settingsOf(path, { columns }));
    expect(messages.map(({ key }) => key?.toString())).toEqual(['rig-1', 'rig-1']);
    expect(messages[1]!.timestamp - messages[0]!.timestamp).toBe(1000);
  });

  test('begins each pass of a loop after the one before', async () => {
    const source = createFileSource(settingsOf(write('rig-1.csv', 'x\n1\n2\n'), { columns, loop: true }));
    const times: number[] = [];
    await source.run(({ messages }) => {
      times.push(...messages.map(({ timestamp }) => timestamp));
      if (times.length >= 6) void source.stop();
      return Promise.resolve();
    });
    expect(times.slice(1, 6).map((time, i) => time - times[i]!)).toEqual([1000, 1000, 1000, 1000, 1000]);
  });
});

test('times without a zone are those of the given zone', async () => {
  const path = write('a.csv', 'time,device,x\n2026-07-01 12:00:00,h,1\n');
  const { messages } = await readAll(settingsOf(path, { timeZone: 'Europe/Berlin' }));
  expect(messages[0]!.timestamp).toBe(Date.parse('2026-07-01T10:00:00Z'));
});

describe('a CSV file', () => {
  test('is read as JSON records: key, time, conditions, and every other column is a channel', async () => {
    const path = write('host.csv', csv(3));
    const { messages } = await readAll(settingsOf(path));
    expect(messages.map(parse)).toEqual([
      { key: 'host-1', timestamp: iso(0), values: { x: 0, y: 0 }, conditions: { mode: 'idle' } },
      { key: 'host-1', timestamp: iso(1), values: { x: 1, y: -0.5 }, conditions: { mode: 'idle' } },
      { key: 'host-1', timestamp: iso(2), values: { x: 2, y: -1 }, conditions: { mode: 'idle' } },
    ]);
    expect(messages.map(({ origin }) => origin)).toEqual(
      ['0', '1', '2'].map((offset) => ({ topic: path, partition: 0, offset })),
    );
    expect(messages.map(({ timestamp }) => timestamp)).toEqual([begin, begin + 1000, begin + 2000]);
    expect(messages.some(({ warmUp }) => warmUp)).toBe(false);
  });

  test('may be packed', async () => {
    const plain = await readAll(settingsOf(write('host.csv', csv(1000))));
    const packed = await readAll(settingsOf(write('host.csv.gz', gzipSync(csv(1000)))));
    expect(packed.messages.map(parse)).toEqual(plain.messages.map(parse));
    expect(offsets(packed.messages)).toEqual(upTo(1000));
  });

  test.each([
    ['an empty cell as missing', '', null],
    ['a blank cell as missing, not as 0', ' ', null],
    ['a number with an exponent', '1.5e3', 1500],
    ['what is no number as the text that it is, to be refused with its reason', 'broken', 'broken'],
    ['NaN as text', 'NaN', 'NaN'],
    ['an infinite number as text, not as missing', 'Infinity', 'Infinity'],
    ['a number that overflows as text, not as missing', '1e999', '1e999'],
  ])('is read with %s', async (_, cell, expected) => {
    const { messages } = await readAll(settingsOf(write('a.csv', `time,device,x\n${iso(0)},h,${cell}\n`)));
    expect(parse(messages[0]!).values).toEqual({ x: expected });
  });

  test('has no condition where the cell is empty', async () => {
    const { messages } = await readAll(settingsOf(write('a.csv', `time,device,x,mode\n${iso(0)},h,1,\n`)));
    expect(parse(messages[0]!).conditions).toEqual({});
  });

  test('is read without the byte-order mark that spreadsheets write', async () => {
    const { messages } = await readAll(settingsOf(write('a.csv', `\ufefftime,device,x\n${iso(0)},h,1\n`)));
    expect(parse(messages[0]!)).toMatchObject({ timestamp: iso(0), values: { x: 1 } });
  });

  test.each(['noon', '2026-03-01T12:00:00', '2026-03-01 12:00'])(
    'hands on a time that it cannot read or that has no zone (%s), to be refused with its reason',
    async (time) => {
      const { messages } = await readAll(settingsOf(write('a.csv', `time,device,x\n${time},h,1\n`)));
      expect(parse(messages[0]!).timestamp).toBe(time);
      expect(messages[0]!.timestamp).toBeNaN();
    },
  );

  test.each([
    ['Unix milliseconds', String(begin)],
    ['Unix seconds', String(begin / 1000)],
    ['a space and an offset', `${iso(0).slice(0, 19).replace('T', ' ')}+00:00`],
    ['a decimal comma', `"${iso(0).replace('.', ',')}"`],
  ])('has times as %s', async (_, time) => {
    const { messages } = await readAll(settingsOf(write('a.csv', `time,device,x\n${time},h,1\n`)));
    expect(messages[0]!.timestamp).toBe(begin);
    expect(parse(messages[0]!).timestamp).toBe(time.replaceAll('"', ''));
  });

  test('has row numbers as times if the unit is set', async () => {
    const path = write('a.csv', 'time,device,x\n0,h,1\n1,h,1\n');
    const { messages } = await readAll(settingsOf(path, { timestampFormat: 's' }));
    expect(messages.map(({ timestamp }) => timestamp)).toEqual([0, 1000]);
  });

  test('with a row that has too few cells is read on: the row is a bad record, not the file', async () => {
    const path = write('a.csv', `time,device,x,y\n${iso(0)},h,1\n\n${iso(1)},h,1,2\n`);
    const { messages } = await readAll(settingsOf(path));
    expect(messages.map((message) => parse(message).values)).toEqual([{ x: 1 }, { x: 1, y: 2 }]);
  });

  test('with a header alone has no records and ends', async () => {
    expect((await readAll(settingsOf(write('a.csv', 'time,device,x\n')))).batches).toEqual([]);
  });
});

describe('an NDJSON file', () => {
  const lines = [
    { key: 'a', values: [1] },
    { key: 'b', values: [2] },
  ].map((line) => JSON.stringify(line));

  test.each([
    ['a.ndjson', Buffer.from(lines.join('\n'))],
    ['marked.ndjson', Buffer.from(`\ufeff${lines.join('\n')}`)],
    ['a.jsonl', Buffer.from(`${lines.join('\r\n\r\n')}\r\n`)],
    ['a.ndjson.gz', gzipSync(lines.join('\n'))],
  ])('(%s) is handed over line by line as it is, without blank lines', async (name, content) => {
    const { messages } = await readAll(settingsOf(write(name, content)));
    expect(messages.map(({ value }) => value!.toString())).toEqual(lines);
    expect(offsets(messages)).toEqual([0, 1]);
  });
});

describe('a file that cannot be read is an error that names it:', () => {
  const packed = gzipSync(csv(5000));
  test.each<[string, string, Buffer | undefined]>([
    ['a CSV file that is not there', 'absent.csv', undefined],
    ['a packed CSV file that is not there', 'absent.csv.gz', undefined],
    ['an NDJSON file that is not there', 'absent.ndjson', undefined],
    ['a truncated archive', 'cut.csv.gz', packed.subarray(0, packed.length / 2)],
    ['a truncated NDJSON archive', 'cut.ndjson.gz', packed.subarray(0, packed.length / 2)],
  ])('%s', async (_, name, content) => {
    const path = content === undefined ? join(directory, name) : write(name, content);
    await expect(readAll(settingsOf(path))).rejects.toThrow(`cannot read ${path}`);
    const history = createFileHistory(
      settingsOf(path),
      Infinity,
    )({ from: undefined, to: undefined, maxRecords: 10 });
    await expect(history[Symbol.asyncIterator]().next()).rejects.toThrow(`cannot read ${path}`);
  });
});

test.each(['text.csv.gz', 'text.ndjson.gz'])('the error for %s that is not gzip says so', async (name) => {
  const path = write(name, Buffer.from(csv(3)));
  await expect(readAll(settingsOf(path))).rejects.toThrow(
    `cannot read ${path}: the file is not gzip, although its name ends in .gz`,
  );
});

describe('a CSV file without the column of devices or times is an error, as no record of it could be used', () => {
  const columns = { key: 'device', timestamp: 'time', conditions: [] };

  test.each([
    [
      'key',
      { ...columns, key: 'Devices' },
      'there is no column "Devices", which columns.key names; did you mean "device"?',
    ],
    [
      'timestamp',
      { ...columns, timestamp: 'at' },
      'there is no column "at", which columns.timestamp names: it must be one of "time", "device", "x", "y", "mode", or "" if its records are a second apart',
    ],
  ])('%s', async (_, named, message) => {
    const path = write('host.csv', csv(3));
    await expect(readAll(settingsOf(path, { columns: named }))).rejects.toThrow(
      `cannot read ${path}: ${message}`,
    );
    const read = createFileHistory({ path, columns: named }, 3);
    const history = read({ from: undefined, to: undefined, maxRecords: 3 });
    await expect(history[Symbol.asyncIterator]().next()).rejects.toThrow(message);
  });
});

describe('delivery', () => {
  test('awaits each batch before the next: the promise is the acknowledgement', async () => {
    let underWay = 0;
    let most = 0;
    await createFileSource(settingsOf(write('host.csv', csv(1000)))).run(async () => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 1));
      underWay--;
    });
    expect(most).toBe(1);
  });

  test('begins behind the history and says how far it is', async () => {
    const source = createFileSource(settingsOf(write('host.csv', csv(600)), { historyRecords: 100 }));
    expect(source.position()).toBe(100);
    const positions: number[] = [];
    const seen: Message[] = [];
    await source.run(({ messages }) => {
      positions.push(source.position());
      seen.push(...messages);
      return Promise.resolve();
    });
    expect(offsets(seen)).toEqual(upTo(600, 100));
    expect(positions).toEqual([100, 356]);
    expect(source.position()).toBe(600);
  });

  test('ends with an error when a batch is refused, and nothing more is handed over', async () => {
    const source = createFileSource(settingsOf(write('host.csv', csv(1000))));
    let calls = 0;
    const run = source.run(() => {
      calls++;
      return Promise.reject(new Error('sink is full'));
    });
    await expect(run).rejects.toThrow('sink is full');
    expect(calls).toBe(1);
    expect(source.position()).toBe(0);
    await expect(source.stop()).resolves.toBeUndefined();
  });

  test('keeps the rate: 50 records at 200 per second come in batches of 20, every 100 ms', async () => {
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    jest.spyOn(timers, 'setTimeout').mockImplementation((ms = 0) => {
      now += ms;
      return Promise.resolve(undefined as never);
    });
    const delivered: [ms: number, records: number][] = [];
    await createFileSource(settingsOf(write('host.csv', csv(50)), { rate: 200 })).run(({ messages }) => {
      delivered.push([now, messages.length]);
      return Promise.resolve();
    });
    jest.restoreAllMocks();
    expect(delivered).toEqual([
      [100, 20],
      [200, 20],
      [250, 10],
    ]);
  });

  test('lets timers and the web server have their turn between any two batches, even at full speed', async () => {
    let turn = 0;
    let over = false;
    const next = (): void => {
      turn++;
      if (!over) setImmediate(next);
    };
    next();
    const turnOfBatch: number[] = [];
    await createFileSource(settingsOf(write('host.csv', csv(5000)))).run(() => {
      turnOfBatch.push(turn);
      return Promise.resolve();
    });
    over = true;
    expect(turnOfBatch).toHaveLength(20);
    expect(new Set(turnOfBatch).size).toBe(20);
  });
});

describe('in a loop', () => {
  test('each pass follows the one before in time and in offsets', async () => {
    const settings = settingsOf(write('host.csv', csv(10)), { loop: true, historyRecords: 4 });
    const seen: Message[] = [];
    const passes: number[] = [];
    const source = createFileSource(settings, (pass) => {
      passes.push(pass);
      if (pass === 3) void source.stop();
    });
    await source.run(({ messages }) => {
      seen.push(...messages);
      return Promise.resolve();
    });
    expect(passes).toEqual([1, 2, 3]);
    expect(offsets(seen)).toEqual(upTo(22, 4));
    expect(seen.map(({ timestamp }) => timestamp)).toEqual(upTo(22, 4).map((i) => begin + 1000 * i));
    expect(seen.map((message) => parse(message).timestamp)).toEqual(upTo(22, 4).map(iso));
    expect(seen.map((message) => parse(message).values['x'])).toEqual([1, 2, 3].flatMap(() => upTo(10, 4)));
    expect(source.position()).toBe(10);
  });

  test('the end of a pass is told when its records are acknowledged, and waited for', async () => {
    const story: string[] = [];
    const source = createFileSource(settingsOf(write('host.csv', csv(2)), { loop: true }), async (pass) => {
      story.push(`end ${pass}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      story.push(`told ${pass}`);
      if (pass === 2) void source.stop();
    });
    await source.run(({ messages }) => {
      story.push(`${messages.length} records`);
      return Promise.resolve();
    });
    expect(story).toEqual(['2 records', 'end 1', 'told 1', '2 records', 'end 2', 'told 2']);
  });

  test('a time that cannot be read does not upset the times of the next pass', async () => {
    const rows = ['never,h,0', `${iso(0)},h,1`, `${iso(2)},h,2`, 'never,h,3'];
    const settings = settingsOf(write('a.csv', ['time,device,x', ...rows].join('\n')), { loop: true });
    const seen: (string | undefined)[] = [];
    const source = createFileSource(settings, (pass) => (pass === 2 ? void source.stop() : undefined));
    await source.run(({ messages }) => {
      seen.push(...messages.map((message) => parse(message).timestamp));
      return Promise.resolve();
    });
    expect(seen).toEqual(['never', iso(0), iso(2), 'never', 'never', iso(4), iso(6), 'never']);
  });

  test('a file without records after its history is an error, not an endless loop', async () => {
    const settings = settingsOf(write('host.csv', csv(3)), { loop: true, historyRecords: 3 });
    await expect(readAll(settings)).rejects.toThrow(`${settings.path}: no records after the history`);
  });
});

describe('stop', () => {
  test('lets the batch under way finish and fetches no other', async () => {
    const source = createFileSource(settingsOf(write('host.csv', csv(2000)), { loop: true }));
    const finished: number[] = [];
    let stopped: Promise<void> | undefined;
    const run = source.run(async ({ messages }) => {
      stopped ??= source.stop();
      await new Promise((resolve) => setTimeout(resolve, 20));
      finished.push(messages.length);
    });
    await run;
    expect(finished).toEqual([256]);
    await stopped;
    await source.stop();
    expect(source.position()).toBe(256);
  });

  test('does not wait for the rate', async () => {
    const source = createFileSource(settingsOf(write('host.csv', csv(10)), { rate: 0.001 }));
    const run = source.run(() => Promise.resolve());
    await new Promise((resolve) => setTimeout(resolve, 50));
    await source.stop();
    await run;
  });

  test('before the start means that nothing is delivered', async () => {
    const source = createFileSource(settingsOf(write('host.csv', csv(10))));
    await source.stop();
    await source.run(() => Promise.reject(new Error('must not be called')));
  });

  test('tells no one that a pass has ended which has not', async () => {
    const ended: number[] = [];
    const source = createFileSource(
      settingsOf(write('host.csv', csv(2000))),
      (pass) => void ended.push(pass),
    );
    await source.run(() => {
      void source.stop();
      return Promise.resolve();
    });
    expect(ended).toEqual([]);
  });
});

describe('history', () => {
  async function read(
    n: number,
    limit: number,
    range: { from?: number; to?: number; maxRecords?: number } = {},
  ) {
    const readHistory = createFileHistory(settingsOf(write('host.csv', csv(n))), limit);
    const messages: Message[] = [];
    for await (const chunk of readHistory({ from: undefined, to: undefined, maxRecords: 1e6, ...range }))
      messages.push(...chunk);
    return offsets(messages);
  }

  test('is the first records of the file, up to its limit', async () => {
    expect(await read(1000, 700)).toEqual(upTo(700));
    expect(await read(5, 700)).toEqual(upTo(5));
    expect(await read(5, 0)).toEqual([]);
  });

  test('is bounded by event time: from included, to excluded', async () => {
    expect(await read(100, 50, { from: begin + 10_000, to: begin + 20_000 })).toEqual(upTo(20, 10));
  });

  test.each([1, 10, 300])('keeps the newest %d records when there are more', async (maxRecords) => {
    expect(await read(1000, 700, { maxRecords })).toEqual(upTo(700, 700 - maxRecords));
  });

  test('has the records that the source has delivered', async () => {
    const settings = settingsOf(write('host.csv', csv(20)), { historyRecords: 5 });
    const { messages } = await readAll(settings);
    const past: Message[] = [];
    const range = { from: undefined, to: undefined, maxRecords: 1e6 };
    for await (const chunk of createFileHistory(settings, 20)(range)) past.push(...chunk);
    expect(past.slice(5)).toEqual(messages);
  });
});
