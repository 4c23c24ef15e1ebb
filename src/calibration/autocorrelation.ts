/** Dependence in a series. Neighbouring windows share records, and sensor values are autocorrelated. */

/**
 * Integrated autocorrelation time τ = 1 + 2·Σ ρ(k): the mean of n values is as precise as that of n/τ independent ones. The sum
 * ends by Geyer's (1992) initial positive sequence, where a pair of neighbouring ρ is no longer positive, and at a tenth of the
 * series, beyond which ρ cannot be estimated.
 * @returns at least 1; 1 for a constant series
 */
export function autocorrelationTime(values: Float64Array): number {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value / n, 0);
  const centred = values.map((value) => value - mean);
  const covariance = (lag: number): number => {
    let sum = 0;
    for (let i = lag; i < n; i++) sum += centred[i]! * centred[i - lag]!;
    return sum / n;
  };
  const variance = covariance(0);
  // Rounding errors give a constant series a variance of about 1e-32 of its square.
  if (!(variance > 1e-24 * mean * mean)) return 1;
  let tau = -1;
  for (let lag = 0; lag + 1 < n / 10; lag += 2) {
    const pair = (covariance(lag) + covariance(lag + 1)) / variance;
    if (pair <= 0) break;
    tau += 2 * pair;
  }
  return Math.max(1, tau);
}
