/** Records from a CSV or NDJSON file, or recorded images, delivered at a chosen rate: for demos, replays and tests. */
import { basename } from 'node:path';
import { earliestTime, parseTime, TimeError, type TimestampFormat } from '../../domain/time';
import { DecodeError } from '../../errors';
import { pause } from '../../system/pause';
import type { ReadHistory } from '../history';
import {
  createCellReader,
  missingColumn,
  openFile,
  readCsv,
  readCsvFormat,
  type CsvFormat,
  type CsvRow,
} from './csv';
import { countRecordedImages, holdsImages, imageTickMs, readRecordedImages } from './image-files';
import { readLines } from './lines';
import type { HandleBatch, Message, Source } from '../source';

/** Roles of the columns of a CSV file; every other column is a channel. */
export interface FileColumns {
  /** Column of the key; empty = one device with the name of the file. */
  key: string;
  /** Column of the time; empty = the records are one second apart. */
  timestamp: string;
  conditions: readonly string[];
  /** Conditions whose values are the names of subfolders of images, the uppermost first. */
  folders?: readonly string[];
}

export const defaultColumns: FileColumns = {
  key: 'key',
  timestamp: 'timestamp',
  conditions: [],
  folders: [],
};

export interface FileSourceSettings {
  /**
   * Path of a CSV file with a header, an NDJSON file (`.ndjson`, `.jsonl`) or idx images, all optionally with `.gz`; or of a
   * folder of PNG and JPEG files.
   */
  path: string;
  /** Records per second; 0 = as fast as they can be scored. */
  rate: number;
  /** Whether to start again at the end, with event times moved by the length of the file. */
  loop: boolean;
  /** Number of records at the beginning that are history: the source starts after them. */
  historyRecords: number;
  columns: FileColumns;
  /** Format of times in a CSV file; absent = `auto`. */
  timestampFormat?: TimestampFormat;
  /** Time zone for times in a CSV file that state none; absent or empty = such times are rejected. */
  timeZone?: string | undefined;
}

export type FileRecords = Pick<FileSourceSettings, 'path' | 'columns' | 'timestampFormat' | 'timeZone'>;

/** Moves a pass, so that its event times and offsets follow those of the previous pass. */
interface Shift {
  ms: number;
  records: number;
}

/** Largest batch; smaller if fewer records are due in a tick. */
const maxBatch = 256;
const maxBatchBytes = 32 * 1024 * 1024;
const tickMs = 100;

/**
 * @param onPassEnd called after all records of a pass are acknowledged
 */
export function createFileSource(
  settings: FileSourceSettings,
  onPassEnd: (pass: number) => void | Promise<void> = () => undefined,
): Omit<Source, 'position'> & { position(): number } {
  const { rate, path, historyRecords } = settings;
  const stopping = new AbortController();
  /** A function, because the compiler would assume that the property keeps its value across an await. */
  const isStopping = (): boolean => stopping.signal.aborted;
  const batchSize =
    rate === 0 ? maxBatch : Math.max(1, Math.min(maxBatch, Math.round((rate * tickMs) / 1000)));
  let running: Promise<void> | undefined;
  let furthest = historyRecords;

  async function deliver(handle: HandleBatch): Promise<void> {
    let shift: Shift = { ms: 0, records: 0 };
    for (let pass = 1; !isStopping(); pass++) {
      const passed = await deliverPass(handle, shift);
      if (isStopping()) return;
      await onPassEnd(pass);
      if (!settings.loop) return;
      if (passed.records === 0) throw new Error(`${path}: no records after the history to loop over`);
      shift = { ms: shift.ms + passed.ms, records: shift.records + passed.records };
    }
  }

  /** Returns the length of the pass. */
  async function deliverPass(handle: HandleBatch, shift: Shift): Promise<Shift> {
    const began = performance.now();
    let records = 0;
    let [first, previous, last] = [NaN, NaN, NaN];
    for await (const messages of inBatches(readMessages(settings, historyRecords, shift), batchSize)) {
      if (isStopping()) break;
      const dueMs = rate === 0 ? 0 : began + (1000 * (records + messages.length)) / rate - performance.now();
      if (dueMs > 0) await pause(dueMs, stopping.signal);
      // A replay sets its own pace, so it has no lag.
      await handle({ topic: path, partition: 0, messages, lag: 0 });
      records += messages.length;
      furthest = Math.max(furthest, Number(messages.at(-1)!.origin.offset) - shift.records + 1);
      // A record without a readable time is rejected later, and is ignored here for the length of the file.
      for (const { timestamp } of messages.filter((message) => !Number.isNaN(message.timestamp))) {
        if (Number.isNaN(first)) first = timestamp;
        [previous, last] = [last, timestamp];
      }
      // Scoring is synchronous: without this pause, a fast replay would starve timers and the web server.
      await new Promise(setImmediate);
    }
    const step = last - previous;
    return { ms: Number.isNaN(first) ? 0 : last - first + (step > 0 ? step : 1000), records };
  }

  return {
    ready: () => ({ ready: true, reason: '' }),
    position: () => furthest,
    run: (handle) => (running ??= deliver(handle)),
    async stop() {
      stopping.abort();
      // The caller of run() handles its error.
      await running?.catch(() => undefined);
    },
  };
}

