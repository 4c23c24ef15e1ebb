/**
 * Charts of exponential means (calibration/mean-chart.ts), fitted before the calibration block and computed over the history as
 * in live scoring.
 */
import { addToMeans, createDistance, fitChart, type ChartState } from '../calibration/mean-chart';
import { meanRecords } from '../calibration/recent-means';
import {
  createCentres,
  fitCentres,
  fitSlow,
  isSlowTestUsable,
  slowRecords,
  type SlowState,
} from '../calibration/slow-test';
import { devicesIn, take, type Device } from './device-places';

/** Errors of each record, and the length of their means. */
export interface RunningErrors {
  /** Number of errors of a record. */
  size: number;
  errorsAt: (place: number) => ArrayLike<number>;
  /** Mean errors of a device. Shape [size]. */
  centreOf: (key: string) => ArrayLike<number>;
  /** Number of records of a mean. */
  records: number;
}

/**
 * The means at some records; they are computed over all records of each device.
 * @param places ascending
 * @returns shape [places, size]
 */
export function meansAt(
  places: Int32Array,
  devices: readonly Device[],
  { size, errorsAt, centreOf, records }: RunningErrors,
): Float64Array {
  const means = new Float64Array(places.length * size);
  let at = 0;
  for (const { key, from, to } of devices) {
    const cells = new Float64Array(size);
    const centre = centreOf(key);
    for (let place = from; place < to; place++) {
      addToMeans(cells, 0, errorsAt(place), 0, centre, records);
      if (places[at] === place) means.set(cells, size * at++);
    }
  }
  return means;
}

/** T² of each mean. @param means shape [records, size] */
function distancesOf(means: Float64Array, state: ChartState): Float64Array {
  const size = state.spread.length;
  const distance = createDistance(state);
  return Float64Array.from({ length: means.length / size }, (_, i) => distance(means, i * size));
}

/**
 * The chart of the mean deviation from the linear sibling, and T² of each record.
 * @param deviations shape [records, channels]
 * @param fitted records before the calibration block
 */
export function fitMeanDeviation(
  deviations: Float64Array,
  channels: number,
  devices: readonly Device[],
  fitted: Int32Array,
): { state: ChartState; distances: Float64Array } {
  const noCentre = new Float64Array(channels);
  const running: RunningErrors = {
    size: channels,
    errorsAt: (place) => deviations.subarray(place * channels, (place + 1) * channels),
    centreOf: () => noCentre,
    records: meanRecords,
  };
  const all = Int32Array.from({ length: deviations.length / channels }, (_, place) => place);
  const means = meansAt(all, devices, running);
  const state = fitChart(take(means, fitted, channels), channels, meanRecords);
  return { state, distances: distancesOf(means, state) };
}

/** Errors in the history that the slow test is fitted to. Shape [records, channels] each. */
export interface SlowErrors {
  /** Deviations from the linear sibling; empty for images. */
  deviations: Float64Array;
  /** Mean errors of the model. */
  meanErrors: Float64Array;
}

/**
 * The slow test with its statistic in the calibration block; undefined for images, and where the block is too short for it.
 * @param fitted records before the calibration block
 */
export function fitSlowTest(
  { deviations, meanErrors }: SlowErrors,
  channels: number,
  devices: readonly Device[],
  fitted: Int32Array,
  block: Int32Array,
): { state: SlowState; statistic: Float64Array } | undefined {
  if (deviations.length === 0) return undefined;
  const size = 2 * channels;
  const errors = new Float64Array(size);
  const errorsAt = (place: number): Float64Array => {
    errors.set(deviations.subarray(place * channels, (place + 1) * channels));
    errors.set(meanErrors.subarray(place * channels, (place + 1) * channels), channels);
    return errors;
  };
  const placesInFit = new Map(
    devicesIn(devices, fitted).map(({ key, from, to }) => [key, fitted.subarray(from, to)]),
  );
  const centres = fitCentres(errorsAt, size, placesInFit);
  const running: RunningErrors = {
    size,
    errorsAt,
    centreOf: createCentres(centres),
    records: slowRecords,
  };
  const state = fitSlow(meansAt(fitted, devices, running), centres);
  const statistic = distancesOf(meansAt(block, devices, running), state);
  const byDevice = devicesIn(devices, block).map(({ from, to }) => statistic.subarray(from, to));
  return isSlowTestUsable(byDevice) ? { state, statistic } : undefined;
}
