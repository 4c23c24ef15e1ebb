/**
 * The slow test, for what is weak and lasts: T² of an exponential mean of signed errors (a multivariate EWMA chart, Lowry et al.
 * 1992). It is used only where history can say what such a mean looks like: it needs many independent stretches.
 */
import { autocorrelationTime } from './autocorrelation';
import { inverse, quadraticForm } from './matrix';
import type { Part } from './memory';

/** Stored in the model version. */
export interface SlowState {
  /** Mean of each error over the fit block. Shape [errors]. */
  centre: readonly number[];
  /** The same of each device that has enough records there. */
  devices: Readonly<Record<string, readonly number[]>>;
  /** Standard deviation of each mean. Shape [errors]. */
  spread: readonly number[];
  /** Inverse of the correlation of the means, shrunk. Shape [errors, errors]. */
  precision: readonly number[];
}

/** Records of the exponential mean. */
export const slowRecords = 60;
const rate = 2 / (slowRecords + 1);
const leastSpread = 0.05 * Math.sqrt(rate);
const noise = 0.01;
/** Independent stretches of the calibration block that the test needs. */
const neededStretches = 100;
const leastDeviation = 0.05;

/** Devices with a centre of their own, at most: those with the most records. */
const maxDevices = 1000;
/** A device has a centre of its own from this many records on. */
const recordsPerCentre = 10 * slowRecords;

export type Centres = Pick<SlowState, 'centre' | 'devices'>;

/**
 * The mean error of all records and of each device: devices of a kind are never quite alike.
 * @param errors of a record of the fit block
 * @param byDevice records of each device in the fit block
 */
export function fitCentres(
  errors: (record: number) => ArrayLike<number>,
  size: number,
  byDevice: ReadonlyMap<string, ArrayLike<number>>,
): Centres {
  const sum = new Float64Array(size);
  let count = 0;
  const devices = new Map<string, readonly number[]>();
  const large = [...byDevice].sort(([, a], [, b]) => b.length - a.length);
  for (const [key, records] of large) {
    const own = new Float64Array(size);
    for (let i = 0; i < records.length; i++) {
      const of = errors(records[i]!);
      for (let j = 0; j < size; j++) if (Number.isFinite(of[j])) own[j]! += of[j]!;
    }
    for (let j = 0; j < size; j++) sum[j]! += own[j]!;
    count += records.length;
    if (records.length >= recordsPerCentre && devices.size < maxDevices)
      devices.set(
        key,
        Array.from(own, (value) => value / records.length),
      );
  }
  return {
    centre: Array.from(sum, (value) => value / Math.max(1, count)),
    devices: Object.fromEntries(devices),
  };
}

/** @param means exponential means of the errors over the fit block. Shape [records, errors] */
export function fitSlow(means: Float64Array, centres: Centres): SlowState {
  const { centre } = centres;
  const size = centre.length;
  const records = means.length / size;
  const spread = centre.map((_, j) => {
    let [sum, squares] = [0, 0];
    for (let i = j; i < means.length; i += size) {
      sum += means[i]! / records;
      squares += means[i]! ** 2 / records;
    }
    return Math.max(leastSpread, Math.sqrt(Math.max(0, squares - sum ** 2)));
  });
  const correlation = new Float64Array(size * size);
  for (let row = 0; row < records; row++)
    for (let i = 0; i < size; i++)
      for (let j = 0; j <= i; j++)
        correlation[i * size + j]! +=
          (means[row * size + i]! * means[row * size + j]!) / (spread[i]! * spread[j]! * records);
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      const value = (1 - noise) * correlation[i * size + j]! + (i === j ? noise : 0);
      correlation[i * size + j] = correlation[j * size + i] = value;
    }
  return { ...centres, spread, precision: Array.from(inverse(correlation, size)) };
}

export interface SlowTest extends Part {
  /** Adds the errors of a record to their mean; returns T² of the mean. @param centre of the device */
  step(cells: Float64Array, errors: ArrayLike<number>, centre: Float64Array): number;
  centreOf(key: string): Float64Array;
}

/** The centre of a device, or the common one. */
export function createCentres({ centre, devices }: Centres): (key: string) => Float64Array {
  const common = Float64Array.from(centre);
  const own = new Map(Object.entries(devices).map(([key, values]) => [key, Float64Array.from(values)]));
  return (key) => own.get(key) ?? common;
}

/** Adds errors to their exponential mean, the cells from index `at` on. */
export function addToMean(
  cells: Float64Array,
  errors: ArrayLike<number>,
  centre: ArrayLike<number>,
  at = 0,
): void {
  for (let i = 0; i < centre.length; i++) {
    const error = errors[i]!;
    // An overflow must not stay in the mean for good.
    if (Number.isFinite(error)) cells[at + i]! += (error - centre[i]! - cells[at + i]!) * rate;
  }
}

/**
 * Cells: the mean of each error.
 * @param at the first one
 */
export function createSlowTest(state: SlowState, at = 0): SlowTest {
  const { spread, precision } = state;
  const size = spread.length;
  const matrix = Float64Array.from(precision);
  const z = new Float64Array(size);
  return {
    size,
    begin: () => undefined,
    centreOf: createCentres(state),
    step(cells, errors, centre) {
      addToMean(cells, errors, centre, at);
      for (let i = 0; i < size; i++) z[i] = cells[at + i]! / spread[i]!;
      return quadraticForm(matrix, size, z);
    },
  };
}

/** Whether the block has enough independent stretches. @param byDevice the statistic in the calibration block, by device in order of time */
export function isSlowTestUsable(byDevice: readonly Float64Array[]): boolean {
  let stretches = 0;
  for (const values of byDevice) {
    const logs = values.map((value) => Math.log(Math.max(value, 1e-12)));
    const mean = logs.reduce((sum, value) => sum + value / logs.length, 0);
    const variance = logs.reduce((sum, value) => sum + (value - mean) ** 2 / logs.length, 0);
    // A constant has no autocorrelation, and would count as many stretches.
    if (Math.sqrt(variance) >= leastDeviation) stretches += logs.length / autocorrelationTime(logs);
  }
  return stretches >= neededStretches;
}
