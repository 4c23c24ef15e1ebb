/** Reads the history of a training as a data set: records of the source and, if configured, older records from a file. */
import type { DetectorSettings } from '../config/settings';
import { meaningOf, type Label } from '../domain/label';
import type { Origin } from '../domain/record';
import { isIdxPath } from '../domain/recording';
import { createLimitCheck } from '../domain/signal';
import type { DecodedBatch } from '../codecs/codec';
import { createRecordDecoder, type RecordDecoder } from '../pipeline/record-decoder';
import { configuredSource } from '../sources/configured';
import { createFileHistory, defaultColumns } from '../sources/file/file';
import { isCsv } from '../sources/file/spec';
import type { HistoryRange, PartitionExtent, ReadHistory } from '../sources/history';
import { createDatasetBuilder, type Dataset, type DatasetBuilder } from '../training/dataset';
import { createDeviceChoice } from '../training/device-choice';
import type { Interval } from '../training/exclusion';
import { createGapReader, type GapReader } from '../training/gaps';
import { hasEnoughWindows } from '../training/train';
import { HistoryAccount, type HistorySummary } from './history-account';
import { deeperReading, type Reading } from './history-reading';

export interface HistoryParts {
  settings: DetectorSettings;
  readHistory: ReadHistory;
  /** Intervals to leave out: events and the time around them. */
  exclude: readonly Interval[];
  /** Labels of intervals; they override the exclusion. */
  labels?: readonly Label[];
  /** Called with the labels whose interval contains no record of the history, if any; `keys` are the keys of the history. */
  onUnmatchedLabels?: (labels: readonly Label[], keys: readonly string[]) => void;
  /** Called when the history has been read. */
  onHistory?: ((history: HistorySummary) => void) | undefined;
  /** Unix ms. */
  now: () => number;
}

/** What a training has read from the file of `training.historyFrom`. */
export interface FileHistoryReport {
  path: string;
  /** Number of records that are older than those of the source and fit into training.maxRecords. */
  records: number;
  /** Number of records at times that the source also covers; they are skipped. */
  overlapping: number;
}

/** Decoded messages in order; some may have been removed. */
interface Chunk extends DecodedBatch {
  /** Origin of each message. */
  origins: readonly Origin[];
  block: string | undefined;
}

/** Name of the block that the records of the file form in the history. */
const fileBlock = 'training.historyFrom';

/** A history that has been read. */
export interface ReadDataset {
  dataset: Dataset;
  account: HistoryAccount;
  gaps: GapReader;
  /** Absent without training.historyFrom. */
  fromFile: FileHistoryReport | undefined;
}

/** Reads the newest records. If too many devices share them, reads further back, for a part of the devices. */
export async function readDataset(parts: HistoryParts, decoder: RecordDecoder): Promise<ReadDataset> {
  let reading: Reading | undefined = { records: parts.settings.training.maxRecords };
  for (;;) {
    // A separate function, so that a reading that is replaced can be freed during the next one.
    const { found, next } = await tryReading(parts, decoder, reading);
    if (found !== undefined) return found;
    reading = next;
  }
}

/** The history by a reading, or the reading that must replace it. */
async function tryReading(
  parts: HistoryParts,
  decoder: RecordDecoder,
  reading: Reading,
): Promise<{ found: ReadDataset; next?: undefined } | { found?: undefined; next: Reading }> {
  const { settings, exclude, labels = [], onUnmatchedLabels, onHistory } = parts;
  const { maxRecords } = settings.training;
  const account = new HistoryAccount(settings);
  const gaps = createGapReader(settings.window.maxKeys);
  const builder = createDatasetBuilder(decoder.shape, (...stale) => account.leftOut(...stale));
  const choice = reading.partitions === undefined ? undefined : createDeviceChoice(maxRecords / 2);

  function take(chunk: Chunk): void {
    const { records, rows, origins, block } = chunk;
    account.read(rows, origins);
    noteGaps(chunk, gaps);
    const usable = numbersIn(rows);
    const chosen = choice ? usable.filter((row) => choice.add(records.keys[row]!)) : usable;
    builder.add(records, block, chosen);
    if (choice) builder.remove(choice.fit(maxRecords, maxRecords / 4));
  }

  const { share, extent, fromFile } = await readInto(take, parts, decoder, reading);
  if (choice) builder.remove(choice.fit(maxRecords));
  const counts = builder.counts;
  const unmatched = builder.withoutRecords(labels);
  const dataset = build(builder, decoder, settings, {
    exclude,
    labels,
    share: share * (choice?.recordShare ?? 1),
  });
  const next = nextReading(settings, dataset, counts, reading, extent);
  if (next !== undefined) return { next };
  if (unmatched.length > 0) onUnmatchedLabels?.(unmatched, builder.keys);
  account.built(dataset, builder.keys.length, builder.dropped);
  if (choice && extent)
    account.ofPart({
      partitions: extent.read,
      ofPartitions: extent.all,
      devices: counts.length,
      deviceShare: choice.deviceShare,
      records: dataset.records,
    });
  onHistory?.(account.summary());
  return { found: { dataset, account, gaps, fromFile } };
}

