/** The ratio of alarms, with a confidence interval that accounts for bursts. */

/**
 * `low` and `high` are the 95 % interval.
 * @param runs flags of one device of a series each, in order of time; 1 = alarm
 */
export function alarmRatio(runs: readonly Uint8Array[]) {
  const records = runs.reduce((sum, flags) => sum + flags.length, 0);
  const alarms = runs.reduce((sum, flags) => sum + countOnes(flags), 0);
  /** Number of independent records that would contain the same information. */
  const effectiveRecords = runs.reduce((sum, flags) => sum + effectiveSize(flags), 0);
  const ratio = alarms / records;
  const [low, high] = wilsonInterval(ratio * effectiveRecords, effectiveRecords);
  return { records, alarms, ratio, low, high, effectiveRecords };
}

function countOnes(flags: Uint8Array): number {
  return flags.reduce((sum, flag) => sum + flag, 0);
}

/**
 * n / (1 + 2·Σρ_k), with the autocorrelations of the flags up to the first that is not positive (initial positive sequence,
 * Geyer 1992): a burst of 100 alarms is closer to one observation than to 100.
 */
function effectiveSize(flags: Uint8Array): number {
  const n = flags.length;
  const ones = countOnes(flags);
  const p = ones / n;
  const variance = p * (1 - p);
  if (!(variance > 0)) return n;
  const positions = Array.from(flags.keys()).filter((i) => flags[i] === 1);
  let sum = 0;
  for (let lag = 1; lag < n / 2; lag++) {
    let both = 0;
    for (const i of positions) both += flags[i + lag] ?? 0;
    const correlation = (both / (n - lag) - p * p) / variance;
    if (correlation <= 0) break;
    sum += correlation;
  }
  return Math.max(1, n / (1 + 2 * sum));
}

/** 95 % interval of a proportion of n independent observations (Wilson 1927). */
export function wilsonInterval(hits: number, n: number): [number, number] {
  if (n === 0) return [0, 1];
  const z = 1.96;
  const p = hits / n;
  const center = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, center - half), Math.min(1, center + half)];
}
