/** Past records as columns, and the windows that can be cut from them. */
import { createContinuity, fillerTime, staleness, type TimeRules } from '../domain/continuity';
import { createValues, type RecordBatch, type Values } from '../domain/record';
import type { CheckLimits } from '../domain/signal';
import type { WindowBatch, WindowShape } from '../domain/window';
import { boundExclusion, isOf, without, type Interval } from './exclusion';

/** Collects records of any number of keys, in order within a key. */
export interface DatasetBuilder {
  /** @param block of which stretch the records are: between those of a key in different ones others may be missing */
  add(batch: RecordBatch, block?: string): void;
  readonly records: number;
  build(shape: WindowShape, options: DatasetOptions): Dataset;
}

export interface DatasetOptions {
  /** How records follow one another: the same as live. */
  time: TimeRules;
  exclude: readonly Interval[];
  /** Left out whatever their share is: people have said so. One without a key is of all devices. */
  incidents?: readonly Interval[];
  /** Not left out, although they are in `exclude`: likewise. */
  normal?: readonly Interval[];
  /** At most this share of the records is left out for `exclude`. */
  maxExcludedShare: number;
  /** Records beyond a limit are left out, too, however many there are. */
  limits: CheckLimits;
  /** Which share of the records of their time has come; default 1. */
  share?: number;
}

export interface Dataset {
  readonly shape: WindowShape;
  /** Records that came; the columns have a row for each and for each that fills a gap or pads a window. */
  readonly records: number;
  /** Records that no window holds: near events, or beyond a limit. */
  readonly excludedRecords: number;
  /** Stretches that should have been left out, but were too much of the history (exclusion.ts). */
  readonly released: readonly Interval[];
  /** Key after key, each in time order. */
  readonly values: Values;
  readonly conditions: Float64Array;
  readonly timestamps: Float64Array;
  /** Rows that end a full window without a gap or an excluded record, in order of event time. */
  readonly ends: Int32Array;
  /** Records a millisecond over all keys, from the span of time they cover. */
  readonly recordsPerMs: number;
  /** Copies the window that ends at row `end` behind the last one of `batch`. */
  copy(end: number, batch: WindowBatch): void;
}

export function createDatasetBuilder(channels: number, given: number): DatasetBuilder {
  interface Series {
    timestamps: number[];
    values: GrowingRows;
    conditions: number[];
    block: string;
    /** Rows before which others may be missing. */
    breaks: Set<number>;
  }
  const seriesByKey = new Map<string, Series>();
  let records = 0;

  return {
    add(batch, block = '') {
      for (let row = 0; row < batch.count; row++) {
        const key = batch.keys[row]!;
        let series = seriesByKey.get(key);
        if (series === undefined)
          seriesByKey.set(
            key,
            (series = {
              timestamps: [],
              values: createGrowingRows(channels, batch.values),
              conditions: [],
              block,
              breaks: new Set(),
            }),
          );
        const timestamp = batch.timestamps[row]!;
        if (staleness(series.timestamps.at(-1) ?? -Infinity, timestamp) !== undefined) continue;
        if (series.block !== block) series.breaks.add(series.timestamps.length);
        series.block = block;
        series.timestamps.push(timestamp);
        series.values.push(batch.values, row);
        for (let i = 0; i < given; i++) series.conditions.push(batch.conditions[row * given + i]!);
        records++;
      }
    },
    get records() {
      return records;
    },
    build(shape, { time, exclude, incidents = [], normal = [], maxExcludedShare, limits, share = 1 }) {
      const continuityOf = createContinuity(time, shape.length);
      const times = new Map([...seriesByKey].map(([key, { timestamps }]) => [key, timestamps]));
      const { excluded, released } = boundExclusion(without(exclude, normal), times, maxExcludedShare);
      const rows = countRows(seriesByKey.values(), continuityOf);
      const values = createValues(rows * channels, shape.pixels === true);
      const conditions = new Float64Array(rows * given);
      const timestamps = new Float64Array(rows);
      const ends: number[] = [];
      let row = 0;
      let excludedRecords = 0;
      for (const [key, series] of seriesByKey) {
        const ofKey = [
          ...excluded.filter((interval) => interval.key === key),
          ...incidents.filter((interval) => isOf(interval, key)),
        ];
        const seriesValues = series.values.all();
        /** Rows in a row that a window may hold. */
        let run = 0;
        let newest = -Infinity;
        series.timestamps.forEach((timestamp, i) => {
          const continuation = continuityOf(series.breaks.has(i) ? -Infinity : newest, timestamp);
          const { restart, fillers } = continuation;
          if (restart) run = 0;
          const filledLike = restart ? i : i - 1;
          for (let f = 0; f < fillers; f++) {
            values.fill(NaN, row * channels, (row + 1) * channels);
            for (let c = 0; c < given; c++)
              conditions[row * given + c] = series.conditions[filledLike * given + c]!;
            timestamps[row++] = fillerTime(continuation, newest, timestamp, f);
            run++;
          }
          for (let c = 0; c < channels; c++) values[row * channels + c] = seriesValues[i * channels + c]!;
          for (let c = 0; c < given; c++) conditions[row * given + c] = series.conditions[i * given + c]!;
          timestamps[row] = timestamp;
          newest = timestamp;
          const isExcluded =
            ofKey.some(({ from, to }) => timestamp >= from && timestamp <= to) ||
            limits(values, row * channels).length > 0;
          if (isExcluded) excludedRecords++;
          run = isExcluded ? 0 : run + 1;
          if (run >= shape.length) ends.push(row);
          row++;
        });
      }
      ends.sort((a, b) => timestamps[a]! - timestamps[b]! || a - b);
      const columns = { values, conditions, timestamps };
      return createDataset(
        shape,
        columns,
        Int32Array.from(ends),
        { records, excludedRecords, released },
        share,
      );
    },
  };
}

