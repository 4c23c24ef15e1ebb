/** One recorded series as messages, from two files, for training and for testing: CSV with sensor records, or idx with images. */
import { readFileRecords, type FileRecord, type FileSourceSettings } from '../../sources/file/file';
import { readIdxImages, type IdxImages } from '../../sources/file/idx';
import { imageTickMs } from '../../sources/file/image-files';
import type { Message } from '../../sources/source';

/** The records of both files, with all columns. */
export interface RecordedSeries {
  name: string;
  train: { path: string; records: readonly FileRecord[] };
  test: { path: string; records: readonly FileRecord[] };
}

/** @throws Error naming a file that cannot be read, has no records, or does not match the other file */
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
    throw new Error(`${path} must be a .csv or .csv.gz file, or an .idx3 file as the other one`);
  const records: FileRecord[] = [];
  for await (const record of readFileRecords({ path, columns })) {
    // Numerical tools write missing values as NaN.
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

/** Columns with numbers in at least half of the training records that have a value. */
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

/** Interval of records without timestamps. */
const tickMs = 1000;

/**
 * Messages whose offset is the number of the row. Without a column for the key, it is the name of the series; without times,
 * there is a record per second from 1970 on, test after train. Messages of train are warm-up messages.
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
    // The paths may be the same.
    origin: { topic: part, partition: 0, offset: String(index) },
    warmUp: part === 'train',
  });
  return {
    train: train.records.map((record, i) => toMessage(record, 'train', i, i)),
    test: test.records.map((record, i) => toMessage(record, 'test', i, train.records.length + i)),
  };
}

/** Images of one size. */
export interface RecordedImages {
  name: string;
  train: IdxImages;
  test: IdxImages;
}

/** @throws Error naming a file that cannot be read, or does not match the other file */
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

/** As `toMessages`, for raw images. */
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
