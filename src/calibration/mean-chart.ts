/**
 * Detects weak lasting deviations: T² of an exponential mean of signed errors (a multivariate EWMA chart, Lowry et al. 1992).
 * In a mean, signed errors of noise cancel and those of a shift do not, while the squares of both add up.
 */
import { inverse, quadraticForm } from './matrix';
import type { Part } from './memory';

/** Stored in the model version. */
export interface ChartState {
  /** Standard deviation of each mean. Shape [errors]. */
  spread: readonly number[];
  /** Inverse of the correlation of the means, shrunk. Shape [errors, errors]. */
  precision: readonly number[];
}

/** Smallest spread of errors, in standard deviations of the channel. */
const leastSpread = 0.05;
const noise = 0.01;

/** Weight of the newest record in an exponential mean. The mean then varies like a plain mean over that number of records. */
const rateOf = (records: number): number => 2 / (records + 1);

/**
 * @param means exponential means of the errors over normal records. Shape [records, errors]
 * @param records number of records of a mean
 */
export function fitChart(means: Float64Array, size: number, records: number): ChartState {
  const count = means.length / size;
  const least = leastSpread * Math.sqrt(rateOf(records));
  const spread = Array.from({ length: size }, (_, j) => {
    let [sum, squares] = [0, 0];
    for (let i = j; i < means.length; i += size) {
      sum += means[i]! / count;
      squares += means[i]! ** 2 / count;
    }
    return Math.max(least, Math.sqrt(Math.max(0, squares - sum ** 2)));
  });
  const correlation = new Float64Array(size * size);
  for (let row = 0; row < count; row++)
    for (let i = 0; i < size; i++)
      for (let j = 0; j <= i; j++)
        correlation[i * size + j]! +=
          (means[row * size + i]! * means[row * size + j]!) / (spread[i]! * spread[j]! * count);
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      const value = (1 - noise) * correlation[i * size + j]! + (i === j ? noise : 0);
      correlation[i * size + j] = correlation[j * size + i] = value;
    }
  return { spread, precision: Array.from(inverse(correlation, size)) };
}

/**
 * Adds the errors of a record to their exponential means.
 * @param cells the means, from index `at` on
 * @param errors from index `from` on
 * @param centre mean of each error
 */
export function addToMeans(
  cells: Float64Array,
  at: number,
  errors: ArrayLike<number>,
  from: number,
  centre: ArrayLike<number>,
  records: number,
): void {
  const rate = rateOf(records);
  for (let i = 0; i < centre.length; i++) {
    const error = errors[from + i]!;
    // An overflow would stay in the mean permanently.
    if (Number.isFinite(error)) cells[at + i]! += (error - centre[i]! - cells[at + i]!) * rate;
  }
}

/** Returns a function for T² of the means in an array, from index `at` on. */
export function createDistance({
  spread,
  precision,
}: ChartState): (means: ArrayLike<number>, at: number) => number {
  const size = spread.length;
  const matrix = Float64Array.from(precision);
  const z = new Float64Array(size);
  return (means, at) => {
    for (let i = 0; i < size; i++) z[i] = means[at + i]! / spread[i]!;
    return quadraticForm(matrix, size, z);
  };
}

/** Cells: the mean of each error. They begin at 0, the most normal state. */
export interface MeanChart extends Part {
  /** Adds the errors of a record, from index `from` on, to their means. Returns T² of the means. */
  step(cells: Float64Array, errors: ArrayLike<number>, from: number, centre: ArrayLike<number>): number;
}

/**
 * @param records number of records of a mean
 * @param at index of the first cell
 */
export function createMeanChart(state: ChartState, records: number, at = 0): MeanChart {
  const distance = createDistance(state);
  return {
    size: state.spread.length,
    begin: () => undefined,
    step(cells, errors, from, centre) {
      addToMeans(cells, at, errors, from, centre, records);
      return distance(cells, at);
    },
  };
}
