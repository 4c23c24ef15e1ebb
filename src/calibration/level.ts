/**
 * The level of a statistic, followed record by record: the median of the most recent records of a device, against that of
 * the calibration block. A machine that was moved to other work is not anomalous for the rest of its days; and because it
 * takes half of the records to move a median, a fault that lasts shorter than that is not got used to.
 */
import { median } from './level-drift';

/** Sampled values held for a device and statistic: enough for a median, few enough for a fleet. */
const held = 64;

/** What is learned of a statistic's level in calibration: its values, ascending, on a logarithmic scale. */
export type LevelBase = ArrayLike<number>;

/**
 * Below this much, a factor of two, a level is hardly followed, far above it wholly: what rises by a quarter for a morning is
 * the rhythm of a machine, and to follow that would take the edge off the faults in it.
 */
const halfFollowed = Math.log(2);

function followed(rise: number): number {
  return rise > 0 ? rise ** 2 / (rise + halfFollowed) : 0;
}

export interface LevelPolicy {
  /** Records of a device that its level is the median of. */
  records: number;
  /** Devices followed at once; the least recently seen goes first. */
  maxKeys: number;
}

/** The levels of one device. */
export interface DeviceLevels {
  /** By how much each statistic is to be lowered for its level, on a logarithmic scale; ≥ 0. The array is reused. */
  readonly above: readonly number[];
  /** Takes in the statistics of one record, after it was judged. */
  observe(values: readonly number[]): void;
}

export interface Levels {
  of(key: string): DeviceLevels;
  readonly size: number;
  /** What `restoreLevels` continues from; plain JSON. */
  snapshot(): LevelsSnapshot;
}

/** By device, the least recently seen first. */
export type LevelsSnapshot = readonly (readonly [key: string, state: DeviceSnapshot])[];

interface DeviceSnapshot {
  /** Records seen. */
  seen: number;
  /** The sample, statistic by statistic. */
  samples: readonly (readonly number[])[];
}

/** @throws RangeError when a snapshot is of other statistics */
export function createLevels(
  bases: readonly LevelBase[],
  policy: LevelPolicy,
  snapshot: LevelsSnapshot = [],
): Levels {
  const starts = bases.map(startingSample);
  const middles = starts.map(median);
  /** Every so-many-th record is taken into the sample. */
  const stride = Math.max(1, Math.round(policy.records / held));
  const devices = new Map<string, FollowedDevice>();

  function follow(seen: number, samples: readonly Float64Array[]): FollowedDevice {
    const above = samples.map((sample, s) => followed(median(sample) - middles[s]!));
    return {
      above,
      observe(values) {
        if (seen % stride === 0) {
          const at = (seen / stride) % held;
          samples.forEach((sample, s) => {
            // NaN says nothing of a level.
            if (!Number.isNaN(values[s]!)) sample[at] = values[s]!;
            above[s] = followed(median(sample) - middles[s]!);
          });
        }
        seen++;
      },
      snapshot: () => ({ seen, samples: samples.map((sample) => Array.from(sample)) }),
    };
  }

  for (const [key, { seen, samples }] of snapshot) {
    if (samples.length !== bases.length || samples.some((sample) => sample.length !== held))
      throw new RangeError(`levels of "${key}" are of other statistics`);
    devices.set(
      key,
      follow(
        seen,
        samples.map((sample) => Float64Array.from(sample)),
      ),
    );
  }

  return {
    of(key) {
      let device = devices.get(key);
      if (device === undefined) {
        device = follow(
          0,
          starts.map((sample) => sample.slice()),
        );
        if (devices.size >= policy.maxKeys) devices.delete(devices.keys().next().value!);
      } else devices.delete(key);
      devices.set(key, device);
      return device;
    },
    get size() {
      return devices.size;
    },
    snapshot: () => [...devices].map(([key, device]) => [key, device.snapshot()]),
  };
}

interface FollowedDevice extends DeviceLevels {
  snapshot(): DeviceSnapshot;
}

/**
 * The calibration block as a sample of the same size: its quantiles, in an order in which any run of places holds small
 * ones and large ones alike, because records replace them from the first place on.
 */
function startingSample(base: LevelBase): Float64Array {
  const sample = new Float64Array(held);
  for (let i = 0; i < held; i++) {
    const rank = (i * 37) % held;
    sample[i] = base[Math.floor(((rank + 0.5) / held) * base.length)]!;
  }
  return sample;
}
