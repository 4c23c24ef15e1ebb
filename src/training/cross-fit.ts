/**
 * Calibration windows judged as new ones will be. The variances that the score is measured in are fitted to the calibration
 * block, so within it every channel looks as regular as it can; on a hundred windows, of which each shares most of its
 * records with the next, that is a good deal more regular than what comes after. So each quarter of the block is judged by
 * variances of the other three (cross-fitting, Chernozhukov et al. 2018, §1).
 */
import { assessBias, fitBias } from '../scoring/bias';

const quarters = 4;
/** With fewer windows a quarter says nothing of the others. */
const minWindows = 40;

/** Splits rows of `values`, shape [count, channels], into one quarter and the rest, for each quarter. */
function eachQuarter(
  values: Float64Array,
  channels: number,
  judge: (quarter: Float64Array, others: Float64Array) => Float64Array,
): Float64Array {
  const count = values.length / channels;
  const judged = new Float64Array(count);
  for (let q = 0; q < quarters; q++) {
    const from = Math.floor((q * count) / quarters);
    const to = Math.floor(((q + 1) * count) / quarters);
    const others = new Float64Array(values.length - (to - from) * channels);
    others.set(values.subarray(0, from * channels));
    others.set(values.subarray(to * channels), from * channels);
    judged.set(judge(values.subarray(from * channels, to * channels), others), from);
  }
  return judged;
}

/** The statistic `bias` of windows in order of time, shape [count]. @param errors shape [count, channels] */
export function crossFittedBias(errors: Float64Array, channels: number): Float64Array {
  if (errors.length / channels < minWindows) return assessBias(fitBias(errors, channels), errors);
  return eachQuarter(errors, channels, (quarter, others) => assessBias(fitBias(others, channels), quarter));
}

/** Nats that every channel is taken to add in any case, so that one that never errs has no weight without end. */
const leastPart = 1;

/**
 * The statistic `reconstruction` of windows in order of time, shape [count]: what a channel adds is measured in its variance,
 * so it grows as much as the channel's mean over the other quarters falls short of that over all of them.
 * @param parts what each channel adds, shape [count, channels]
 */
export function crossFittedReconstruction(parts: Float64Array, channels: number): Float64Array {
  const all = parts.length / channels < minWindows ? undefined : meanOf(parts, channels);
  const sumWith = (rows: Float64Array, factor: (channel: number) => number): Float64Array => {
    const sums = new Float64Array(rows.length / channels);
    rows.forEach((part, i) => (sums[Math.floor(i / channels)]! += part * factor(i % channels)));
    return sums;
  };
  if (all === undefined) return sumWith(parts, () => 1);
  return eachQuarter(parts, channels, (quarter, others) => {
    const mean = meanOf(others, channels);
    return sumWith(quarter, (j) => (all[j]! + leastPart) / (mean[j]! + leastPart));
  });
}

function meanOf(rows: Float64Array, channels: number): Float64Array {
  const mean = new Float64Array(channels);
  rows.forEach((value, i) => (mean[i % channels]! += (value * channels) / rows.length));
  return mean;
}
