/** Several p-values of one record as one number, by a rule that holds under dependence. */

/**
 * Cauchy combination statistic (Liu & Xie 2020, eq. 2): the mean of tan((½ − pᵢ)·π). Its tail is nearly that of
 * one Cauchy variable however the pᵢ depend on one another; calibrated once more, it need not be exact.
 * @param pValues each in (0, 1]
 */
export function cauchyCombination(pValues: readonly number[]): number {
  let sum = 0;
  // For small p the tangent loses all digits; its series 1/(πp) is exact to double precision there.
  for (const p of pValues)
    sum += p < 1e-8 ? 1 / (Math.PI * p) : Math.tan((0.5 - Math.min(p, 1 - 1e-8)) * Math.PI);
  return sum / pValues.length;
}
