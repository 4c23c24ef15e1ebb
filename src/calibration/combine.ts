/** Several p-values of one record as one number, by a rule that holds under dependence. */

/**
 * Cauchy combination (Liu & Xie 2020, eq. 2): the weighted mean of tan((½ − pᵢ)·π), whose tail is nearly that of one
 * Cauchy variable however the pᵢ depend on one another. Only p below ½ is evidence, so above it a straight line goes on
 * where the tangent would fall without end: one statistic that is very normal, or has nothing to say, must not outvote
 * another that is not. Calibrated once more, the combination need not be exact.
 * @param pValues each in (0, 1]
 * @param weights ≥ 0, as many; equal ones when left out
 */
export function cauchyCombination(pValues: ArrayLike<number>, weights?: ArrayLike<number>): number {
  let sum = 0;
  let total = 0;
  for (let i = 0; i < pValues.length; i++) {
    const weight = weights?.[i] ?? 1;
    sum += weight * evidence(pValues[i]!);
    total += weight;
  }
  return sum / total;
}

function evidence(p: number): number {
  if (p > 0.5) return (0.5 - p) * Math.PI;
  // For small p the tangent loses all digits; its series 1/(πp) is exact to double precision there.
  return p < 1e-8 ? 1 / (Math.PI * p) : Math.tan((0.5 - p) * Math.PI);
}

/**
 * The combination on a scale that can be calibrated: its logarithm above 1, itself below. The raw combination has a tail
 * without a mean, which no Pareto fit likes; its logarithm has an exponential one, and order is all that counts.
 */
export function logEvidence(pValues: ArrayLike<number>, weights?: ArrayLike<number>): number {
  const cauchy = cauchyCombination(pValues, weights);
  return cauchy > 1 ? 1 + Math.log(cauchy) : cauchy;
}
