/**
 * The slow test, for deviations that are weaker and last longer than those in the evidence: a chart of means over 60 records.
 * It is used only if the history contains many independent stretches, from which the distribution of such means is known.
 */
import { autocorrelationTime } from './autocorrelation';
import { createMeanChart, fitChart, type ChartState } from './mean-chart';
import type { Part } from './memory';

/** Stored in the model version. */
export interface SlowState extends ChartState {
  /** Mean of each error over the fit block. Shape [errors]. */
  centre: readonly number[];
  /** Mean errors of each device that has enough records there. */
  devices: Readonly<Record<string, readonly number[]>>;
}

/** Number of records of the exponential mean. */
export const slowRecords = 60;
/** Least number of independent stretches in the calibration block. */
const neededStretches = 100;
const leastDeviation = 0.05;

/** Maximum number of devices with their own centre: those with the most records. */
const maxDevices = 1000;
/** Least number of records for a device's own centre. */
const recordsPerCentre = 10 * slowRecords;

export type Centres = Pick<SlowState, 'centre' | 'devices'>;

/**
 * The mean error of all records and of each device: devices of one kind are never exactly alike.
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
  return { ...centres, ...fitChart(means, centres.centre.length, slowRecords) };
}

export interface SlowTest extends Part {
  /** Adds the errors of a record to their mean. Returns T² of the mean. @param centre mean errors of the device */
  step(cells: Float64Array, errors: ArrayLike<number>, centre: Float64Array): number;
  centreOf(key: string): Float64Array;
}

/** Returns the centre of a device or, if it has none, the common one. */
export function createCentres({ centre, devices }: Centres): (key: string) => Float64Array {
  const common = Float64Array.from(centre);
  const own = new Map(Object.entries(devices).map(([key, values]) => [key, Float64Array.from(values)]));
  return (key) => own.get(key) ?? common;
}

/**
 * Cells: the mean of each error.
 * @param at index of the first cell
 */
export function createSlowTest(state: SlowState, at = 0): SlowTest {
  const chart = createMeanChart(state, slowRecords, at);
  return {
    size: chart.size,
    begin: () => undefined,
    centreOf: createCentres(state),
    step: (cells, errors, centre) => chart.step(cells, errors, 0, centre),
  };
}

/** Whether the block has enough independent stretches. @param byDevice the statistic in the calibration block, by device in order of time */
export function isSlowTestUsable(byDevice: readonly Float64Array[]): boolean {
  let stretches = 0;
  for (const values of byDevice) {
    const logs = values.map((value) => Math.log(Math.max(value, 1e-12)));
    const mean = logs.reduce((sum, value) => sum + value / logs.length, 0);
    const variance = logs.reduce((sum, value) => sum + (value - mean) ** 2 / logs.length, 0);
    // A constant series has no autocorrelation, and would count as many stretches.
    if (Math.sqrt(variance) >= leastDeviation) stretches += logs.length / autocorrelationTime(logs);
  }
  return stretches >= neededStretches;
}
