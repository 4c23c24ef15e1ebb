/**
 * How far the level of a statistic may have moved by the time it is asked for. Sensors drift: the records to come are never
 * quite those of the calibration block, and the further they lie from it, the less. How much moves within the block says how
 * much to expect after it.
 */

/** Into so many parts the calibration block is cut. */
const parts = 4;
/** Parts shorter than this have no level worth the name. */
const minPart = 10;

/**
 * Standard deviation of the level some calibration blocks after it was calibrated: the median of the block moves from quarter
 * to quarter, as a random walk, and takes four such steps in the length of the block. Sampling noise is in it, too, the more
 * of it the more the records depend on one another: that is meant, for so is the quantile that the threshold rests on.
 * @param scores of the calibration records, in order of time
 * @param later so many lengths of the block
 * @returns 0 where the block is too short to tell
 */
export function baselineDrift(scores: Float64Array, later = 1): number {
  if (scores.length < parts * minPart) return 0;
  const medians = Array.from({ length: parts }, (_, i) =>
    median(
      scores.slice(Math.floor((i * scores.length) / parts), Math.floor(((i + 1) * scores.length) / parts)),
    ),
  );
  const steps = medians.slice(1).map((level, i) => (level - medians[i]!) ** 2);
  return Math.sqrt((later * parts * steps.reduce((sum, step) => sum + step, 0)) / steps.length);
}

/** The value in the middle; the upper one of two. NaN of none. */
export function median(values: Float64Array): number {
  return Float64Array.from(values).sort()[Math.floor(values.length / 2)] ?? NaN;
}

/** Nodes and weights of Gauss–Hermite quadrature for a standard normal variable (Abramowitz & Stegun 25.4.46). */
const quadrature: readonly (readonly [node: number, weight: number])[] = [
  [-3.750439717725742, 0.000548268855972218],
  [-2.366759410734541, 0.030757123967586],
  [-1.154405394739968, 0.240123178605013],
  [0, 0.457142857142857],
  [1.154405394739968, 0.240123178605013],
  [2.366759410734541, 0.030757123967586],
  [3.750439717725742, 0.000548268855972218],
];

/**
 * The p-value of a score whose level is only known up to a normal error: the mean of p over what the level may be.
 * @param drift standard deviation of the level, ≥ 0
 */
export function underDrift(p: (score: number) => number, drift: number): (score: number) => number {
  if (drift === 0) return p;
  const [nodes, weights] = [quadrature.map(([node]) => node * drift), quadrature.map(([, weight]) => weight)];
  return (score) => {
    let mean = 0;
    for (let i = 0; i < nodes.length; i++) mean += weights[i]! * p(score - nodes[i]!);
    return mean;
  };
}