/** The first `limit` records of the file, bounded further by event times. */
export function createFileHistory(file: FileRecords, limit: number): ReadHistory {
  return async function* readHistory({ from = -Infinity, to = Infinity, maxRecords }) {
    if (await holdsImages(file.path)) {
      // Images are not kept in memory: their times are computed from their positions.
      const count = Math.min(
        limit,
        Math.ceil(to / imageTickMs),
        await countRecordedImages(file.path, file.columns.folders),
      );
      const first = Math.max(0, Math.ceil(from / imageTickMs), count - maxRecords);
      yield* inBatches(readMessages(file, first, { ms: 0, records: 0 }, count), maxBatch);
      return;
    }
    let kept: Message[] = [];
    for await (const message of readMessages(file, 0, { ms: 0, records: 0 })) {
      if (Number(message.origin.offset) >= limit) break;
      if (message.timestamp < from || message.timestamp >= to) continue;
      kept.push(message);
      if (kept.length >= 2 * maxRecords) kept = kept.slice(-maxRecords);
    }
    kept = kept.slice(-maxRecords);
    for (let i = 0; i < kept.length; i += maxBatch) yield kept.slice(i, i + maxBatch);
  };
}

/** Batches of at most `size` messages and `maxBatchBytes`, unless a single message is larger. */
async function* inBatches(messages: AsyncIterable<Message>, size: number): AsyncGenerator<Message[]> {
  let batch: Message[] = [];
  let bytes = 0;
  for await (const message of messages) {
    const added = message.value?.length ?? 0;
    if (batch.length > 0 && bytes + added > maxBatchBytes) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(message);
    bytes += added;
    if (batch.length < size) continue;
    yield batch;
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

/** One message per image or row, from record `skip` on (images: up to `end`), in the form of Kafka records. */
async function* readMessages(
  settings: FileRecords,
  skip: number,
  shift: Shift,
  end = Infinity,
): AsyncGenerator<Message> {
  const { path: topic } = settings;
  let index = 0;
  const messageOf = (key: Buffer | null, value: Buffer, timestamp: number, problem?: string): Message => ({
    ...(problem === undefined ? undefined : { problem: new DecodeError('damaged_record', problem) }),
    key,
    value,
    timestamp: timestamp + shift.ms,
    origin: { topic, partition: 0, offset: String(index - 1 + shift.records) },
    warmUp: false,
  });
  if (await holdsImages(topic)) {
    index = skip;
    for await (const { key, bytes, file } of readRecordedImages(topic, settings.columns.folders, skip, end)) {
      const message = messageOf(Buffer.from(key), bytes, index++ * imageTickMs);
      yield { ...message, origin: { ...message.origin, ...(file !== undefined && { file }) } };
    }
    return;
  }
  const { columns, timestampFormat, timeZone } = settings;
  const name = basename(topic).replace(/\.(csv|ndjson|jsonl)(\.gz)?$/, '');
  for await (const record of readFileRecords(settings)) {
    if (index++ < skip) continue;
    const { raw, problem, values, conditions } = record;
    const key = columns.key === '' ? name : record.key;
    const given = columns.timestamp === '' ? untimedRecord(index - 1) : record.timestamp;
    const time = timeOf(given, timestampFormat, timeZone);
    const timestamp = Number.isNaN(time) || shift.ms === 0 ? given : new Date(time + shift.ms).toISOString();
    const value = raw ?? Buffer.from(JSON.stringify({ key, timestamp, values, conditions }));
    yield messageOf(raw === undefined ? null : Buffer.from(name), value, time, problem);
  }
}

/**
 * Time of a record in a file without times. Records are a second apart, from the earliest time that is valid without a unit on.
 */
function untimedRecord(index: number): string {
  return new Date(earliestTime + index * 1000).toISOString();
}

/** One row, with its cells by the role of their column. */
export interface FileRecord {
  key?: string | undefined;
  timestamp: unknown;
  values?: Record<string, unknown>;
  conditions?: Record<string, string | undefined>;
  /** The line of an NDJSON file as it is. */
  raw?: Buffer;
  /** Reason why the row must be rejected: too few or too many cells, or an ambiguous number. */
  problem?: string | undefined;
  /** Whether it has too few cells. */
  isShort?: boolean;
}

/** Columns of a CSV file in its order; empty for a column without a name. Errors contain the path. */
export async function readColumns(path: string): Promise<readonly string[]> {
  try {
    return (await readCsvFormat(path)).columns;
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

const isObjectsPath = (path: string): boolean => /\.(ndjson|jsonl)(\.gz)?$/.test(path);

function unreadable(path: string, cause: unknown): Error {
  return new Error(`cannot read ${path}: ${(cause as Error).message}`, { cause });
}

/** Rows of a file. Errors contain the path. @param rules as for `csvRecords` */
export async function* readFileRecords(
  settings: FileRecords,
  rules: ColumnRules = {},
): AsyncGenerator<FileRecord> {
  try {
    yield* readRecords(settings, rules);
  } catch (cause) {
    throw unreadable(settings.path, cause);
  }
}

async function* readRecords({ path, columns }: FileRecords, rules: ColumnRules): AsyncGenerator<FileRecord> {
  if (isObjectsPath(path)) {
    for await (const line of readLines(openFile(path)))
      if (line !== '') yield { timestamp: undefined, raw: Buffer.from(line) };
    return;
  }
  const format = await readCsvFormat(path);
  yield* csvRecords(readCsv(path, format), format, columns, rules);
}

export interface ColumnRules {
  /** Whether the columns of devices and times may be absent. */
  mayLackColumns?: boolean;
}

/**
 * The rows of a CSV file as records.
 * @throws Error naming the column of devices or times that the file does not have
 */
export async function* csvRecords(
  rows: AsyncIterable<CsvRow>,
  format: CsvFormat,
  { key, timestamp, conditions }: Omit<FileColumns, 'folders'>,
  { mayLackColumns = false }: ColumnRules = {},
): AsyncGenerator<FileRecord> {
  const missing = mayLackColumns ? undefined : missingColumn(format.columns, { key, timestamp });
  if (missing !== undefined) throw new Error(missing);
  const given = new Set(conditions);
  const readers = new Map(format.columns.map((name) => [name, createCellReader(format)]));
  for await (const { line, cells, problem, isShort } of rows) {
    const record: FileRecord = {
      key: cells[key],
      timestamp: cells[timestamp],
      values: {},
      conditions: {},
      problem,
      isShort,
    };
    for (const [column, text] of Object.entries(cells)) {
      if (given.has(column)) record.conditions![column] = text === '' ? undefined : text;
      else if (column !== key && column !== timestamp) {
        try {
          record.values![column] = readers.get(column)!(text);
        } catch (error) {
          record.problem ??= `line ${line}, column "${column}": ${(error as Error).message}`;
        }
      }
    }
    yield record;
  }
}

/** Unix ms; NaN for a time that cannot be read. The decoder rejects such a record. */
export function timeOf(text: unknown, format: TimestampFormat | undefined, timeZone?: string): number {
  try {
    return parseTime(text, format, timeZone);
  } catch (error) {
    if (error instanceof TimeError) return NaN;
    throw error;
  }
}
