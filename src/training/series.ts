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
  /** Records before which other records may be missing. */
  readonly breaks: ReadonlySet<number>;
  /** Copies the values of a record, and frees those before it: each record is taken once, the oldest first. */
  takeValues(record: number, into: Values, at: number): void;
  /** Number of records that were dropped because they were far ahead: the next ones continue the earlier records. */
  readonly dropped: number;
  /**
   * Copies row `row` of a batch, unless it is not newer than the last one. Returns the reason if it is left out.
   * @param block name of the part of the history that contains the record: between two parts, records may be missing
   */
  push(batch: RecordBatch, row: number, block: string): Staleness | undefined;
}

/**
 * @param length records per window, as the rules for records far ahead depend on it, like live
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

  /** Drops the records after a jump that was an error. The window begins again there, like live. */
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
