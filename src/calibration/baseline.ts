/**
 * The level of a statistic, followed record by record: the median of the most recent records of a device, against that of
 * the calibration block. A machine that was moved to other work is not anomalous for the rest of its days; and because it
 * takes half of the records to move a median, a fault that lasts shorter than that is not got used to.
 */
import { median } from './baseline-drift';

/** Sampled values held for a device and statistic: enough for a median, few enough for a fleet. */
const held = 64;

/** What is learned of a statistic's level in calibration: its values, ascending, on a logarithmic scale. */
export type BaselineReference = ArrayLike<number>;

/**
 * Below this much, a factor of two, a level is hardly followed, far above it wholly: what rises by a quarter for a morning is
 * the rhythm of a machine, and to follow that would take the edge off the faults in it.
 */
const halfFollowed = Math.log(2);

function followed(rise: number): number {
  return rise > 0 ? rise ** 2 / (rise + halfFollowed) : 0;
}

export interface BaselinePolicy {
  /** Records of a device that its level is the median of. */
  records: number;
  /** Devices followed at once; the least recently seen goes first. */
  maxKeys: number;
}

/** The levels of one device. */
export interface DeviceBaselines {
  /** By how much each statistic is to be lowered for its level, on a logarithmic scale; ≥ 0. The array is reused. */
  readonly above: readonly number[];
  /** Takes in the statistics of one record, after it was judged. */
  observe(values: readonly number[]): void;
}

export interface Baselines {
  of(key: string): DeviceBaselines;
  /** Records of a device taken in so far; asking does not make it the most recently seen. */
  seen(key: string): number;
  readonly size: number;
  /** What `createLevels` continues from, bit for bit; plain JSON. */
  snapshot(): BaselinesSnapshot;
}

/** By device, the least recently seen first. */
export type BaselinesSnapshot = readonly (readonly [key: string, state: DeviceSnapshot])[];

interface DeviceSnapshot {
  /** Records seen. */
  seen: number;
  /** The sample, statistic by statistic. */
  samples: readonly (readonly number[])[];
}

/** @throws RangeError when a snapshot is of other statistics */
export function createBaselines(
  bases: readonly BaselineReference[],
  policy: BaselinePolicy,
  snapshot: BaselinesSnapshot = [],
): Baselines {
  const starts = bases.map((base) => startingSample(base, policy.records));
  const middles = starts.map((sample) => median(Float64Array.from(sample)));
  /** Every so-many-th record is taken into the sample. */
  const stride = Math.max(1, Math.round(policy.records / held));
  const devices = new Map<string, FollowedDevice>();

  function follow(seen: number, samples: readonly number[][]): FollowedDevice {
    const riseOf = (sample: readonly number[], s: number): number =>
      followed(median(Float64Array.from(sample)) - middles[s]!);
    const above = samples.map(riseOf);
    return {
      above,
      seen: () => seen,
      observe(values) {
        if (seen % stride === 0) {
          samples.forEach((sample, s) => {
            // NaN says nothing of a level, and infinity nothing that JSON could keep.
            if (!Number.isFinite(values[s]!)) return;
            // The first of the sample is the oldest of it.
            if (sample.length === held) sample.shift();
            sample.push(values[s]!);
            above[s] = riseOf(sample, s);
          });
        }
        seen++;
      },
      snapshot: () => ({ seen, samples: samples.map((sample) => sample.slice()) }),
    };
  }

  for (const [key, { seen, samples }] of snapshot.slice(-policy.maxKeys)) {
    if (samples.length !== bases.length || samples.some(({ length }) => length === 0 || length > held))
      throw new RangeError(`levels of "${key}" are of other statistics`);
    devices.set(
      key,
      follow(
        seen,
        samples.map((sample) => sample.slice()),
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
    seen: (key) => devices.get(key)?.seen() ?? 0,
    get size() {
      return devices.size;
    },
    snapshot: () => [...devices].map(([key, device]) => [key, device.snapshot()]),
  };
}

interface FollowedDevice extends DeviceBaselines {
  /** Records taken in so far. */
  seen(): number;
  snapshot(): DeviceSnapshot;
}

/** A calibration block counts for at least so many of the sampled values. */
const leastStart = 8;

/**
 * The calibration block as a sample: as large a part of it as the block is of the records that a level rests on, so that
 * after a short calibration the records themselves soon have the say. Its quantiles, in an order in which any run of places
 * holds small ones and large ones alike, because they leave from the first place on.
 */
function startingSample(base: BaselineReference, records: number): number[] {
  const size = Math.min(held, Math.max(leastStart, Math.round((held * base.length) / records)));
  return Array.from({ length: size }, (_, i) => {
    // 67 is prime and larger than any size: every rank comes once.
    const rank = (i * 67) % size;
    return base[Math.floor(((rank + 0.5) / size) * base.length)]!;
  });
}
