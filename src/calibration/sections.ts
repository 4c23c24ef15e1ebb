/**
 * The test of sections. A sum over C channels varies by √C, so a deviation in a few of many channels is lost in it, while a
 * maximum over single channels alarms whenever one of them is new. So the channels are divided, in their order, into sections
 * of a few, and the logarithm of a section's contribution to the reconstruction is standardised. The statistic is the largest
 * of them: a scan with windows of one width (Arias-Castro, Donoho & Huo 2005, "Near-optimal detection of geometric objects by
 * fast multiscale methods").
 */
import { fitStandard, standardise, type Standard } from './evidence';

/** Median and spread of each section over the calibration block. Stored in the model version. */
export type SectionsState = readonly Standard[];

/** Maximum number of channels of a section. */
const widest = 5;

/** Index of the first channel of each section, and the end of the last one. */
function bordersOf(channels: number): number[] {
  const count = Math.ceil(channels / widest);
  return Array.from({ length: count + 1 }, (_, section) => Math.round((section * channels) / count));
}

/**
 * @param contributions to the reconstruction in the calibration block. Shape [records, channels]
 * @returns undefined if all channels form one section
 */
export function fitSections(contributions: Float64Array, channels: number): SectionsState | undefined {
  if (channels <= widest) return undefined;
  const borders = bordersOf(channels);
  const sums = new Float64Array(contributions.length / channels);
  return borders.slice(1).map((to, section) => {
    for (let record = 0; record < sums.length; record++)
      sums[record] = sumOf(contributions, record * channels + borders[section]!, record * channels + to);
    return fitStandard(sums, 'log');
  });
}

/**
 * @returns a function for the largest section of a record, in standard deviations above its median, or 0 if that is negative;
 * it reads the contributions from an index on
 */
export function createSections(
  state: SectionsState,
  channels: number,
): (contributions: ArrayLike<number>, from: number) => number {
  const borders = bordersOf(channels);
  return (contributions, from) => {
    let largest = 0;
    for (let s = 0; s < state.length; s++) {
      const sum = sumOf(contributions, from + borders[s]!, from + borders[s + 1]!);
      const value = standardise(sum, state[s]!);
      if (value > largest) largest = value;
    }
    return largest;
  };
}

function sumOf(values: ArrayLike<number>, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += values[i]!;
  return sum;
}
