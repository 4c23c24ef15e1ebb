/**
 * Statistics of the calibration windows as later windows will have them. Their variances are fitted to the calibration block
 * itself, so that within it every channel looks more regular than afterwards; much more so with a hundred windows that share
 * most of their records. So each quarter of the block is scored with the variances of the other three (cross-fitting,
 * Chernozhukov et al. 2018, §1).
 */
import { assessBias, fitBias } from '../scoring/bias';

const quarters = 4;
/** Fewer windows are scored with their own variances. */
const minWindows = 40;

/** Splits rows of `values`, shape [count, channels], into one quarter and the rest, for each quarter. */
function eachQuarter(
  values: Float64Array,
  channels: number,
  score: (quarter: Float64Array, others: Float64Array) => Float64Array,
): Float64Array {
  const count = values.length / channels;
  const scores = new Float64Array(count);
  for (let q = 0; q < quarters; q++) {
    const from = Math.floor((q * count) / quarters);
    const to = Math.floor(((q + 1) * count) / quarters);
    const others = new Float64Array(values.length - (to - from) * channels);
    others.set(values.subarray(0, from * channels));
    others.set(values.subarray(to * channels), from * channels);
    scores.set(score(values.subarray(from * channels, to * channels), others), from);
  }
  return scores;
}

/** The statistic `bias` of windows in order of time, shape [count]. @param errors shape [count, channels] */
export function crossFittedBias(errors: Float64Array, channels: number): Float64Array {
  if (errors.length / channels < minWindows) return assessBias(fitBias(errors, channels), errors);
  return eachQuarter(errors, channels, (quarter, others) => assessBias(fitBias(others, channels), quarter));
}

/** Nats added to the mean contribution of every channel, so that a channel without errors has no infinite weight. */
const offset = 1;

/**
 * The statistic `reconstruction` of windows in order of time, shape [count]. A contribution is measured in the variance of its
 * channel, so that it is scaled by the mean over all quarters divided by that over the other quarters.
 * @param contributions shape [count, channels]
 */
export function crossFittedReconstruction(contributions: Float64Array, channels: number): Float64Array {
  const all = contributions.length / channels < minWindows ? undefined : meanOf(contributions, channels);
  const sumWith = (rows: Float64Array, factor: (channel: number) => number): Float64Array => {
    const sums = new Float64Array(rows.length / channels);
    rows.forEach((value, i) => (sums[Math.floor(i / channels)]! += value * factor(i % channels)));
    return sums;
  };
  if (all === undefined) return sumWith(contributions, () => 1);
  return eachQuarter(contributions, channels, (quarter, others) => {
    const mean = meanOf(others, channels);
    return sumWith(quarter, (j) => (all[j]! + offset) / (mean[j]! + offset));
  });
}

function meanOf(rows: Float64Array, channels: number): Float64Array {
  const mean = new Float64Array(channels);
  rows.forEach((value, i) => (mean[i % channels]! += (value * channels) / rows.length));
  return mean;
}
