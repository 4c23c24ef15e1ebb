/**
 * The evidence of a record: the mean of its standardised statistics. A sum of squares varies by factors, so its logarithm is
 * standardised. If one statistic is odd, it moves the mean by its share; if several are a little odd, they move it together.
 */

/** How a statistic is standardised. */
export interface Standard {
  /** `log` for statistics that vary by factors, such as a sum of squares. */
  scale: 'linear' | 'log';
  /** Median over the calibration block, on that scale. */
  centre: number;
  /** Standard deviation over the calibration block, on that scale. */
  spread: number;
}

/** By statistic, in the order of summation. Stored in the model version. */
export type EvidenceState = Readonly<Record<string, Standard>>;

/** Lower bound before the logarithm; a perfect fit yields 0. */
const smallest = 1e-6;

/** Smallest spread: a statistic that hardly varies in the calibration block must not outweigh the others. */
const leastSpread = 0.05;

/** @param values of the calibration records */
export function fitStandard(values: Float64Array, scale: Standard['scale']): Standard {
  const scaled = scale === 'log' ? values.map(logarithm) : values;
  const centre = median(scaled);
  const mean = scaled.reduce((sum, value) => sum + value / scaled.length, 0);
  const variance = scaled.reduce((sum, value) => sum + (value - mean) ** 2 / scaled.length, 0);
  return { scale, centre, spread: Math.max(leastSpread, Math.sqrt(variance)) };
}

/** Returns a function from the statistics of a record, in the order of the state, to its evidence. */
export function createEvidence(state: EvidenceState): (statistics: ArrayLike<number>) => number {
  const standards = Object.values(state);
  return (statistics) => {
    let sum = 0;
    for (let i = 0; i < standards.length; i++) {
      const value = statistics[i]!;
      // NaN results from an overflow; another statistic is infinite then.
      if (Number.isNaN(value)) continue;
      sum += standardise(value, standards[i]!);
    }
    return sum / standards.length;
  };
}

/** In standard deviations from the centre. */
export function standardise(value: number, { scale, centre, spread }: Standard): number {
  return ((scale === 'log' ? logarithm(value) : value) - centre) / spread;
}

function logarithm(value: number): number {
  return Math.log(Math.max(value, smallest));
}

/** The middle value, or the upper one of two middle values. NaN for an empty array. */
export function median(values: Float64Array): number {
  return Float64Array.from(values).sort()[values.length >> 1] ?? NaN;
}
