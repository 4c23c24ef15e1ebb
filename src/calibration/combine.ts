/** Combines the p-values of one record by a rule that holds under dependence. */

/**
 * Cauchy combination (Liu & Xie 2020, eq. 2): the mean of tan((½ − pᵢ)·π), whose tail is nearly that of one Cauchy variable for
 * any dependence between the pᵢ. Only p below ½ is evidence. Above ½ a line replaces the tangent, which falls without bound:
 * one very normal statistic must not outweigh an odd one. The combination is calibrated again, so it need not be exact.
 * @param pValues each in (0, 1]
 */
export function cauchyCombination(pValues: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < pValues.length; i++) sum += evidence(pValues[i]!);
  return sum / pValues.length;
}

function evidence(p: number): number {
  if (p > 0.5) return (0.5 - p) * Math.PI;
  // For small p the tangent loses all digits. Its series 1/(πp) is exact to double precision there.
  return p < 1e-8 ? 1 / (Math.PI * p) : Math.tan((0.5 - p) * Math.PI);
}

/**
 * The combination on a scale that can be calibrated: its logarithm above 1, unchanged below. The tail of the raw combination
 * has no mean, which a fitted tail (tail.ts) needs; its logarithm has an exponential tail and the same order.
 */
export function logEvidence(pValues: ArrayLike<number>): number {
  const cauchy = cauchyCombination(pValues);
  return cauchy > 1 ? 1 + Math.log(cauchy) : cauchy;
}
