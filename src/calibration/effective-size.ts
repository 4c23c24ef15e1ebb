/** How many independent records a series of dependent ones is worth. */

/**
 * n / (1 + 2·Σ ρ_k) with the autocorrelations ρ_k of the ranks, summed in pairs until a pair is not positive (Geyer 1992,
 * §3.3: the initial positive sequence). Ranks, because a score may have a tail without a variance.
 * @param scores in order of time
 * @returns in [1, n]
 */
export function effectiveSize(scores: Float64Array): number {
  const n = scores.length;
  if (n < 3) return n;
  const ranks = centredRanks(scores);
  const variance = autocovariance(ranks, 0);
  if (variance === 0) return 1;
  let sum = 0;
  for (let lag = 1; lag + 1 < n; lag += 2) {
    const pair = (autocovariance(ranks, lag) + autocovariance(ranks, lag + 1)) / variance;
    if (!(pair > 0)) break;
    sum += pair;
  }
  return Math.max(1, Math.min(n, n / (1 + 2 * sum)));
}

function autocovariance(values: Float64Array, lag: number): number {
  let sum = 0;
  for (let i = lag; i < values.length; i++) sum += values[i]! * values[i - lag]!;
  return sum / values.length;
}

/** Mid-ranks less their mean, so that equal scores are equal. */
function centredRanks(scores: Float64Array): Float64Array {
  const order = Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  const ranks = new Float64Array(scores.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++;
    for (let i = from; i < to; i++) ranks[order[i]!] = (from + to - 1) / 2 - (order.length - 1) / 2;
    from = to;
  }
  return ranks;
}
