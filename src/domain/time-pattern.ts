/**
 * Patterns of times, in the letters of Unicode (UTS #35, part 4, "Date Format Patterns"): `dd.MM.yyyy HH:mm:ss`, `M/d/yy h:mm a`,
 * `dd-MMM-yyyy HH:mm:ss.SSS`. Names of months are English. Text in single quotes stands for itself.
 */
import type { CalendarTime } from './calendar';

/** Parses a text that matches the pattern; undefined for any other text. */
export type ReadPattern = (text: string) => CalendarTime | undefined;

/** Letters with their group. A doubled letter accepts one digit, too; `S` and `X` may be repeated. */
const groups: Record<string, string> = {
  yyyy: '(?<year>\\d{4})',
  yy: '(?<year>\\d\\d)',
  MMMM: '(?<month>[a-z]{3,9})',
  MMM: '(?<month>[a-z]{3,9})',
  MM: '(?<month>\\d\\d?)',
  M: '(?<month>\\d\\d?)',
  dd: '(?<day>\\d\\d?)',
  d: '(?<day>\\d\\d?)',
  HH: '(?<hour>\\d\\d?)',
  H: '(?<hour>\\d\\d?)',
  hh: '(?<hour>\\d\\d?)',
  h: '(?<hour>\\d\\d?)',
  mm: '(?<minute>\\d\\d?)',
  m: '(?<minute>\\d\\d?)',
  ss: '(?<second>\\d\\d?)',
  s: '(?<second>\\d\\d?)',
  S: '(?<fraction>\\d+)',
  a: '(?<half>[ap])\\.?m\\.?',
  X: '(?<zone>Z|[+-]\\d\\d(?::?\\d\\d)?)',
};

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** @throws Error whose message continues a sentence that begins with the pattern */
export function createTimePattern(pattern: string): ReadPattern {
  const parts = pattern.match(/'[^']*'|([A-Za-z])\1*|[^A-Za-z']/g) ?? [];
  if (parts.join('') !== pattern) throw new Error('has an opening quote without a closing one');
  const letters = new Set<string>();
  const source = parts.map((part, i) => {
    if (part.startsWith("'")) return literal(part.slice(1, -1));
    if (!/^[A-Za-z]/.test(part)) return literal(part);
    const group = groups[/^[SX]/.test(part) ? part[0]! : part];
    if (group === undefined)
      throw new Error(`has ${part}, which is none of ${Object.keys(groups).join(' ')}`);
    letters.add(part[0]!);
    // A number without a separator after it must have all its digits.
    return /^[A-Za-z]/.test(parts[i + 1] ?? '') ? group.replace('\\d\\d?', '\\d\\d') : group;
  });
  for (const [letter, choices] of needed) if (!letters.has(letter)) throw new Error(`lacks ${choices}`);
  if (!letters.has('H') && !letters.has('h')) throw new Error('lacks H or h');
  if (letters.has('h') !== letters.has('a')) throw new Error('needs h and a together, or H');
  return compile(source.join(''));
}

const needed = [
  ['y', 'yyyy or yy'],
  ['M', 'M or MMM or MMMM'],
  ['d', 'd'],
] as const;

function compile(source: string): ReadPattern {
  let expression: RegExp;
  try {
    expression = new RegExp(`^${source}$`, 'i');
  } catch {
    throw new Error('names a part of the time twice');
  }
  return (text) => {
    const found = expression.exec(text)?.groups;
    if (found === undefined) return undefined;
    const { year = '', month = '', day, minute = '0', second = '0', fraction = '', half, zone } = found;
    const hour = Number(found['hour']);
    if (half !== undefined && !(hour >= 1 && hour <= 12)) return undefined;
    const named = months.findIndex((name) => month.toLowerCase().startsWith(name)) + 1;
    return {
      // As in Excel and POSIX: 69 means 1969, 68 means 2068.
      year: year.length === 2 ? Number(year) + (Number(year) < 69 ? 2000 : 1900) : Number(year),
      month: /^\d/.test(month) ? Number(month) : named,
      day: Number(day),
      hour: half === undefined ? hour : (hour % 12) + (half.toLowerCase() === 'p' ? 12 : 0),
      minute: Number(minute),
      second: Number(second),
      ms: fractionMs(fraction),
      ...(zone !== undefined && { offset: offsetOf(zone) }),
    };
  };
}

/** @param zone `Z`, `+01`, `-0130` or `+01:30` */
function offsetOf(zone: string): number {
  const [, sign, hours = '0', minutes = '0'] = /^([+-])?(\d\d)?:?(\d\d)?/.exec(zone)!;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

/** The digits after the decimal sign of a second, as ms. */
export function fractionMs(digits: string): number {
  return Number(`${digits.slice(0, 3).padEnd(3, '0')}.${digits.slice(3)}`);
}

const literal = (text: string): string =>
  text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replace(/\s+/g, '\\s+');

const patterns = new Map<string, ReadPattern>();

/** As `createTimePattern`, for a pattern that is known to be valid. */
export function timePattern(pattern: string): ReadPattern {
  const existing = patterns.get(pattern);
  if (existing !== undefined) return existing;
  const created = createTimePattern(pattern);
  patterns.set(pattern, created);
  return created;
}
