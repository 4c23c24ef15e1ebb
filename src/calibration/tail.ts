/** The tail of a distribution beyond a high threshold: generalised Pareto, peaks over threshold (Coles 2001, ch. 4). */

/** P(X > threshold + y | X > threshold) = (1 + shape·y/scale)^(−1/shape), and exp(−y/scale) at shape 0. */
export interface ParetoTail {
  shape: number;
  scale: number;
  /** By maximum likelihood; an exponential if that gives no plausible shape; assumed if there are too few excesses. */
  method: 'maximum-likelihood' | 'exponential' | 'assumed';
}

/** Least number of excesses to fit two parameters to. */
export const minExcesses = 10;

/** Bounds of a plausible shape: below, the likelihood has no proper maximum; above, the tail has no mean. */
const shapeBounds = { min: -0.5, max: 0.9 };

/**
 * Fits the tail by maximum likelihood in Grimshaw's (1993) reduction: with θ = shape/scale the likelihood has
 * one parameter left, shape(θ) = mean log(1 + θ·yᵢ), and the profile is searched over all admissible θ.
 * @param excesses distances above the threshold, all ≥ 0
 */
export function fitParetoTail(excesses: Float64Array): ParetoTail {
  const n = excesses.length;
  let mean = 0;
  let largest = 0;
  for (const y of excesses) {
    mean += y / n;
    largest = Math.max(largest, y);
  }
  if (n < minExcesses || largest <= 0) return exponentialTail(excesses);

  const shapeAt = (theta: number): number => {
    let sum = 0;
    for (const y of excesses) sum += Math.log1p(theta * y);
    return sum / n;
  };
  /** Mean log-likelihood along the profile: −log(shape/θ) − shape − 1. */
  const profile = (theta: number): number => {
    if (Math.abs(theta) * mean < 1e-9) return -Math.log(mean) - 1;
    const shape = shapeAt(theta);
    const scale = shape / theta;
    return scale > 0 && Number.isFinite(shape) ? -Math.log(scale) - shape - 1 : -Infinity;
  };

  const best = searchMaximum(profile, largest, mean);
  const shape = Math.abs(best) * mean < 1e-9 ? 0 : shapeAt(best);
  if (!(shape >= shapeBounds.min && shape <= shapeBounds.max)) return exponentialTail(excesses);
  return { shape, scale: shape === 0 ? mean : shape / best, method: 'maximum-likelihood' };
}

/** Scans θ ∈ (−1/largest, ∞) on a grid that is fine around 0, then searches by golden section. */
function searchMaximum(profile: (theta: number) => number, largest: number, mean: number): number {
  const grid: number[] = [];
  // The likelihood is unbounded at θ = −1/largest (shape < −1), so that the grid stops short of it.
  for (let i = 1; i <= 60; i++) grid.push((-0.999 / largest) * (1 - i / 61));
  grid.push(0);
  for (let i = -60; i <= 40; i++) grid.push(10 ** (i / 15) / mean);
  grid.sort((a, b) => a - b);
  let peak = 0;
  grid.forEach((theta, i) => {
    if (profile(theta) > profile(grid[peak]!)) peak = i;
  });
  let low = grid[Math.max(0, peak - 1)]!;
  let high = grid[Math.min(grid.length - 1, peak + 1)]!;
  const ratio = (Math.sqrt(5) - 1) / 2;
  for (let i = 0; i < 80; i++) {
    const left = high - ratio * (high - low);
    const right = low + ratio * (high - low);
    if (profile(left) > profile(right)) high = right;
    else low = left;
  }
  return (low + high) / 2;
}

/**
 * The tail to extrapolate with. A negative shape ends the tail at −scale/shape, which a few hundred records cannot show: the
 * first value beyond would have probability 0. The exponential tail is the cautious choice.
 */
export function withoutEnd(tail: ParetoTail, excesses: Float64Array): ParetoTail {
  return tail.shape >= 0 ? tail : exponentialTail(excesses);
}

/**
 * The tail beyond the largest score if too few scores differ to fit one: exponential with the standard deviation of the scores,
 * and at least one nat, the scale of a negative log-probability.
 */
export function assumedTail(scores: Float64Array): ParetoTail {
  const mean = scores.reduce((sum, s) => sum + s / scores.length, 0);
  const variance = scores.reduce((sum, s) => sum + (s - mean) ** 2 / scores.length, 0);
  return { shape: 0, scale: Math.max(1, Math.sqrt(variance)), method: 'assumed' };
}

/** Maximum likelihood with shape 0: the scale is the mean excess. */
export function exponentialTail(excesses: Float64Array): ParetoTail {
  const mean = excesses.reduce((sum, y) => sum + y / excesses.length, 0);
  return { shape: 0, scale: mean > 0 ? mean : Number.MIN_VALUE, method: 'exponential' };
}

/** P(excess > y) under the tail. */
export function tailSurvival(tail: ParetoTail, y: number): number {
  if (tail.shape === 0) return Math.exp(-y / tail.scale);
  const step = (tail.shape * y) / tail.scale;
  // By logarithm, because a power of 1 + step loses all digits of a shape near 0.
  return step <= -1 ? 0 : Math.exp(-Math.log1p(step) / tail.shape);
}
