/** The memory of the devices of a partition, by which their records are scored. */
import type { MemorySnapshot } from '../calibration/memory';
import { setShift, type WindowBatch } from '../domain/window';
import type { DeviceLinks } from '../domain/recency';
import type { Detector } from '../scoring/detector';
import type { DeviceMemory } from '../scoring/memory';
import type { BaselinesStart } from './snapshot';
import type { BaselinePolicy, RecordedBaseline, RecordedBaselines } from './rules';

export interface PartitionBaselines {
  /**
   * The memory of a device for its record at `offset`; undefined for a record before the baselines begin. Call in order.
   * @param links keeps the item of the device
   */
  of(key: string, offset: string, links?: DeviceLinks): DeviceMemory | undefined;
  /** Whether the baseline of a device may differ, for the record at `offset`, from that of an uninterrupted process. */
  lacks(key: string, offset: string): boolean;
  /** A copy of the memory of a device; undefined if there is none. */
  copyOf(key: string): MemorySnapshot | undefined;
}

export type VersionBaselines = ReturnType<typeof createVersionBaselines>;

/**
 * Baselines of one model version, which follow the records of the partition.
 * @throws RangeError when `start` has other statistics than the detector
 */
export function createVersionBaselines(start: BaselinesStart, detector: Detector, policy: BaselinePolicy) {
  const { version, from, afterLoss } = start;
  const devices = detector.createMemories(policy, start.devices);
  let hasBegun = false;
  return {
    version,
    from,
    of(key: string, offset: string, links?: DeviceLinks): DeviceMemory | undefined {
      // Offsets ascend, so most records need no comparison.
      hasBegun ||= BigInt(offset) > from;
      return hasBegun ? devices.of(key, links) : undefined;
    },
    copyOf: (key: string): MemorySnapshot | undefined => devices.snapshotOf(key),
    /** The memory of a known device. */
    peek: (key: string): DeviceMemory | undefined => devices.peek(key),
    lacks: (key: string): boolean => afterLoss && (devices.peek(key)?.seen ?? 0) <= policy.records,
    /** Number of devices. */
    get size() {
      return devices.size;
    },
    snapshot: (): BaselinesStart => ({ version, from, afterLoss, devices: devices.snapshot() }),
  };
}

/**
 * Baselines that follow the records; but if a detection recorded the baseline that its record was scored with, that one is
 * used.
 */
export function createRecordedBaselines(
  followed: PartitionBaselines,
  partition: number,
  recorded: RecordedBaselines,
): PartitionBaselines {
  const from = recorded.from(partition);
  return {
    of(key, offset, links) {
      const memory = BigInt(offset) < from ? undefined : followed.of(key, offset, links);
      const baseline = recorded.at(partition, BigInt(offset));
      return baseline === undefined ? memory : createRecordedMemory(baseline, memory);
    },
    lacks: (key, offset) =>
      recorded.at(partition, BigInt(offset)) === undefined && followed.lacks(key, offset),
    copyOf: () => undefined,
  };
}

/** The memory of a device as a detection has recorded it. @param followed memory that learns from the record, too */
function createRecordedMemory(
  { rise, shift, means, linearMean, slow, linear, runs }: RecordedBaseline,
  followed: DeviceMemory | undefined,
): DeviceMemory {
  return {
    seen: followed?.seen ?? 0,
    get newNormal() {
      return followed?.newNormal ?? [];
    },
    enter: (values, from, time) => followed?.enter(values, from, time),
    recall(batch: WindowBatch, place: number) {
      batch.recalled.runs[place] = runs;
      if (shift !== undefined) setShift(batch, place, shift);
    },
    means(statistics, out, to) {
      followed?.means(statistics, out, to);
      out.set(means, to);
    },
    rise(evidence) {
      followed?.rise(evidence);
      return rise;
    },
    linearMean(deviations, from) {
      followed?.linearMean(deviations, from);
      return linearMean;
    },
    slow(errors) {
      followed?.slow(errors);
      return slow;
    },
    context(x, deviations, from, rest) {
      followed?.context(x, deviations, from, rest);
      return linear;
    },
    mark: () => followed?.mark() ?? [],
    accept: (...newNormal) => followed?.accept(...newNormal),
    undo: (...newNormal) => followed?.undo(...newNormal),
  };
}