/** The reading that must replace one with too few windows; undefined if there is none. */
function nextReading(
  { training, calibration }: DetectorSettings,
  dataset: Dataset,
  counts: readonly number[],
  reading: Reading,
  extent: PartitionExtent | undefined,
): Reading | undefined {
  if (extent === undefined) return undefined;
  const { minRecords, maxRecords, blocks } = training;
  const calibrationShare = calibration.share;
  // A history of all devices with enough windows is kept.
  if (reading.partitions === undefined && hasEnoughWindows(dataset, { minRecords, calibrationShare }))
    return undefined;
  const limits = { maxRecords, blocks, length: dataset.shape.length, calibrationShare };
  return deeperReading(reading, extent, counts, limits);
}

/**
 * Calls `take` with the records of a reading: first those of the file, if there is room for them, then those of the source.
 */
async function readInto(
  take: (chunk: Chunk) => void,
  { settings, readHistory, now }: HistoryParts,
  decoder: RecordDecoder,
  { partitions, records: maxRecords }: Reading,
): Promise<{
  share: number;
  extent: PartitionExtent | undefined;
  fromFile: FileHistoryReport | undefined;
}> {
  const { historyMs, blocks, historyFrom } = settings.training;
  const from = configuredSource(settings.source).bounded ? undefined : now() - historyMs;
  let share = 1;
  let extent: PartitionExtent | undefined;
  const range: HistoryRange = {
    from,
    to: undefined,
    maxRecords,
    blocks,
    ...(partitions !== undefined && { partitions }),
    onShare: (read) => void (share = read),
    onPartitions: (read) => void (extent = read),
  };
  const chunks = decoded(readHistory, range, decoder.decode, now);
  const { path } = historyFrom;
  if (path === '' || partitions !== undefined) {
    for await (const chunk of chunks) take(chunk);
    // The source alone has more records than fit, so the file is not read.
    return { share, extent, fromFile: path === '' ? undefined : { path, records: 0, overlapping: 0 } };
  }
  // The records of the file are older, so they come first, and get the rest of `maxRecords`.
  const newer: Chunk[] = [];
  for await (const chunk of chunks) newer.push(chunk);
  const older = await readOlder(settings, decoder, newer, now);
  share = shareOfBoth(older.chunks, newer, share);
  // Each chunk is freed when it has been taken.
  for (const chunks of [older.chunks, newer])
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) take(chunk);
  return { share, extent, fromFile: older.report };
}

function build(
  builder: DatasetBuilder,
  { shape }: RecordDecoder,
  { window, training, record }: DetectorSettings,
  { exclude, labels, share }: { exclude: readonly Interval[]; labels: readonly Label[]; share: number },
): Dataset {
  return builder.build(shape, {
    time: window,
    exclude,
    share,
    incidents: labels.filter(({ label }) => !meaningOf[label].isLearned),
    normal: labels.filter(({ label }) => meaningOf[label].isLearned),
    maxExcludedShare: training.maxExcludedShare,
    limits: createLimitCheck(record.channels, record.signals),
  });
}

async function* decoded(
  readHistory: ReadHistory,
  range: HistoryRange,
  decode: RecordDecoder['decode'],
  now: () => number,
): AsyncGenerator<Chunk> {
  for await (const messages of readHistory(range)) {
    const { records, rows } = await decode(messages, now());
    yield { records, rows, origins: messages.map(({ origin }) => origin), block: messages.block };
  }
}

function noteGaps({ records, rows, origins, block = '' }: Chunk, gaps: GapReader): void {
  rows.forEach((row, i) => {
    if (typeof row !== 'number') return;
    const { topic, partition } = origins[i]!;
    gaps.add(`${block}/${topic}/${partition}`, records.keys[row]!, records.timestamps[row]!);
  });
}

