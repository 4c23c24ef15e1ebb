/** One recorded series as messages, from two files, for training and for testing: CSV with sensor records, or idx with images. */
import type { ImageShape } from '../../domain/image';
import { readFileRecords, type FileRecord, type FileSourceSettings } from '../../sources/file/file';
import { readIdxImages } from '../../sources/file/idx';
import { imageTickMs } from '../../sources/file/image-files';
import type { Message } from '../../sources/source';
import type { SeriesFiles } from './series-files';

type SeriesPaths = Pick<SeriesFiles, 'name' | 'train' | 'test'>;

/** The records of both files, with all columns. */
interface RecordedSeries {
  name: string;
  train: readonly FileRecord[];
  test: readonly FileRecord[];
}

/** Of both files. Those of train are warm-up messages. */
export interface SeriesMessages {
  train: Message[];
  test: Message[];
}

/** @throws Error naming a file that cannot be read, has no records, or does not match the other file */
export async function readSeries(
  { name, train, test }: SeriesPaths,
  columns: FileSourceSettings['columns'],
): Promise<RecordedSeries> {
  const series = {
    name,
    train: await readAll(train, columns),
    test: await readAll(test, columns),
  };
  const hasTimestamps = ([first]: readonly FileRecord[]): boolean => first?.timestamp !== undefined;
  if (hasTimestamps(series.train) !== hasTimestamps(series.test))
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

/** Columns with numbers in at least half of the training records that have a value. */
export function numericChannels({ train }: RecordedSeries): string[] {
  return Object.keys(train[0]?.values ?? {}).filter((channel) => {
    const count = (type: 'number' | 'string'): number =>
      train.filter(({ values }) => typeof values?.[channel] === type).length;
    return count('number') >= count('string');
  });
}

/** Interval of records without timestamps. */
const tickMs = 1000;

/**
 * Messages of sensor records. Without a column for the key, it is the name of the series; without times, there is a record per
 * second from 1970 on, test after train.
 */
export function toMessages({ name, train, test }: RecordedSeries): SeriesMessages {
  return messagesOf(train, test, (record, tick) => ({
    key: null,
    value: Buffer.from(
      JSON.stringify({ ...record, key: record.key ?? name, timestamp: record.timestamp ?? tick * tickMs }),
    ),
    timestamp: NaN,
  }));
}

/**
 * Messages of raw images.
 * @throws Error naming a file that cannot be read, or whose images have another size than `width` × `height`
 */
export async function readImageMessages(
  { name, train, test }: SeriesPaths,
  { width, height }: ImageShape,
): Promise<SeriesMessages> {
  const images = { train: await readIdxImages(train), test: await readIdxImages(test) };
  const size = (one: { width: number; height: number }): string => `${one.width} × ${one.height}`;
  const [ofTrain, ofTest] = [size(images.train), size(images.test)];
  if (ofTrain !== ofTest)
    throw new Error(`${train} has images of ${ofTrain} pixels, but ${test} of ${ofTest}`);
  // One error instead of a dead letter for each image.
  if (ofTrain !== size({ width, height }))
    throw new Error(`${train} has images of ${ofTrain} pixels, but record.image has ${width} × ${height}`);
  return messagesOf(images.train.images, images.test.images, (value, tick) => ({
    key: Buffer.from(name),
    value,
    timestamp: tick * imageTickMs,
  }));
}

/** @param toMessage gets the number of the record, counted from the first of train */
function messagesOf<T>(
  train: readonly T[],
  test: readonly T[],
  toMessage: (item: T, tick: number) => Pick<Message, 'key' | 'value' | 'timestamp'>,
): SeriesMessages {
  // The two files may have the same path, so the topic is the part. The offset is the number of the row.
  const of = (items: readonly T[], topic: 'train' | 'test', before: number): Message[] =>
    items.map((item, i) => ({
      ...toMessage(item, before + i),
      origin: { topic, partition: 0, offset: String(i) },
      warmUp: topic === 'train',
    }));
  return { train: of(train, 'train', 0), test: of(test, 'test', train.length) };
}
