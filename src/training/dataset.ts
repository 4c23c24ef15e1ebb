/** Past records as columns, and the windows that can be cut from them. */
import { createValues, type RecordBatch, type Values } from '../domain/record';
import type { WindowBatch, WindowShape } from '../domain/window';

/** A stretch of event time to leave out, of one key. */
export interface Interval {
  key: string;
  /** Unix ms, both ends included. */
  from: number;
  to: number;
}

/** Collects records of any number of keys, in order within a key. */
export interface DatasetBuilder {
  add(batch: RecordBatch): void;
  readonly records: number;
  build(shape: WindowShape, options: { ttlMs: number; exclude: readonly Interval[] }): Dataset;
}

export interface Dataset {
  readonly shape: WindowShape;
  /** Records, key after key, each in time order. */
  readonly records: number;
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
  }
  const seriesByKey = new Map<string, Series>();
  let records = 0;

  return {
    add(batch) {
      for (let row = 0; row < batch.count; row++) {
        const key = batch.keys[row]!;
        let series = seriesByKey.get(key);
        if (series === undefined)
          seriesByKey.set(
            key,
            (series = { timestamps: [], values: createGrowingRows(channels, batch.values), conditions: [] }),
          );
        const timestamp = batch.timestamps[row]!;
        // The same rule as live: what is not newer than the last record of its key is not used.
        if (timestamp <= (series.timestamps.at(-1) ?? -Infinity)) continue;
        series.timestamps.push(timestamp);
        series.values.push(batch.values, row);
        for (let i = 0; i < given; i++) series.conditions.push(batch.conditions[row * given + i]!);
        records++;
      }
    },
    get records() {
      return records;
    },
    build(shape, { ttlMs, exclude }) {
      const values = createValues(records * channels, shape.pixels === true);
      const conditions = new Float64Array(records * given);
      const timestamps = new Float64Array(records);
      const ends: number[] = [];
      let row = 0;
      for (const [key, series] of seriesByKey) {
        const excluded = exclude.filter((interval) => interval.key === key);
        values.set(series.values.all(), row * channels);
        conditions.set(series.conditions, row * given);
        timestamps.set(series.timestamps, row);
        let run = 0;
        series.timestamps.forEach((time, i) => {
          const gap = i > 0 && time - series.timestamps[i - 1]! > ttlMs;
          if (gap) run = 0;
          run = excluded.some(({ from, to }) => time >= from && time <= to) ? 0 : run + 1;
          if (run >= shape.length) ends.push(row + i);
        });
        row += series.timestamps.length;
      }
      ends.sort((a, b) => timestamps[a]! - timestamps[b]! || a - b);
      return createDataset(shape, { values, conditions, timestamps }, Int32Array.from(ends));
    },
  };
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
): Dataset {
  const { values, conditions, timestamps } = columns;
  const records = timestamps.length;
  let first = Infinity;
  let last = -Infinity;
  for (const time of timestamps) {
    first = Math.min(first, time);
    last = Math.max(last, time);
  }
  return {
    shape,
    records,
    ...columns,
    ends,
    recordsPerMs: last > first ? (records - 1) / (last - first) : NaN,
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
 * Cuts the windows by event time, newest last, and leaves out the windows that reach over a cut.
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
  return {
    fit: ends.slice(0, validationFrom),
    validation: after(validationFrom, calibrationFrom),
    calibration: after(calibrationFrom, ends.length),
  };
}
