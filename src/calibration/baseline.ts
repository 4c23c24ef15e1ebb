/**
 * Baselines: the median of a statistic over the most recent records of a device, compared with that of the calibration block.
 * Scores are measured above the baseline, so that a machine with a new task does not stay anomalous. It takes half of the
 * records to move a median, so that a shorter fault does not become the baseline.
 */
import { median } from './baseline-drift';

/** Sampled values of a device and statistic: enough for a median, few enough for a fleet. */
const maxSamples = 64;

/** Calibration values of a statistic, ascending, on a logarithmic scale. */
export type BaselineReference = ArrayLike<number>;

/**
 * The rise of a baseline, a factor of two, of which half is subtracted from the scores: hardly anything of a smaller rise, nearly
 * all of a larger one. A rise by a quarter for a morning is the rhythm of a machine; to follow it would hide faults.
 */
const halfFollowed = Math.log(2);

function followed(rise: number): number {
  return rise > 0 ? rise ** 2 / (rise + halfFollowed) : 0;
}

export interface BaselinePolicy {
  /** Newest records of a device that its baseline is the median of. */
  records: number;
  /** Largest number of devices; the least recently seen is dropped. */
  maxKeys: number;
}

/** The baselines of one device. */
export interface DeviceBaselines {
  /** What to subtract from each statistic, on a logarithmic scale, ≥ 0. The array is reused. */
  readonly above: readonly number[];
  /** Adds the statistics of one record, after it was scored. */
  observe(values: readonly number[]): void;
}

export type Baselines = ReturnType<typeof createBaselines>;

/** The least recently seen device comes first. */
export type BaselinesSnapshot = readonly (readonly [key: string, state: DeviceSnapshot])[];

interface DeviceSnapshot {
  /** Records observed. */
  seen: number;
  /** By statistic, the oldest value first. */
  samples: readonly (readonly number[])[];
}

/** @throws RangeError if a snapshot has other statistics */
export function createBaselines(
  bases: readonly BaselineReference[],
  policy: BaselinePolicy,
  snapshot: BaselinesSnapshot = [],
) {
  const starts = bases.map((base) => startingSample(base, policy.records));
  const middles = starts.map((sample) => median(Float64Array.from(sample)));
  /** Of this many records one enters the sample. */
  const stride = Math.max(1, Math.round(policy.records / maxSamples));
  const devices = new Map<string, ReturnType<typeof follow>>();

  function follow(seen: number, given: DeviceSnapshot['samples']) {
    const samples = given.map((sample) => sample.slice());
    const riseOf = (sample: readonly number[], s: number): number =>
      followed(median(Float64Array.from(sample)) - middles[s]!);
    const above = samples.map(riseOf);
    return {
      above,
      /** Records observed. */
      seen: () => seen,
      observe(values: readonly number[]): void {
        if (seen % stride === 0) {
          samples.forEach((sample, s) => {
            // NaN is no baseline, and JSON has no Infinity.
            if (!Number.isFinite(values[s]!)) return;
            if (sample.length === maxSamples) sample.shift();
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
    if (samples.length !== bases.length || samples.some(({ length }) => length === 0 || length > maxSamples))
      throw new RangeError(`baselines of "${key}" are of other statistics`);
    devices.set(key, follow(seen, samples));
  }

  return {
    of(key: string): DeviceBaselines {
      let device = devices.get(key);
      if (device === undefined) {
        device = follow(0, starts);
        if (devices.size >= policy.maxKeys) devices.delete(devices.keys().next().value!);
      } else devices.delete(key);
      devices.set(key, device);
      return device;
    },
    /** Records of a device observed so far. Does not make it the most recently seen. */
    seen: (key: string): number => devices.get(key)?.seen() ?? 0,
    get size() {
      return devices.size;
    },
    /** Plain JSON from which `createBaselines` continues bit for bit. */
    snapshot: (): BaselinesSnapshot => [...devices].map(([key, device]) => [key, device.snapshot()]),
  };
}

/** Least number of sampled values that a new device gets from the calibration block. */
const leastStart = 8;

/**
 * The sample of a new device: quantiles of the calibration block, in proportion to the length of the block, so that after a
 * short calibration the device's own records soon dominate. Their order mixes small and large values, because the oldest values
 * leave the sample first.
 */
function startingSample(base: BaselineReference, records: number): number[] {
  const size = Math.min(maxSamples, Math.max(leastStart, Math.round((maxSamples * base.length) / records)));
  return Array.from({ length: size }, (_, i) => {
    // 67 is prime and larger than any size, so that every rank comes once.
    const rank = (i * 67) % size;
    return base[Math.floor(((rank + 0.5) / size) * base.length)]!;
  });
}
