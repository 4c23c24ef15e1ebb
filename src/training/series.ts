/** Records of one key in order of event time, in arrays that grow. */
import { staleness, type Staleness } from '../domain/continuity';
import { contradictsJump, noteStep, undoJump, unknownRhythm } from '../domain/rhythm';
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
  /** Records that were dropped as they were far ahead: the next ones continue those before them. */
  readonly dropped: number;
  /**
   * Copies row `row` of a batch, unless it is not newer than the last one; returns why it is left out.
   * @param block name of the part of the history that the record is from: records between two parts may be missing
   */
  push(batch: RecordBatch, row: number, block: string): Staleness | undefined;
}

/**
 * @param length records per window, as the rules for records far ahead are the same as live
 * @param pixels whether values are bytes
 */
export function createSeries(channels: number, given: number, length: number, pixels: boolean): Series {
  const timestamps: number[] = [];
  const conditions: number[] = [];
  const breaks = new Set<number>();
  const values = createGrowingRows(channels, pixels);
  let lastBlock: string | undefined;
  let rhythm = unknownRhythm();
  let dropped = 0;

  /** Drops the records after a jump that was an error. Live, too, the window begins again there. */
  function dropJump(timestamp: number): void {
    const kept = timestamps.findLastIndex((time) => time <= rhythm.anchor) + 1;
    dropped += timestamps.length - kept;
    timestamps.length = kept;
    conditions.length = kept * given;
    values.truncate(kept);
    breaks.add(kept);
    undoJump(rhythm, timestamp);
  }

  return {
    get dropped() {
      return dropped;
    },
    timestamps,
    conditions,
    breaks,
    values: () => values.all(),
    push(batch, row, block) {
      const timestamp = batch.timestamps[row]!;
      const newest = timestamps.at(-1) ?? -Infinity;
      const stale = staleness(newest, timestamp);
      if (stale !== undefined) {
        if (!contradictsJump(rhythm, newest, timestamp)) return stale;
        dropJump(timestamp);
      }
      if (lastBlock !== undefined && lastBlock !== block) {
        breaks.add(timestamps.length);
        rhythm = unknownRhythm();
      } else if (timestamps.length > 0) {
        const before = timestamps.at(-1)!;
        noteStep(rhythm, before, timestamp - before, length);
      }
      lastBlock = block;
      timestamps.push(timestamp);
      values.push(batch.values, row);
      for (let i = 0; i < given; i++) conditions.push(batch.conditions[row * given + i]!);
      return undefined;
    },
  };
}

/** Rows of numbers in an array that doubles: a plain array takes eight bytes for each pixel. */
function createGrowingRows(
  width: number,
  pixels: boolean,
): { push(from: Values, row: number): void; truncate(rows: number): void; all(): Values } {
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
    truncate(rows) {
      used = rows * width;
    },
    all: () => data.subarray(0, used),
  };
}
