/**
 * How far the baseline of a statistic drifts after calibration. Sensors drift, so that later records differ from those of the
 * calibration block, the more the later they are. The drift within the block predicts the drift after it.
 */

/** Number of parts of the calibration block. */
const parts = 4;
/** Least records of a part. */
const minPart = 10;

/**
 * Standard deviation of the baseline `later` calibration blocks after calibration: the median moves from quarter to quarter of
 * the block as a random walk, with four such steps per block. It includes sampling noise, which is intended: the quantile that
 * the threshold depends on has the same noise.
 * @param scores of the calibration records, in order of time
 * @param later time since calibration, in lengths of the block
 * @returns 0 if the block is too short
 */
export function baselineDrift(scores: Float64Array, later = 1): number {
  if (scores.length < parts * minPart) return 0;
  const medians = Array.from({ length: parts }, (_, i) =>
    median(
      scores.slice(Math.floor((i * scores.length) / parts), Math.floor(((i + 1) * scores.length) / parts)),
    ),
  );
  const steps = medians.slice(1).map((next, i) => (next - medians[i]!) ** 2);
  return Math.sqrt((later * parts * steps.reduce((sum, step) => sum + step, 0)) / steps.length);
}

/** The middle value, or the upper one of the two. NaN for an empty array. */
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
 * The p-value of a score whose baseline has drifted by an unknown normal amount: the mean of p over it.
 * @param drift standard deviation of the baseline, ≥ 0
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
