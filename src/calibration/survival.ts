/**
 * Probability that a length is at least as long as one of M lengths of history, of runs of equal values or of gaps between records:
 * (1 + #{lengths ≥ length}) / (M + 1) up to the longest one, L, and (L/length)² / (M + 1) beyond: a power law, as lengths of failures
 * are heavy-tailed.
 * @param atLeast number of lengths of history that are at least as long
 */
export function survival(length: number, total: number, longest: number, atLeast: number): number {
  if (length > longest) return (longest / length) ** 2 / (total + 1);
  return (1 + atLeast) / (total + 1);
}
