/** Past records as columns, and the windows that can be cut from them. */
import type { History } from '../calibration/level';
import { createContinuity, fillerTime, type Staleness, type TimeRules } from '../domain/continuity';
import { createValues, type RecordBatch, type Values } from '../domain/record';
import type { CheckLimits } from '../domain/signal';
import type { RecordColumns, WindowBatch, WindowShape } from '../domain/window';
import { boundExclusion, isOf, without, withoutRecords, type Interval } from './exclusion';
import { createSeries, type Series } from './series';

/** Collects records of any number of keys, in order within a key. */
export interface DatasetBuilder {
  /**
   * @param block name of the part of the history that contains the records: between two parts, records may be missing
   * @param rows of the batch; default: all
   */
  add(batch: RecordBatch, block?: string, rows?: readonly number[]): void;
  /** Number of records that are kept. */
  readonly records: number;
  /** Number of records of each key. */
  readonly counts: readonly number[];
  /** Removes all records of the given keys. */
  remove(keys: readonly string[]): void;
  /** Number of records dropped because they were far ahead of the next ones of their key. */
  readonly dropped: number;
  readonly keys: readonly string[];
  /** The intervals that contain no record. */
  withoutRecords<T extends Interval>(intervals: readonly T[]): T[];
  /** Call once: the records are moved to the dataset, so that images are not in memory twice. */
  build(shape: WindowShape, options: DatasetOptions): Dataset;
}

export interface DatasetOptions {
  /** Rules for how records follow each other, the same as live. */
  time: TimeRules;
  exclude: readonly Interval[];
  /** Intervals that people have labelled as anomalies; left out whatever their share. */
  incidents?: readonly Interval[];
  /** Intervals that people have labelled as normal; used even if they are in `exclude`. */
  normal?: readonly Interval[];
  /** Maximum share of the records that is left out for `exclude`. */
  maxExcludedShare: number;
  /** Check for limits: records beyond one are left out, whatever their share. */
  limits: CheckLimits;
  /** Share of the history that was read, to compute the record rate; default 1. */
  share?: number;
}

/** Windows that can be copied. */
export interface WindowSource {
  readonly shape: WindowShape;
  /** Appends the window that ends at row `end` to `batch`. */
  copy(end: number, batch: WindowBatch): void;
}

export interface Dataset extends WindowSource {
  /** Number of records that were read. The columns have further rows that fill gaps and pad windows. */
  readonly records: number;
  /** Number of records that are in no window: near events, or beyond a limit. */
  readonly excludedRecords: number;
  /** Intervals that are used although they should be left out, because they exceed the share that may be left out. */
  readonly released: readonly Interval[];
  /** Values, key after key, each in order of time. */
  readonly values: Values;
  readonly conditions: Float64Array;
  readonly timestamps: Float64Array;
  /** How windows were cut, and the longest stretch that remains. */
  readonly cuts: WindowCuts;
  /** The rows of each key. */
  readonly devices: readonly History[];
  /** Rows that end a full window without a gap or an excluded record, in order of event time. */
  readonly ends: Int32Array;
  /** Rows whose predecessor is not the previous record of the same key, as that is unknown or excluded. Ascending. */
  readonly starts: Int32Array;
  /** Records per millisecond over all keys, from the time span that they cover. */
  readonly recordsPerMs: number;
}

export interface WindowCuts {
  /** Number of silences of a key above the time to live. */
  expired: number;
  /** Number of gaps that start a new window. */
  broken: number;
  /** Largest number of successive records of a key without a cut or an excluded record, those that fill gaps included. */
  longestRun: number;
}

type ContinuityOf = ReturnType<typeof createContinuity>;

/** Called for a record that is not newer than the newest one of its key, and is left out. */
export type OnStale = (reason: Staleness, key: string, timestamp: number) => void;

export function createDatasetBuilder(
  { channels, conditions: given, length }: Pick<WindowShape, 'channels' | 'conditions' | 'length'>,
  onStale: OnStale = () => undefined,
): DatasetBuilder {
  const seriesByKey = new Map<string, Series>();
  const timesByKey = (): Map<string, readonly number[]> =>
    new Map([...seriesByKey].map(([key, { timestamps }]) => [key, timestamps]));

  return {
    get keys() {
      return [...seriesByKey.keys()];
    },
    withoutRecords: (intervals) => withoutRecords(intervals, timesByKey()),
    add(batch, block = '', rows) {
      const count = rows?.length ?? batch.count;
      for (let i = 0; i < count; i++) {
        const row = rows?.[i] ?? i;
        const key = batch.keys[row]!;
        let series = seriesByKey.get(key);
        if (series === undefined) {
          series = createSeries(channels, given, length, batch.values instanceof Uint8Array);
          seriesByKey.set(key, series);
        }
        const stale = series.push(batch, row, block);
        if (stale !== undefined) onStale(stale, key, batch.timestamps[row]!);
      }
    },
    get counts() {
      return Array.from(seriesByKey.values(), ({ timestamps }) => timestamps.length);
    },
    remove(keys) {
      for (const key of keys) seriesByKey.delete(key);
    },
    get records() {
      return recordsOf(seriesByKey.values());
    },
    get dropped() {
      return [...seriesByKey.values()].reduce((sum, { dropped }) => sum + dropped, 0);
    },
    build(shape, options) {
      const { time, exclude, incidents = [], normal = [], maxExcludedShare, share = 1 } = options;
      const continuityOf = createContinuity(time, shape.length);
      const { excluded, released } = boundExclusion(without(exclude, normal), timesByKey(), maxExcludedShare);
      const rows = countRows(seriesByKey.values(), continuityOf);
      const columns = createColumns(rows, shape, continuityOf, time.ttlMs, options.limits);
      for (const [key, series] of seriesByKey) {
        columns.append(key, series, [
          ...excluded.filter((interval) => interval.key === key),
          ...incidents.filter((interval) => isOf(interval, key)),
        ]);
      }
      const records = recordsOf(seriesByKey.values());
      return createDataset(shape, columns, { records, released }, share);
    },
  };
}

