/** Records from a CSV or NDJSON file, or recorded images, at a chosen rate, as if they came in live: for demos, replays and tests. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parse as parseCsv } from 'csv-parse';
import { pause } from '../../system/pause';
import type { ReadHistory } from '../history';
import { holdsImages, imageTickMs, readRecordedImages } from './image-files';
import type { Batch, HandleBatch, Message, Source } from '../source';

/** Names of the columns of a CSV file; every other column is a channel. */
export interface FileColumns {
  key: string;
  timestamp: string;
  conditions: readonly string[];
}

export const defaultColumns: FileColumns = { key: 'key', timestamp: 'timestamp', conditions: [] };

export interface FileSourceSettings {
  /** CSV with a header, NDJSON (`.ndjson`, `.jsonl`) or idx images; `.gz` is unpacked. Or a folder of PNG and JPEG. */
  path: string;
  /** Records a second; 0 = as fast as they can be scored. */
  rate: number;
  /** Begin again at the end, event times moved on by the length of the file. */
  loop: boolean;
  /** This many records at the beginning are history: the source starts behind them. */
  historyRecords: number;
  columns: FileColumns;
}

/** What is read of a file. */
export type FileRecords = Pick<FileSourceSettings, 'path' | 'columns'>;

export interface FileSource extends Source {
  position(): number;
}

/** How far a pass is moved on from the file as it is: each pass follows the one before in time and in offsets. */
interface Shift {
  ms: number;
  records: number;
}

/** Records handed over at once; fewer when the rate asks for less than this in a tick. */
const maxBatch = 256;
const tickMs = 100;

/**
 * @param onPassEnd called when every record of a pass has been handled and acknowledged
 */
export function createFileSource(
  settings: FileSourceSettings,
  onPassEnd: (pass: number) => void | Promise<void> = () => undefined,
): FileSource {
  const stopping = new AbortController();
  /** A call, so that the compiler does not take the value from before an await for the one after it. */
  const isStopping = (): boolean => stopping.signal.aborted;
  let running: Promise<void> | undefined;
  let furthest = settings.historyRecords;

  async function deliver(handle: HandleBatch): Promise<void> {
    let shift: Shift = { ms: 0, records: 0 };
    for (let pass = 1; !isStopping(); pass++) {
      const passed = await deliverPass(handle, shift);
      if (isStopping()) return;
      await onPassEnd(pass);
      if (!settings.loop) return;
      if (passed.records === 0)
        throw new Error(`${settings.path}: no records behind the history to loop over`);
      shift = { ms: shift.ms + passed.ms, records: shift.records + passed.records };
    }
  }

  /** Returns by how much the next pass has to be moved on to follow this one. */
  async function deliverPass(handle: HandleBatch, shift: Shift): Promise<Shift> {
    const span = { first: NaN, previous: NaN, last: NaN };
    const began = performance.now();
    let delivered = 0;
    let messages: Message[] = [];
    const batchSize =
      settings.rate === 0
        ? maxBatch
        : Math.max(1, Math.min(maxBatch, Math.round((settings.rate * tickMs) / 1000)));

    async function flush(): Promise<void> {
      if (messages.length === 0 || isStopping()) return;
      if (settings.rate > 0) {
        const due = began + (1000 * (delivered + messages.length)) / settings.rate;
        if (due > performance.now()) await pause(due - performance.now(), stopping.signal);
      }
      // A replay sets the pace itself: nothing piles up behind it.
      const batch: Batch = { topic: settings.path, partition: 0, messages, lag: 0 };
      await handle(batch);
      delivered += messages.length;
      furthest = Math.max(furthest, Number(messages.at(-1)!.origin.offset) - shift.records + 1);
      messages = [];
      // Scoring is synchronous: without this a fast replay would starve timers and the web server.
      await new Promise(setImmediate);
    }

    for await (const message of readMessages(settings, settings.historyRecords, shift)) {
      if (isStopping()) break;
      // A record without a time that can be read is refused further on; it does not say how long the file is.
      if (!Number.isNaN(message.timestamp)) {
        span.previous = span.last;
        span.last = message.timestamp;
        if (Number.isNaN(span.first)) span.first = message.timestamp;
      }
      messages.push(message);
      if (messages.length >= batchSize) await flush();
    }
    await flush();
    const step = span.last - span.previous;
    const ms = Number.isNaN(span.first) ? 0 : span.last - span.first + (step > 0 ? step : 1000);
    return { ms, records: delivered };
  }

  return {
    ready: () => ({ ready: true, reason: '' }),
    position: () => furthest,
    run: (handle) => (running ??= deliver(handle)),
    async stop() {
      stopping.abort();
      // How it ended is for the one who called run.
      await running?.catch(() => undefined);
    },
  };
}

