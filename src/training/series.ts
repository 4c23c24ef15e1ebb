/** Records of one key in order of event time, in arrays that grow. */
import { staleness } from '../domain/continuity';
import { createValues, type RecordBatch, type Values } from '../domain/record';

export interface Series {
  /** Unix ms, ascending. */
  readonly timestamps: readonly number[];
  /** Shape [records, conditions]. */
  readonly conditions: readonly number[];
  /** Records before which others may be missing. */
  readonly breaks: ReadonlySet<number>;
  /** Shape [records, channels]. */
  values(): Values;
  /**
   * Copies row `row` of a batch. Ignores a record that is not newer than the last one.
   * @param block name of the part of the history that the record is from: records between two parts may be missing
   */
  push(batch: RecordBatch, row: number, block: string): void;
}

/** @param pixels whether values are bytes */
export function createSeries(channels: number, given: number, pixels: boolean): Series {
  const timestamps: number[] = [];
  const conditions: number[] = [];
  const breaks = new Set<number>();
  const values = createGrowingRows(channels, pixels);
  let lastBlock: string | undefined;
  return {
    timestamps,
    conditions,
    breaks,
    values: () => values.all(),
    push(batch, row, block) {
      const timestamp = batch.timestamps[row]!;
      if (staleness(timestamps.at(-1) ?? -Infinity, timestamp) !== undefined) return;
      if (lastBlock !== undefined && lastBlock !== block) breaks.add(timestamps.length);
      lastBlock = block;
      timestamps.push(timestamp);
      values.push(batch.values, row);
      for (let i = 0; i < given; i++) conditions.push(batch.conditions[row * given + i]!);
    },
  };
}

/** Rows of numbers in an array that doubles: a plain array takes eight bytes for each pixel. */
function createGrowingRows(
  width: number,
  pixels: boolean,
): { push(from: Values, row: number): void; all(): Values } {
  let data = createValues(16 * width, pixels);
  let used = 0;
  return {
    push(from, row) {
      if (used + width > data.length) {
        const larger = createValues(2 * data.length, pixels);
        larger.set(data);
        data = larger;
      }
      for (let i = 0; i < width; i++) data[used + i] = from[row * width + i]!;
      used += width;
    },
    all: () => data.subarray(0, used),
  };
}