function recordsOf(all: Iterable<Series>): number {
  let records = 0;
  for (const { timestamps } of all) records += timestamps.length;
  return records;
}

/** Number of rows of the columns, those that fill gaps and pad windows included. */
function countRows(all: Iterable<Series>, continuityOf: ContinuityOf): number {
  let rows = 0;
  for (const { timestamps, breaks } of all) {
    let newest = -Infinity;
    timestamps.forEach((timestamp, i) => {
      rows += 1 + continuityOf(breaks.has(i) ? -Infinity : newest, timestamp).fillers;
      newest = timestamp;
    });
  }
  return rows;
}

interface Columns {
  readonly devices: readonly History[];
  readonly values: Values;
  readonly conditions: Float64Array;
  readonly timestamps: Float64Array;
  /** Rows that end a window, in the order in which they were appended. */
  readonly ends: readonly number[];
  readonly starts: readonly number[];
  readonly excludedRecords: number;
  readonly cuts: WindowCuts;
  /** Appends the records of a key, and the rows that fill its gaps and pad its windows. */
  append(key: string, series: Series, excluded: readonly Interval[]): void;
}

function createColumns(
  rows: number,
  { length, channels, conditions: given, pixels }: WindowShape,
  continuityOf: ContinuityOf,
  ttlMs: number,
  limits: CheckLimits,
): Columns {
  const values = createValues(rows * channels, pixels === true);
  const conditions = new Float64Array(rows * given);
  const timestamps = new Float64Array(rows);
  const ends: number[] = [];
  const starts: number[] = [];
  const devices: History[] = [];
  let row = 0;
  let excludedRecords = 0;
  const cuts: WindowCuts = { expired: 0, broken: 0, longestRun: 0 };

  function writeFiller(series: Series, like: number, timestamp: number): void {
    values.fill(NaN, row * channels, (row + 1) * channels);
    for (let c = 0; c < given; c++) conditions[row * given + c] = series.conditions[like * given + c]!;
    timestamps[row++] = timestamp;
  }

  function writeRecord(series: Series, i: number): void {
    series.takeValues(i, values, row * channels);
    for (let c = 0; c < given; c++) conditions[row * given + c] = series.conditions[i * given + c]!;
    timestamps[row++] = series.timestamps[i]!;
  }

  return {
    values,
    conditions,
    timestamps,
    devices,
    ends,
    cuts,
    starts,
    get excludedRecords() {
      return excludedRecords;
    },
    append(key, series, excluded) {
      devices.push({ key, from: row, to: row });
      /** Number of rows since the last gap or excluded record. */
      let run = 0;
      let isAfterExcluded = false;
      let newest = -Infinity;
      series.timestamps.forEach((timestamp, i) => {
        const continuation = continuityOf(series.breaks.has(i) ? -Infinity : newest, timestamp);
        const { restart, fillers } = continuation;
        if (restart || isAfterExcluded) starts.push(row);
        if (restart) run = 0;
        if (restart && i > 0 && !series.breaks.has(i))
          cuts[timestamp - newest > ttlMs ? 'expired' : 'broken']++;
        for (let f = 0; f < fillers; f++)
          writeFiller(series, restart ? i : i - 1, fillerTime(continuation, newest, timestamp, f));
        run += fillers;
        newest = timestamp;
        writeRecord(series, i);
        const isExcluded = (isAfterExcluded =
          excluded.some((interval) => timestamp >= interval.from && timestamp <= interval.to) ||
          limits(values, (row - 1) * channels).length > 0);
        if (isExcluded) excludedRecords++;
        run = isExcluded ? 0 : run + 1;
        cuts.longestRun = Math.max(cuts.longestRun, run);
        if (run >= length) ends.push(row - 1);
      });
      devices.at(-1)!.to = row;
    },
  };
}

function createDataset(
  shape: WindowShape,
  { values, conditions, timestamps, devices, ends, starts, cuts, excludedRecords }: Columns,
  { records, released }: Pick<Dataset, 'records' | 'released'>,
  share: number,
): Dataset {
  let first = Infinity;
  let last = -Infinity;
  for (const time of timestamps) {
    first = Math.min(first, time);
    last = Math.max(last, time);
  }
  return {
    shape,
    records,
    excludedRecords,
    released,
    cuts,
    values,
    conditions,
    timestamps,
    devices,
    ends: Int32Array.from(ends).sort((a, b) => timestamps[a]! - timestamps[b]! || a - b),
    starts: Int32Array.from(starts),
    recordsPerMs: last > first ? (records - 1) / (share * (last - first)) : NaN,
    copy: createCopy(shape, { values, conditions, timestamps }, devices),
  };
}

/** The dataset with other values. */
export function withValues(dataset: Dataset, values: Values): Dataset {
  return { ...dataset, values, copy: createCopy(dataset.shape, { ...dataset, values }, dataset.devices) };
}

function createCopy(
  { length, channels, conditions: given }: WindowShape,
  { values, conditions, timestamps }: RecordColumns,
  devices: readonly History[],
): Dataset['copy'] {
  return (end, batch) => {
    const from = end - length + 1;
    const at = batch.count * length;
    batch.keys[batch.count++] = devices.find(({ to }) => end < to)!.key;
    batch.values.set(values.subarray(from * channels, (end + 1) * channels), at * channels);
    batch.conditions.set(conditions.subarray(from * given, (end + 1) * given), at * given);
    batch.timestamps.set(timestamps.subarray(from, end + 1), at);
  };
}