/** The newest records of the file that are older than the first record of their device in the source. */
async function readOlder(
  settings: DetectorSettings,
  { table }: RecordDecoder,
  newer: readonly Chunk[],
  now: () => number,
): Promise<{ chunks: Chunk[]; report: FileHistoryReport }> {
  const { training, fields } = settings;
  const { path, columns } = training.historyFrom;
  const { timestampFormat, timeZone } = fields;
  const limit = Math.max(0, training.maxRecords - newer.reduce((sum, { rows }) => sum + rows.length, 0));
  const readFile = createFileHistory({ path, columns, timestampFormat, timeZone }, Infinity);
  const { decode } = createRecordDecoder(asInFile(settings), { format: 'json', table });
  const first = firstTimes(newer);
  const isOlder = ({ records }: Chunk, row: number): boolean =>
    records.timestamps[row]! < (first.get(records.keys[row]!) ?? Infinity);

  let chunks: Chunk[] = [];
  let overlapping = 0;
  const range = { from: undefined, to: undefined, maxRecords: training.maxRecords };
  for await (const chunk of decoded(readFile, range, decode, now)) {
    const older = filtered(chunk, (row) => typeof row !== 'number' || isOlder(chunk, row));
    overlapping += chunk.rows.length - older.rows.length;
    chunks.push({ ...older, block: fileBlock });
  }
  let excess = chunks.reduce((sum, { rows }) => sum + rows.length, 0) - limit;
  chunks = chunks.map((chunk) => {
    const cut = Math.min(Math.max(0, excess), chunk.rows.length);
    excess -= cut;
    return cut === 0 ? chunk : filtered(chunk, (_, i) => i >= cut);
  });
  const records = chunks.reduce((sum, { rows }) => sum + numbersIn(rows).length, 0);
  return { chunks, report: { path, records, overlapping } };
}

/** Settings to read the file with, where they differ from those of the source. */
export function asInFile(settings: DetectorSettings): DetectorSettings {
  const { fields, record, training } = settings;
  if (isCsv(training.historyFrom.path)) return { ...settings, fields: { ...fields, ...csvFields } };
  if (record.kind !== 'image') return settings;
  // Each file is a bare image, even if the messages of the source contain images in JSON.
  const format = isIdxPath(training.historyFrom.path) ? 'raw' : 'auto';
  const isInJson = training.historyFrom.columns.folders.length > 0;
  return {
    ...settings,
    fields: isInJson ? { ...fields, ...folderFields } : { ...fields, image: '' },
    record: { ...record, image: { ...record.image, format } },
  };
}

/** Fields in which the reader of folders puts images and conditions. */
const folderFields = { key: '', timestamp: '', image: 'image', conditions: 'conditions' } as const;

/** Fields in which the reader of CSV files puts the parts of a record. */
const csvFields = {
  key: defaultColumns.key,
  timestamp: defaultColumns.timestamp,
  values: 'values',
  conditions: 'conditions',
} as const;

/** The chunk without the messages for which `isKept` is false. */
function filtered(chunk: Chunk, isKept: (row: Chunk['rows'][number], i: number) => boolean): Chunk {
  const { rows, origins } = chunk;
  return { ...chunk, rows: rows.filter(isKept), origins: origins.filter((_, i) => isKept(rows[i]!, i)) };
}

/** Time of the first record of each device. */
function firstTimes(chunks: readonly Chunk[]): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  for (const { records } of chunks)
    for (let row = 0; row < records.count; row++) {
      const [key, time] = [records.keys[row]!, records.timestamps[row]!];
      if (time < (first.get(key) ?? Infinity)) first.set(key, time);
    }
  return first;
}

/** Share of the whole time span, given the share of the newer part. */
function shareOfBoth(older: readonly Chunk[], newer: readonly Chunk[], share: number): number {
  const [a, b] = [spanOf(older), spanOf(newer)];
  const total = Math.max(a.last, b.last) - Math.min(a.first, b.first);
  if (!(a.last >= a.first && b.last >= b.first && total > 0)) return share;
  const gap = Math.max(0, b.first - a.last);
  return (total - gap - (1 - share) * (b.last - b.first)) / total;
}

function spanOf(chunks: readonly Chunk[]): { first: number; last: number } {
  let [first, last] = [Infinity, -Infinity];
  for (const { records, rows } of chunks)
    for (const row of rows) {
      if (typeof row !== 'number') continue;
      first = Math.min(first, records.timestamps[row]!);
      last = Math.max(last, records.timestamps[row]!);
    }
  return { first, last };
}

const numbersIn = (rows: Chunk['rows']): number[] => rows.filter((row) => typeof row === 'number');
