/** Standard input as a source: lines are delivered as they arrive, until the input ends. */
import { PassThrough, type Readable } from 'node:stream';
import { DecodeError } from '../../errors';
import { csvFormatOf, readCsvFrom } from '../file/csv';
import { readLines } from '../file/lines';
import { csvRecords, timeOf, type FileRecord, type FileRecords } from '../file/file';
import { messageOf } from '../../system/error-text';
import type { Message, Source } from '../source';
import { createSpool } from './spool';

interface StdinSourceSettings extends Omit<FileRecords, 'path'> {
  format: 'auto' | 'ndjson' | 'csv';
  /** Number of records at the beginning that a training before the first live record uses. */
  historyRecords: number;
}

export interface StdinSourceOptions {
  settings: StdinSourceSettings;
  /** Origin of all records, and key of records that have none. */
  topic: string;
  input: Readable;
  /** Path of the files that trainings read, without their extensions. */
  spool: string;
  onPassEnd: (pass: number) => void | Promise<void>;
}

const maxBatch = 256;

/** Number of CSV rows from which the format is detected. */
const sampleLines = 21;

/** Longest line, characters. */
const maxLine = 64 * 1024 * 1024;

export function createStdinSource(options: StdinSourceOptions): Source {
  const { settings, topic, input, spool: path, onPassEnd } = options;
  const batches = inBatches(toMessages(readRecords(input, settings), options), maxBatch);
  const spool = createSpool(path);
  const stopping = new AbortController();
  /** A function, because the compiler would assume that the property keeps its value across an await. */
  const isStopping = (): boolean => stopping.signal.aborted;
  let history: Promise<void> | undefined;
  /** Records after the history that arrived in the same batch. */
  let rest: Message[] = [];
  let running: Promise<void> | undefined;

  async function readHistory(): Promise<void> {
    for (let left = settings.historyRecords; left > 0;) {
      const next = await batches.next();
      if (next.done === true) return;
      await spool.add(next.value.slice(0, left));
      rest = next.value.slice(left);
      left -= next.value.length;
    }
  }

  async function deliver(handle: Parameters<Source['run']>[0]): Promise<void> {
    await history;
    const deliverOne = async (messages: readonly Message[]): Promise<void> => {
      await handle({ topic, partition: 0, messages, lag: undefined });
      await spool.add(messages);
    };
    if (rest.length > 0 && !isStopping()) await deliverOne(rest);
    for (;;) {
      const next = await batches.next();
      if (isStopping()) return;
      if (next.done === true) break;
      await deliverOne(next.value);
    }
    await onPassEnd(1);
  }

  return {
    ready: () => ({ ready: true, reason: '' }),
    async position() {
      if (running === undefined) await (history ??= readHistory());
      return spool.count();
    },
    run: (handle) =>
      (running ??= deliver(handle).catch((error: unknown) => {
        // If stop() has closed the input, its premature end is no error.
        if (!isStopping()) throw error;
      })),
    async stop() {
      stopping.abort();
      // Ends a pending read.
      input.destroy();
      // The caller of run() handles its error.
      await running?.catch(() => undefined);
    },
  };
}

async function* toMessages(
  records: AsyncIterable<FileRecord>,
  { topic, settings: { timestampFormat, timeZone } }: StdinSourceOptions,
): AsyncGenerator<Message> {
  let index = 0;
  for await (const { key = topic, timestamp, values, conditions, raw, problem } of records) {
    const value = raw ?? Buffer.from(JSON.stringify({ key, timestamp, values, conditions }));
    yield {
      ...(problem !== undefined && { problem: new DecodeError('damaged_record', problem) }),
      key: raw === undefined ? null : Buffer.from(topic),
      value,
      timestamp: timeOf(timestamp, timestampFormat, timeZone),
      origin: { topic, partition: 0, offset: String(index++) },
      warmUp: false,
    };
  }
}

/** Errors name standard input. */
async function* readRecords(input: Readable, settings: StdinSourceSettings): AsyncGenerator<FileRecord> {
  try {
    yield* parseRecords(input, settings);
  } catch (cause) {
    throw new Error(`cannot read standard input: ${messageOf(cause)}`, { cause });
  }
}

async function* parseRecords(
  input: Readable,
  { format, columns }: StdinSourceSettings,
): AsyncGenerator<FileRecord> {
  const lines = filledLines(input);
  const first: string[] = [];
  const isCsv = (): boolean =>
    format === 'csv' || (format === 'auto' && first[0] !== undefined && !/^\s*\{/.test(first[0]));
  // Leaving a `for await` loop would close the input, so the iterator is advanced by hand.
  for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
    first.push(next.value);
    if (!isCsv() || first.length === sampleLines) break;
  }
  if (!isCsv()) {
    for (const line of first) yield { timestamp: undefined, raw: Buffer.from(line) };
    for await (const line of lines) yield { timestamp: undefined, raw: Buffer.from(line) };
    return;
  }
  const sample = `${first.join('\n')}\n`;
  const csv = csvFormatOf(sample);
  const bytes = new PassThrough();
  bytes.write(sample);
  const copying = (async () => {
    try {
      for await (const line of lines) if (!bytes.write(`${line}\n`)) await drained(bytes);
      bytes.end();
    } catch (error) {
      bytes.destroy(error as Error);
    }
  })();
  yield* csvRecords(readCsvFrom(bytes, csv), csv, columns);
  await copying;
}

function drained(stream: PassThrough): Promise<void> {
  return new Promise((resolve) => {
    stream.once('drain', resolve);
    stream.once('close', resolve);
  });
}

/** Lines that are not blank. @throws Error for a line that is too long */
async function* filledLines(input: Readable): AsyncGenerator<string> {
  const checkRest = (rest: string): void => {
    if (rest.length > maxLine) throw new Error(`a line has more than ${maxLine} characters`);
  };
  for await (const line of readLines(input, checkRest)) if (line.trim() !== '') yield line;
}

/** Batches of items: those that are available without waiting form one batch. */
async function* inBatches<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  const iterator = items[Symbol.asyncIterator]();
  let pending = iterator.next();
  for (;;) {
    const first = await pending;
    if (first.done === true) return;
    const batch = [first.value];
    pending = iterator.next();
    // The error is thrown where the promise is awaited.
    pending.catch(() => undefined);
    while (batch.length < size) {
      const next = await Promise.race([pending, immediate()]);
      if (next === undefined || next.done === true) break;
      batch.push(next.value);
      pending = iterator.next();
      pending.catch(() => undefined);
    }
    yield batch;
  }
}

function immediate(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(() => resolve(undefined)));
}
