/**
 * An error that keeps its sign. A sensor that reads a little too low for a whole window has ten errors none of which is odd;
 * that all ten point the same way is. So the mean error of each channel over the window (`Attribution.meanError`) is a statistic
 * of its own.
 */
/** Variance of each channel's mean error over windows that were held out; goes into the model version. */
export type BiasState = readonly number[];

/** Least standard deviation of a mean error, in scaled units: below, a channel would alarm for a hair's breadth. */
const leastDeviation = 0.05;

/** @param means of the calibration windows, shape [count, channels] */
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
