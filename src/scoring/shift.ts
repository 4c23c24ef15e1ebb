/**
 * An error that keeps its sign. A sensor that reads a little too low for a whole window has ten errors none of which is odd;
 * that all ten point the same way is. So the mean error of each channel over the window is a statistic of its own.
 */
import type { WindowShape } from '../domain/window';

/** Variance of each channel's mean error over windows that were held out; goes into the model version. */
export type ShiftState = readonly number[];

/**
 * Mean of (actual − expected) over the window, in scaled units; 0 where all is missing. Shape [count, channels].
 * @param x scaled values, shape [count, length × channels]
 * @param mask 1 = seen, 0 = missing
 */
export function meanErrors(
  x: Float32Array,
  expected: Float32Array,
  mask: Float32Array,
  count: number,
  { length, channels }: WindowShape,
): Float64Array {
  const means = new Float64Array(count * channels);
  for (let window = 0; window < count; window++) {
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0;
      let seen = 0;
      for (let t = 0; t < length; t++) {
        const i = (window * length + t) * channels + channel;
        sum += mask[i]! * (x[i]! - expected[i]!);
        seen += mask[i]!;
      }
      means[window * channels + channel] = seen === 0 ? 0 : sum / seen;
    }
  }
  return means;
}

/** Least standard deviation of a mean error, in scaled units: below, a channel would alarm for a hair's breadth. */
const leastDeviation = 0.05;

/** @param means of the calibration windows, shape [count, channels] */
export function fitShift(means: Float64Array, channels: number): ShiftState {
  const count = means.length / channels;
  return Array.from({ length: channels }, (_, channel) => {
    let sum = 0;
    for (let window = 0; window < count; window++) sum += means[window * channels + channel]! ** 2;
    return sum / Math.max(1, count) + leastDeviation ** 2;
  });
}

/** Squared mean errors in units of their variance, summed over channels. Shape [count]. */
export function assessShift(state: ShiftState, means: Float64Array): Float64Array {
  const channels = state.length;
  const statistic = new Float64Array(means.length / channels);
  means.forEach((mean, i) => (statistic[Math.floor(i / channels)]! += mean ** 2 / state[i % channels]!));
  return statistic;
}
