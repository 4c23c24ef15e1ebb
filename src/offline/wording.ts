/** Formats numbers, times and durations for people. */

export const count = (n: number, noun: string): string =>
  `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;

export const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** Formats a share in percent, with two significant digits. */
export function percent(share: number): string {
  return share >= 0.995 ? '100 %' : `${(100 * share).toPrecision(2)} %`;
}

const units: [ms: number, name: string][] = [
  [86_400_000, 'days'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

export function durationText(ms: number): string {
  const [size, unit] = units.find(([one]) => ms >= 2 * one) ?? (ms >= 1000 ? [1000, 's'] : [1, 'ms']);
  return `${Number((ms / size).toPrecision(3))} ${unit}`;
}
