/** A stretch of live records to put faults into: an image, or the window of a device and the records after it. */
import { createValues, type RecordBatch } from '../domain/record';
import { createWindowBatch, type WindowShape } from '../domain/window';
import type { DecodedMessages } from '../pipeline/windowing';
import { watchedRecords, type CanaryStretch } from '../scoring/canaries';
import type { PartitionState } from '../state/partition';

/** Each image is a window and needs no memory, so no further records are followed. */
export function imageStretch(
  records: RecordBatch,
  row: number,
  { channels, conditions }: WindowShape,
): CanaryStretch {
  return {
    key: records.keys[row]!,
    values: records.values.slice(row * channels, (row + 1) * channels),
    conditions: records.conditions.slice(row * conditions, (row + 1) * conditions),
    timestamps: records.timestamps.slice(row, row + 1),
    known: 0,
    from: 0,
  };
}

export class FollowedStretch {
  /** Records so far. */
  private count: number;
  /** Number of records that are not newer than the newest one. */
  private stale = 0;

  private constructor(
    readonly partition: PartitionState,
    readonly stretch: CanaryStretch,
    private readonly shape: WindowShape,
    /** Monotonic time, ms. */
    public heardAt: number,
  ) {
    this.count = shape.length;
  }

  /**
   * Copies the window and the memory of the device of a record.
   * @param at its position in the batch
   * @returns undefined unless both are complete
   */
  static begin(
    { messages, records, rows }: DecodedMessages,
    at: number,
    partition: PartitionState,
    shape: WindowShape,
    now: number,
  ): FollowedStretch | undefined {
    const key = records.keys[rows[at] as number]!;
    const { windows, baselines } = partition;
    const memory = baselines?.copyOf(key);
    if (memory === undefined || windows.lacks(key) || !windows.isFull(key)) return undefined;
    if (baselines!.lacks(key, messages[at]!.origin.offset)) return undefined;
    const { length, channels, conditions } = shape;
    const batch = createWindowBatch(shape, 1);
    windows.copy(key, batch);
    const total = length + watchedRecords;
    const values = createValues(total * channels, false);
    values.set(batch.values);
    const columns = {
      values,
      conditions: new Float64Array(total * conditions),
      timestamps: new Float64Array(total),
    };
    columns.conditions.set(batch.conditions);
    columns.timestamps.set(batch.timestamps);
    const stretch = { key, memory, known: length, from: length, ...columns };
    return new FollowedStretch(partition, stretch, shape, now);
  }

  /** Adds the records of the device, in the order of its window. @returns `lost` if the device can no longer be followed */
  take({ records, rows }: DecodedMessages, now: number): 'following' | 'complete' | 'lost' {
    const { key, values, conditions, timestamps } = this.stretch;
    const { channels, conditions: given } = this.shape;
    let state: 'following' | 'lost' = 'following';
    for (const row of rows) {
      if (typeof row !== 'number' || records.keys[row] !== key) continue;
      if (records.timestamps[row]! <= timestamps[this.count - 1]!) {
        // A few records are late or duplicates. More of them mean that the recording began again.
        if (++this.stale > watchedRecords) state = 'lost';
        continue;
      }
      values.set(records.values.subarray(row * channels, (row + 1) * channels), this.count * channels);
      conditions.set(records.conditions.subarray(row * given, (row + 1) * given), this.count * given);
      timestamps[this.count++] = records.timestamps[row]!;
      this.heardAt = now;
      if (this.count === timestamps.length) return 'complete';
    }
    return state;
  }
}
