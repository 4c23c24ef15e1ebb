/** Records of one key in order of event time, in arrays that grow. */
import { staleness, type Staleness } from '../domain/continuity';
import { contradictsJump, noteStep, undoJump, unknownRhythm } from '../domain/rhythm';
import type { RecordBatch, Values } from '../domain/record';
import { createGrowingRows } from './growing-rows';

export interface Series {
  /** Unix ms, ascending. */
  readonly timestamps: readonly number[];
  /** Shape [records, conditions]. */
  readonly conditions: readonly number[];
  /** Records before which others may be missing. */
  readonly breaks: ReadonlySet<number>;
  /** Copies the values of a record. Those before it are no longer kept: each is taken once, the oldest first. */
  takeValues(record: number, into: Values, at: number): void;
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
    takeValues: (record, into, at) => values.take(record, into, at),
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
