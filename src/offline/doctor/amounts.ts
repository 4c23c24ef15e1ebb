/** Amounts as text in findings. */

export const count = (n: number): string => n.toLocaleString('en');

/** Two digits at most, in the largest unit that has one. */
export function daysOf(ms: number): string {
  const [unit, length] =
    ms >= 86_400_000 ? ['days', 86_400_000] : ms >= 3_600_000 ? ['hours', 3_600_000] : ['minutes', 60_000];
  const n = ms / length;
  return `${n < 10 ? Math.round(n * 10) / 10 : Math.round(n)} ${unit}`;
}
