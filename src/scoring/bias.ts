/**
 * The statistic `bias`: errors that keep their sign. A sensor that reads a little too low for a whole window has ten errors none
 * of which is odd by itself; that all have the same sign is. The statistic is the mean error of each channel over the window.
 */

/** Variance of each channel's mean error over held-out windows. Stored in the model version. */
export type BiasState = readonly number[];

/** Least standard deviation of a mean error, in scaled units, so that a channel without errors does not alarm for a tiny one. */
const leastDeviation = 0.05;

/** @param means mean errors of the calibration windows, shape [count, channels] */
export function fitBias(means: ArrayLike<number>, channels: number): BiasState {
  const count = means.length / channels;
  return Array.from({ length: channels }, (_, channel) => {
    let sum = 0;
    for (let window = 0; window < count; window++) sum += means[window * channels + channel]! ** 2;
    return sum / Math.max(1, count) + leastDeviation ** 2;
  });
}

/** Squared mean errors in units of their variance, summed over channels. Shape [count]. */
export function assessBias(state: BiasState, means: ArrayLike<number>): Float64Array {
  const channels = state.length;
  const statistic = new Float64Array(means.length / channels);
  for (let i = 0; i < means.length; i++)
    statistic[Math.floor(i / channels)]! += means[i]! ** 2 / state[i % channels]!;
  return statistic;
}
