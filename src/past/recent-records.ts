/** The newest records of one device: their values, the expected values, and their surprise. */
import { bandWidth, fewestForBand } from '../domain/band';

/** Records in the order of their arrival, column by column. */
export interface RecordColumns {
  /** Event time, Unix ms. Shape [records]. */
  timestamps: number[];
  /** −log10 of the calibrated p-value. Shape [records]. */
  surprise: number[];
  /** Surprise from which the record was anomalous. Shape [records]. */
  threshold: number[];
  /** Values by channel, in its unit; NaN = missing. Shape [channels][records]. */
  actual: number[][];
  /** Mean of p(x|z) by channel, in its unit; NaN = none. Shape [channels][records]. */
  expected: number[][];
}

/** The columns of a record before its values: surprise, threshold, and surprise above the baseline. */
const scoreColumns = 3;

export type RecentRecords = ReturnType<typeof createRecentRecords>;

/** A ring of `capacity` records of `channels` values, in single precision, which suffices to draw them. */
export function createRecentRecords(capacity: number, channels: number) {
  const stride = scoreColumns + 2 * channels;
  const timestamps = new Float64Array(capacity);
  const rows = new Float32Array(capacity * stride);
  let count = 0;
  let next = 0;

  return {
    channels,
    /**
     * Adds a record; if there are `capacity` records, it replaces the oldest one.
     * @param write writes the actual values to `into` from `at` on, and the expected ones from `at + channels` on
     */
    add(
      timestamp: number,
      surprise: number,
      threshold: number,
      aboveBaseline: number,
      write: (into: Float32Array, at: number) => void,
    ): void {
      // A replayed recording has begun again.
      if (count > 0 && timestamp <= timestamps[(next - 1 + capacity) % capacity]!) count = 0;
      const at = next * stride;
      timestamps[next] = timestamp;
      rows[at] = surprise;
      rows[at + 1] = threshold;
      rows[at + 2] = aboveBaseline;
      write(rows, at + scoreColumns);
      next = (next + 1) % capacity;
      if (count < capacity) count++;
    },
    /**
     * The largest threshold at which an event would begin with the newest record: `enough` of the newest `of` records, this one
     * included, reach it above the baseline. −Infinity with fewer records.
     */
    opening(enough: number, of: number): number {
      const wanted = Math.min(of, count);
      if (wanted < enough) return -Infinity;
      const above = Float32Array.from(
        { length: wanted },
        (_, i) => rows[((next - 1 - i + capacity) % capacity) * stride + 2]!,
      );
      const newest = above[0]!;
      return Math.min(newest, above.sort()[wanted - enough]!);
    },
    /** Appends the newest `most` records to columns, in order of time. */
    appendTo(columns: RecordColumns, most = capacity): void {
      const wanted = Math.min(most, count);
      for (let i = wanted; i > 0; i--) {
        const place = (next - i + capacity) % capacity;
        const at = place * stride;
        columns.timestamps.push(timestamps[place]!);
        columns.surprise.push(rows[at]!);
        columns.threshold.push(rows[at + 1]!);
        for (let j = 0; j < channels; j++) {
          columns.actual[j]!.push(rows[at + scoreColumns + j]!);
          columns.expected[j]!.push(rows[at + scoreColumns + channels + j]!);
        }
      }
    },
  };
}

export function emptyColumns(channels: number): RecordColumns {
  const perChannel = (): number[][] => Array.from({ length: channels }, () => []);
  return { timestamps: [], surprise: [], threshold: [], actual: perChannel(), expected: perChannel() };
}

/** Chosen records of the chosen channels. */
function pick(
  columns: RecordColumns,
  keep: (i: number) => boolean,
  channels: readonly number[],
): RecordColumns {
  const chosen = (values: number[]): number[] => values.filter((_, i) => keep(i));
  return {
    timestamps: chosen(columns.timestamps),
    surprise: chosen(columns.surprise),
    threshold: chosen(columns.threshold),
    actual: channels.map((j) => chosen(columns.actual[j]!)),
    expected: channels.map((j) => chosen(columns.expected[j]!)),
  };
}

/**
 * Drops every second record from `from` on, so that a long event stays small. Of two neighbours the more surprising one is
 * kept, so that the peak remains.
 */
export function thin(columns: RecordColumns, from = 0): RecordColumns {
  const { surprise, actual } = columns;
  const isKept = (i: number): boolean => {
    const isFirst = (i - from) % 2 === 0;
    const other = surprise[isFirst ? i + 1 : i - 1];
    if (i < from || other === undefined) return true;
    return isFirst ? surprise[i]! >= other : surprise[i]! > other;
  };
  return pick(columns, isKept, [...actual.keys()]);
}

/** Removes the newest record. */
export function dropNewest({ timestamps, surprise, threshold, actual, expected }: RecordColumns): void {
  for (const column of [timestamps, surprise, threshold, ...actual, ...expected]) column.pop();
}

/** The columns with only these channels. */
export function onlyChannels(columns: RecordColumns, channels: readonly number[]): RecordColumns {
  return pick(columns, () => true, channels);
}

/**
 * Distance of the values of normal records from the expected ones: for each channel, three root mean squares of the errors of
 * the records before `until` that are not anomalous, in the channel's unit. A value further from the expected one is unusual.
 * @param until event time, Unix ms
 * @returns shape [channels]; NaN with fewer than 20 such records
 */
export function bandOf(
  { timestamps, surprise, threshold, actual, expected }: RecordColumns,
  until: number,
): number[] {
  const isNormal = (i: number): boolean => timestamps[i]! < until && surprise[i]! < threshold[i]!;
  return actual.map((values, j) => {
    const errors = values
      .map((value, i) => value - expected[j]![i]!)
      .filter((error, i) => Number.isFinite(error) && isNormal(i));
    if (errors.length < fewestForBand) return NaN;
    const squares = errors.reduce((sum, error) => sum + error ** 2, 0);
    return bandWidth * Math.sqrt(squares / errors.length);
  });
}