/** The first `limit` records of the file; event times bound the range further. */
export function createFileHistory(file: FileRecords, limit: number): ReadHistory {
  return async function* readHistory({ from, to, maxRecords }) {
    let kept: Message[] = [];
    for await (const message of readMessages(file, 0, { ms: 0, records: 0 })) {
      if (Number(message.origin.offset) >= limit) break;
      if (from !== undefined && message.timestamp < from) continue;
      if (to !== undefined && message.timestamp >= to) continue;
      kept.push(message);
      if (kept.length >= 2 * maxRecords) kept = kept.slice(-maxRecords);
    }
    kept = kept.slice(-maxRecords);
    for (let i = 0; i < kept.length; i += maxBatch) yield kept.slice(i, i + maxBatch);
  };
}

/** One message per image, or per row, from record `skip` on, in the form that Kafka records have, too. */
async function* readMessages(settings: FileRecords, skip: number, shift: Shift): AsyncGenerator<Message> {
  let index = 0;
  if (await holdsImages(settings.path)) {
    for await (const { key, bytes } of readRecordedImages(settings.path)) {
      if (index++ < skip) continue;
      yield {
        key: Buffer.from(key),
        value: bytes,
        timestamp: (index - 1) * imageTickMs + shift.ms,
        origin: { topic: settings.path, partition: 0, offset: String(index - 1 + shift.records) },
        warmUp: false,
      };
    }
    return;
  }
  for await (const record of readFileRecords(settings)) {
    if (index++ < skip) continue;
    const timestamp = parseTime(record.timestamp);
    const shifted = Number.isNaN(timestamp) ? record.timestamp : new Date(timestamp + shift.ms).toISOString();
    yield {
      key: null,
      value: record.raw ?? Buffer.from(JSON.stringify({ ...record, timestamp: shifted })),
      timestamp: timestamp + shift.ms,
      origin: { topic: settings.path, partition: 0, offset: String(index - 1 + shift.records) },
      warmUp: false,
    };
  }
}

/** One row, its cells told apart by what their columns are. */
export interface FileRecord {
  key?: string | undefined;
  timestamp: unknown;
  values?: Record<string, unknown>;
  conditions?: Record<string, string | undefined>;
  /** NDJSON: the line as it is. */
  raw?: Buffer;
}

/** The columns of a CSV file, in its order. */
export async function readColumns(path: string): Promise<string[]> {
  const columns = { key: '', timestamp: '', conditions: [] };
  for await (const { values } of readFileRecords({ path, columns })) return Object.keys(values ?? {});
  throw new Error(`${path} has no records`);
}

/** The rows of a file; what goes wrong names it. */
export function readFileRecords(settings: FileRecords): AsyncGenerator<FileRecord> {
  return namingFile(readRecords(settings), settings.path);
}

async function* readRecords({ path, columns }: FileRecords): AsyncGenerator<FileRecord> {
  const bytes = openFile(path);
  if (/\.(ndjson|jsonl)(\.gz)?$/.test(path)) {
    for await (const line of readLines(bytes))
      if (line !== '') yield { timestamp: undefined, raw: Buffer.from(line) };
    return;
  }
  const { key, timestamp, conditions } = columns;
  const given = new Set(conditions);
  // A row with too few or too many cells is a bad record, not a bad file: it is refused further on, with its reason.
  const parser = bytes.pipe(
    parseCsv({ columns: true, bom: true, relax_column_count: true, skip_empty_lines: true }),
  );
  // pipe() hands no error on; without this a damaged archive would look like a short one.
  bytes.once('error', (error) => parser.destroy(error));
  for await (const row of parser as AsyncIterable<Record<string, string>>) {
    const values: Record<string, unknown> = {};
    const conditionValues: Record<string, string | undefined> = {};
    for (const [column, text] of Object.entries(row)) {
      if (given.has(column)) conditionValues[column] = text === '' ? undefined : text;
      else if (column !== key && column !== timestamp) values[column] = parseCell(text);
    }
    yield { key: row[key], timestamp: row[timestamp], values, conditions: conditionValues };
  }
}

/** An empty cell is a missing value; what is no finite number stays text and is refused further on, with its reason. */
function parseCell(text: string): number | string | null {
  if (text.trim() === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

/** Unix ms; NaN without a zone too, which the decoder refuses: it would mean another moment on another machine. */
function parseTime(text: unknown): number {
  return typeof text === 'string' && /(Z|[+-]\d{2}:?\d{2})$/i.test(text) ? Date.parse(text) : NaN;
}

function openFile(path: string): Readable {
  const file = createReadStream(path);
  if (!path.endsWith('.gz')) return file;
  const unpacked = createGunzip();
  file.once('error', (error) => unpacked.destroy(error));
  return file.pipe(unpacked);
}

/** Not node:readline: it does not pass on the error of its input. */
async function* readLines(bytes: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of bytes.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? '';
    yield* lines;
  }
  yield rest;
}

/** Hands on what comes, and puts the file's name to whatever goes wrong. */
async function* namingFile<T>(items: AsyncIterable<T>, path: string): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (cause) {
    throw new Error(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}
