/** Durations as text with their unit, such as `30s`. */

const unitMs = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const units = Object.keys(unitMs) as (keyof typeof unitMs)[];

/** Parses to ms; undefined for a text that is not a duration. A number without a unit is ambiguous, except 0. */
export function parseDuration(value: unknown): number | undefined {
  if (value === 0) return 0;
  const parts = /^(?<count>\d+(?:\.\d+)?) ?(?<unit>ms|s|m|h|d)$/.exec(typeof value === 'string' ? value : '');
  if (parts?.groups === undefined) return value === '0' ? 0 : undefined;
  return Math.round(Number(parts.groups.count) * unitMs[parts.groups.unit as keyof typeof unitMs]);
}

/** Formats in the largest unit that divides the duration: 90000 → `90s`. */
export function formatDuration(ms: number): string {
  const unit = ms === 0 ? 's' : (units.find((one) => ms % unitMs[one] === 0) ?? 'ms');
  return `${ms / unitMs[unit]}${unit}`;
}
