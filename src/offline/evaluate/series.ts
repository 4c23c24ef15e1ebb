/**
 * One recorded series in two files, for training and for testing, as messages: what `vaemon evaluate` reads. CSV files of
 * sensor records, or idx files of images.
 */
import { readFileRecords, type FileRecord, type FileSourceSettings } from '../../sources/file/file';
import { readIdxImages, type IdxImages } from '../../sources/file/idx';
import { imageTickMs } from '../../sources/file/image-files';
import type { Message } from '../../sources/source';

/** Both files read, before it is known which of their columns are channels. */
export interface RecordedSeries {
  name: string;
  train: { path: string; records: readonly FileRecord[] };
  test: { path: string; records: readonly FileRecord[] };
}

/** @throws Error naming the file that cannot be read, has no records, or does not fit the other one */
export async function readSeries(
  { name, train, test }: { name: string; train: string; test: string },
  columns: FileSourceSettings['columns'],
): Promise<RecordedSeries> {
  const series = {
    name,
    train: { path: train, records: await readAll(train, columns) },
    test: { path: test, records: await readAll(test, columns) },
  };
  if (hasTimestamps(series.train.records) !== hasTimestamps(series.test.records))
    throw new Error(`only one of ${train} and ${test} has the column "${columns.timestamp}"`);
  return series;
}

async function readAll(path: string, columns: FileSourceSettings['columns']): Promise<FileRecord[]> {
  if (!/\.csv(\.gz)?$/.test(path))
    throw new Error(`${path} must be a .csv or .csv.gz file, or .idx3 like the other one`);
  const records: FileRecord[] = [];
  for await (const record of readFileRecords({ path, columns })) {
    // Recordings come out of numerical tools, and there NaN is what is missing.
    for (const [channel, value] of Object.entries(record.values ?? {}))
      if (typeof value === 'string' && /^nan$/i.test(value)) record.values![channel] = null;
    records.push(record);
  }
  if (records.length === 0) throw new Error(`${path} has no records`);
  return records;
}

function hasTimestamps(records: readonly FileRecord[]): boolean {
  return records[0]?.timestamp !== undefined;
}

/** The columns that hold measurements: numbers, in at least half of the training records that have a value there. */
export function numericChannels({ train }: RecordedSeries): string[] {
  return Object.keys(train.records[0]?.values ?? {}).filter((channel) => {
    let numbers = 0;
    let texts = 0;
    for (const { values } of train.records) {
      const value = values?.[channel];
      if (typeof value === 'number') numbers++;
      else if (typeof value === 'string') texts++;
    }
    return numbers >= texts;
  });
}

/** Between two records that say nothing of their time. */
const tickMs = 1000;

/**
 * The records as messages whose offset is the number of the row. Without a column for it, all are of one key, named as
 * the series; without times there is a record a second from 1970 on, test after train. Those of train count as seen
 * before: in a pipeline they fill the windows, and no verdict leaves for them.
 */
export function toMessages({ name, train, test }: RecordedSeries): { train: Message[]; test: Message[] } {
  const toMessage = (record: FileRecord, part: 'train' | 'test', index: number, tick: number): Message => ({
    key: null,
    value: Buffer.from(
      JSON.stringify({
        ...record,
        key: record.key ?? name,
        timestamp: record.timestamp ?? tick * tickMs,
      }),
    ),
    timestamp: NaN,
    // Not the paths: they may be the same.
    origin: { topic: part, partition: 0, offset: String(index) },
    warmUp: part === 'train',
  });
  return {
    train: train.records.map((record, i) => toMessage(record, 'train', i, i)),
    test: test.records.map((record, i) => toMessage(record, 'test', i, train.records.length + i)),
  };
}

/** Images for training and for testing, all of one size. */
export interface RecordedImages {
  name: string;
  train: IdxImages;
  test: IdxImages;
}

/** @throws Error naming the file that cannot be read, or does not fit the other one */
export async function readImageSeries({
  name,
  train,
  test,
}: {
  name: string;
  train: string;
  test: string;
}): Promise<RecordedImages> {
  const series = { name, train: await readIdxImages(train), test: await readIdxImages(test) };
  const size = ({ width, height }: IdxImages): string => `${width} × ${height}`;
  if (size(series.train) !== size(series.test))
    throw new Error(
      `${train} has images of ${size(series.train)} pixels, but ${test} of ${size(series.test)}`,
    );
  return series;
}

/** The images as messages that are raw bytes, by the same rules as `toMessages`. */
export function toImageMessages({ name, train, test }: RecordedImages): {
  train: Message[];
  test: Message[];
} {
  const toMessage = (value: Buffer, part: 'train' | 'test', index: number, tick: number): Message => ({
    key: Buffer.from(name),
    value,
    timestamp: tick * imageTickMs,
    origin: { topic: part, partition: 0, offset: String(index) },
    warmUp: part === 'train',
  });
  return {
    train: train.images.map((image, i) => toMessage(image, 'train', i, i)),
    test: test.images.map((image, i) => toMessage(image, 'test', i, train.images.length + i)),
  };
}
