/**
 * The extremal index θ of a stationary series: extreme records form clusters of mean size 1/θ, so that alarms on N records
 * correspond to θN independent ones (Leadbetter, Lindgren & Rootzén 1983).
 */

/**
 * The intervals estimator (Ferro & Segers 2003, "Inference for clusters of extreme values", equation 5): the times between
 * independent exceedances are exponential, while clusters have many short ones.
 * @param byDevice records of each device at which a high level is exceeded, ascending
 * @returns in (0, 1]; 1 if no device has two exceedances
 */
export function extremalIndex(byDevice: readonly ArrayLike<number>[]): number {
  let [count, longest] = [0, 0];
  let [sum, squares] = [0, 0];
  let [lessOne, product] = [0, 0];
  for (const at of byDevice) {
    for (let i = 1; i < at.length; i++) {
      const time = at[i]! - at[i - 1]!;
      count++;
      longest = Math.max(longest, time);
      sum += time;
      squares += time ** 2;
      lessOne += time - 1;
      product += (time - 1) * (time - 2);
    }
  }
  if (count === 0) return 1;
  // With short times only, the moments of an exponential need no correction, and (T − 1)(T − 2) would be 0.
  const estimate = longest <= 2 ? (2 * sum ** 2) / (count * squares) : (2 * lessOne ** 2) / (count * product);
  // The exceedances form at least one cluster.
  return Math.min(1, Math.max(estimate, 1 / (count + 1)));
}
