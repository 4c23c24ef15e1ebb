/** Baselines that the records of a partition are scored with. */
import type { BaselinePolicy, DeviceBaselines } from '../calibration/baseline';
import type { Detector } from '../scoring/detector';
import type { BaselinesStart } from './snapshot';

export interface PartitionBaselines {
  /** For scoring the record of `key` at `offset`; undefined for a record before the baselines begin. */
  of(key: string, offset: bigint): DeviceBaselines | undefined;
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
  const baselines = detector.createBaselines(policy, start.devices);
  return {
    version,
    of: (key: string, offset: bigint): DeviceBaselines | undefined =>
      offset <= from ? undefined : baselines.of(key),
    lacks: (key: string): boolean => afterLoss && baselines.seen(key) <= policy.records,
    /** Devices. */
    get size() {
      return baselines.size;
    },
    snapshot: (): BaselinesStart => ({ version, from, afterLoss, devices: baselines.snapshot() }),
  };
}

/** @param loweredAt how much each statistic of the record at an offset is lowered */
export function createRecordedBaselines(
  loweredAt: (offset: bigint) => readonly number[] | undefined,
): PartitionBaselines {
  return {
    of(_, offset) {
      const above = loweredAt(offset);
      return above && { above, observe: () => undefined };
    },
    lacks: () => false,
  };
}
