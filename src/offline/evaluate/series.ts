/** Recorded series as messages: CSV files with sensor records, or idx files with images. */
import type { TimestampFormat } from '../../domain/time';
import { readFileRecords, timeOf, type FileRecord, type FileSourceSettings } from '../../sources/file/file';
import { readIdxImages, type IdxImages } from '../../sources/file/idx';
import { imageTickMs } from '../../sources/file/image-files';
import type { Message } from '../../sources/source';

export type Part = 'train' | 'test';

/** The records of a file, with all columns. */
export interface RecordedFile {
  path: string;
  records: readonly FileRecord[];
  /** Messages about rows with too few cells. The channels without a cell have no value there. */
  shortRows: readonly string[];
}

/**
 * @param maxRecords reads only this many records
 * @throws Error naming a file that cannot be read, or has no records
 */
export async function readRecords(
  path: string,
  part: Part,
  columns: FileSourceSettings['columns'],
  maxRecords = Infinity,
): Promise<RecordedFile> {
  if (!/\.csv(\.gz)?$/.test(path))
    throw new Error(`${path} must be a .csv or .csv.gz file, or an .idx3 file as the other one`);
  const records: FileRecord[] = [];
  const shortRows: string[] = [];
  for await (const record of readFileRecords({ path, columns }, { mayLackColumns: true })) {
    const { problem, isShort, ...kept } = record;
    if (problem !== undefined) {
      if (isShort !== true || part === 'train') throw new Error(`cannot read ${path}: ${problem}`);
      shortRows.push(problem);
    }
    // Many numerical tools write missing values as NaN.
    for (const [channel, value] of Object.entries(kept.values ?? {}))
      if (typeof value === 'string' && /^nan$/i.test(value)) kept.values![channel] = null;
    records.push(kept);
    if (records.length >= maxRecords) break;
  }
  if (records.length === 0) throw new Error(`${path} has no records`);
  return { path, records, shortRows };
}

/** @throws Error if only one of the files has times */
export function checkTimes(train: RecordedFile, test: RecordedFile, timestampColumn: string): void {
  if (hasTimestamps(train.records) !== hasTimestamps(test.records))
    throw new Error(`only one of ${train.path} and ${test.path} has the column "${timestampColumn}"`);
}

export function hasTimestamps(records: readonly FileRecord[]): boolean {
  return records[0]?.timestamp !== undefined;
}

/** The values of a channel, in order; records without a number are left out. @param key of one device; default: all devices */
export function valuesOf(channel: string, files: readonly RecordedFile[], key?: string): Float64Array {
  return Float64Array.from(
    files.flatMap(({ records }) =>
      records.flatMap((record) => {
        const value = key === undefined || record.key === key ? record.values?.[channel] : undefined;
        return typeof value === 'number' ? [value] : [];
      }),
    ),
  );
}

/**
 * Messages whose offset is the number of the row. Messages of different devices are in order of time, as in a topic, however
 * the file is sorted; those of one device are in the order of the file. Messages of the training file are warm-up messages.
 * @param key for records without one
 * @param before number of records before the first one
 * @param times unit of Unix times, and zone of times without one; records without times are `stepMs` apart, from 1970 on
 */
export function toMessages(
  { records }: RecordedFile,
  part: Part,
  key: string,
  before: number,
  {
    timestampFormat,
    timeZone,
    stepMs,
  }: { timestampFormat: TimestampFormat; timeZone?: string; stepMs: number },
): Message[] {
  const messages = records.map((record, index): Message => ({
    key: null,
    value: Buffer.from(
      JSON.stringify({
        ...record,
        key: record.key ?? key,
        timestamp: record.timestamp ?? (before + index) * stepMs,
      }),
    ),
    timestamp:
      record.timestamp === undefined
        ? (before + index) * stepMs
        : timeOf(record.timestamp, timestampFormat, timeZone),
    // The part is the topic, as the paths of both files may be the same.
    origin: { topic: part, partition: 0, offset: String(index) },
    warmUp: part === 'train',
  }));
  return merged(
    messages,
    records.map((record) => record.key ?? key),
  );
}

/** Merges the messages of all keys by time; messages of one key keep their order. */
export function merged(messages: readonly Message[], keys: readonly string[]): Message[] {
  const newest = new Map<string, number>();
  const times = messages.map(({ timestamp }, i) => {
    const time = Math.max(newest.get(keys[i]!) ?? -Infinity, Number.isNaN(timestamp) ? -Infinity : timestamp);
    newest.set(keys[i]!, time);
    return time;
  });
  const order = Array.from(messages.keys()).sort((a, b) => compare(times[a]!, times[b]!) || a - b);
  return order.map((i) => messages[i]!);
}

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @returns whether the messages are in the order of their file */
export function inOrderOfFile(messages: readonly Message[]): boolean {
  return messages.every(({ origin }, i) => origin.offset === String(i));
}

/** Images of one size. */
export interface RecordedImages extends IdxImages {
  path: string;
}

/** @throws Error naming a file that cannot be read */
export async function readImages(path: string): Promise<RecordedImages> {
  return { path, ...(await readIdxImages(path)) };
}

/** @throws Error if the images of the files differ in size */
export function checkSizes(train: RecordedImages, test: RecordedImages): void {
  const size = ({ width, height }: IdxImages): string => `${width} × ${height}`;
  if (size(train) !== size(test))
    throw new Error(`${train.path} has images of ${size(train)} pixels, but ${test.path} of ${size(test)}`);
}

/** As `toMessages`, for raw images. */
export function toImageMessages({ images }: IdxImages, part: Part, key: string, tick: number): Message[] {
  return images.map((value, index) => ({
    key: Buffer.from(key),
    value,
    timestamp: (tick + index) * imageTickMs,
    origin: { topic: part, partition: 0, offset: String(index) },
    warmUp: part === 'train',
  }));
}
