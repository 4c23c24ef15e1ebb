/**
 * Probability that a length (of a run of equal values, or of a gap between records) is at least as long, given M lengths of the
 * history: (1 + #{lengths ≥ length}) / (M + 1) up to the longest one, L, and (L/length)² / (M + 1) beyond. This is a power law,
 * as the lengths of failures are heavy-tailed.
 * @param atLeast number of lengths of the history that are at least as long
 */
export function survival(length: number, total: number, longest: number, atLeast: number): number {
  if (length > longest) return (longest / length) ** 2 / (total + 1);
  return (1 + atLeast) / (total + 1);
}
