/** The memory of the devices of a partition, which their records are scored with. */
import { setShift, type WindowBatch } from '../domain/window';
import type { Detector } from '../scoring/detector';
import type { DeviceMemory } from '../scoring/memory';
import type { BaselinesStart } from './snapshot';
import type { BaselinePolicy, RecordedBaseline } from './rules';

export interface PartitionBaselines {
  /** For the record of `key` at `offset`; undefined for a record before the baselines begin. */
  of(key: string, offset: bigint): DeviceMemory | undefined;
  /** Whether the baselines of a device may differ from those of an uninterrupted process. */
  lacks(key: string): boolean;
}

export type VersionBaselines = ReturnType<typeof createVersionBaselines>;

/**
 * Baselines of one model version, which follow the records of the partition.
 * @throws RangeError when `start` has other statistics than the detector
 */
export function createVersionBaselines(start: BaselinesStart, detector: Detector, policy: BaselinePolicy) {
  const { version, from, afterLoss } = start;
  const devices = detector.createMemories(policy, start.devices);
  return {
    version,
    of: (key: string, offset: bigint): DeviceMemory | undefined =>
      offset <= from ? undefined : devices.of(key),
    lacks: (key: string): boolean => afterLoss && (devices.peek(key)?.seen ?? 0) <= policy.records,
    /** Devices. */
    get size() {
      return devices.size;
    },
    snapshot: (): BaselinesStart => ({ version, from, afterLoss, devices: devices.snapshot() }),
  };
}

/** @param recordedAt the baseline in the detection of the record at an offset */
export function createRecordedBaselines(
  recordedAt: (offset: bigint) => RecordedBaseline | undefined,
): PartitionBaselines {
  return {
    of(_, offset) {
      const recorded = recordedAt(offset);
      return recorded && createRecordedMemory(recorded);
    },
    lacks: () => false,
  };
}

/** The memory of a device as a detection has recorded it. */
function createRecordedMemory({ rise, shift, means, slow, runs }: RecordedBaseline): DeviceMemory {
  return {
    seen: 0,
    enter: () => undefined,
    recall(batch: WindowBatch, place: number) {
      batch.recalled.runs[place] = runs;
      if (shift !== undefined) setShift(batch, place, shift);
    },
    means: (_, out, to) => out.set(means, to),
    rise: () => rise,
    slow: () => slow,
  };
}
