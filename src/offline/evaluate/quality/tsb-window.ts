/** The widest buffer for VUS that the benchmark TSB-AD (2024) uses, so that results can be compared with its leaderboard. */

const maxRecords = 20_000;
const maxLag = 400;
/** Smallest lag at which TSB-AD looks for a period. A period outside of 6 to 303 is replaced by the default. */
const leastLag = 3;
const periods = { least: 6, most: 303, default: 125 };

/**
 * The lag of the highest local maximum of the autocorrelation, in records; 125 if there is none, or if it is not a usable period.
 * @param values first channel of the whole series, training part first
 */
export function tsbWindow(values: Float64Array): number {
  const correlations = autocorrelations(values.subarray(0, maxRecords));
  let best = 0;
  for (let lag = leastLag + 1; lag + 1 < correlations.length; lag++) {
    const value = correlations[lag]!;
    const isMaximum = value > correlations[lag - 1]! && value > correlations[lag + 1]!;
    if (isMaximum && (best === 0 || value >= correlations[best]!)) best = lag;
  }
  return best < periods.least || best > periods.most ? periods.default : best;
}

/** Autocorrelation by lag; NaN for a constant series. */
function autocorrelations(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const centred = values.map((value) => value - mean);
  const covariances = Float64Array.from({ length: Math.min(maxLag + 1, values.length) }, (_, lag) => {
    let sum = 0;
    for (let i = lag; i < centred.length; i++) sum += centred[i]! * centred[i - lag]!;
    return sum;
  });
  return covariances.map((covariance) => covariance / covariances[0]!);
}