function countRows(
  series: Iterable<{ timestamps: readonly number[]; breaks: ReadonlySet<number> }>,
  continuityOf: ReturnType<typeof createContinuity>,
): number {
  let rows = 0;
  for (const { timestamps, breaks } of series) {
    let newest = -Infinity;
    timestamps.forEach((timestamp, i) => {
      rows += 1 + continuityOf(breaks.has(i) ? -Infinity : newest, timestamp).fillers;
      newest = timestamp;
    });
  }
  return rows;
}

/** Rows of numbers, in room that doubles: a list of numbers would take eight bytes for each pixel. */
interface GrowingRows {
  /** Takes row `row` of columns as wide as these. */
  push(from: Values, row: number): void;
  all(): Values;
}

/** @param like of which kind the numbers are */
function createGrowingRows(width: number, like: Values): GrowingRows {
  const room = (rows: number): Values => createValues(rows * width, like instanceof Uint8Array);
  let data = room(16);
  let used = 0;
  return {
    push(from, row) {
      if (used + width > data.length) {
        const larger = room((2 * data.length) / width);
        larger.set(data);
        data = larger;
      }
      for (let i = 0; i < width; i++) data[used + i] = from[row * width + i]!;
      used += width;
    },
    all: () => data.subarray(0, used),
  };
}

function createDataset(
  shape: WindowShape,
  columns: Pick<Dataset, 'values' | 'conditions' | 'timestamps'>,
  ends: Int32Array,
  counts: Pick<Dataset, 'records' | 'excludedRecords' | 'released'>,
  share: number,
): Dataset {
  const { values, conditions, timestamps } = columns;
  const { records } = counts;
  let first = Infinity;
  let last = -Infinity;
  for (const time of timestamps) {
    first = Math.min(first, time);
    last = Math.max(last, time);
  }
  return {
    shape,
    ...counts,
    ...columns,
    ends,
    recordsPerMs: last > first ? (records - 1) / (share * (last - first)) : NaN,
    copy(end, batch) {
      const from = end - shape.length + 1;
      const at = batch.count++ * shape.length;
      batch.values.set(
        values.subarray(from * shape.channels, (end + 1) * shape.channels),
        at * shape.channels,
      );
      batch.conditions.set(
        conditions.subarray(from * shape.conditions, (end + 1) * shape.conditions),
        at * shape.conditions,
      );
      batch.timestamps.set(timestamps.subarray(from, end + 1), at);
    },
  };
}

/** Windows by their use. In order of time: what is calibrated on is newer than all that was learned from. */
export interface Split {
  fit: Int32Array;
  validation: Int32Array;
  calibration: Int32Array;
}

/** The share of the windows before the calibration block that early stopping looks at. */
const validationShare = 0.15;

/**
 * Cuts the windows by event time, newest last, and leaves out the windows that reach over a cut. Where that leaves none to
 * validate with, because many devices have few records each, those that reach over it have to do: they only say when to stop.
 * @param calibrationShare in (0, 1)
 */
export function splitByTime(dataset: Dataset, calibrationShare: number): Split {
  const { ends, timestamps, shape } = dataset;
  const calibrationFrom = Math.floor(ends.length * (1 - calibrationShare));
  const validationFrom = Math.floor(calibrationFrom * (1 - validationShare));
  /** Windows from index `from` that share no record with those before it. Keys may have records at the same time. */
  const after = (from: number, to: number): Int32Array => {
    const cut = timestamps[ends[from - 1]!] ?? -Infinity;
    return ends.subarray(from, to).filter((end) => timestamps[end - shape.length + 1]! > cut);
  };
  const validation = after(validationFrom, calibrationFrom);
  return {
    fit: ends.slice(0, validationFrom),
    validation: validation.length > 0 ? validation : ends.slice(validationFrom, calibrationFrom),
    calibration: after(calibrationFrom, ends.length),
  };
}
