/** The reader of times, for records of every format, CSV cells, labels and options: ISO 8601 with a zone, or Unix time. */

import { fromLocalTime } from './time-zone';

/** Unit of Unix times; `auto`: the unit follows from the size of the number. */
export const timestampUnits = ['auto', 's', 'ms', 'us', 'ns'] as const;
export type TimestampUnit = (typeof timestampUnits)[number];

/** A time that cannot be read. The message continues a sentence that begins with the name of the time. */
export class TimeError extends Error {
  override readonly name = 'TimeError';
}

/**
 * Range of Unix times whose unit is recognised, ms: from 2001-09-09T01:46:40Z, when seconds got their tenth digit, until they
 * get the eleventh in 2286. Within it the ranges of the units do not overlap.
 */
export const earliestTime = 1e12;
const latestTime = 1e13;

/** Limit of a Date, ms (ECMA-262, §21.4.1.1). */
const maxTime = 8.64e15;

/**
 * A time in Unix ms; digits below a millisecond are kept as a fraction.
 * @param value a number or text
 * @param unit of a number, also as text
 * @param timeZone of times without a zone; empty: they are rejected
 * @throws TimeError with the reason why it is not a time
 */
export function parseTime(value: unknown, unit: TimestampUnit = 'auto', timeZone = ''): number {
  if (typeof value === 'number') return parseNumber(value, unit);
  if (typeof value === 'string') return parseText(value.trim(), unit, timeZone);
  throw notATime(Array.isArray(value) ? 'a list' : value === null ? 'null' : `the type ${typeof value}`);
}

function parseNumber(value: number, unit: TimestampUnit): number {
  const time = toMs(value, unit === 'auto' ? recognise(value) : unit);
  // Also false for NaN.
  if (Math.abs(time) <= maxTime) return time;
  throw notATime(String(value));
}

function recognise(value: number): Exclude<TimestampUnit, 'auto'> {
  if (value >= earliestTime && value < latestTime) return 'ms';
  if (value >= earliestTime / 1e3 && value < latestTime / 1e3) return 's';
  if (value >= earliestTime * 1e3 && value < latestTime * 1e3) return 'us';
  if (value >= earliestTime * 1e6 && value < latestTime * 1e6) return 'ns';
  if (!Number.isFinite(value)) throw notATime(String(value));
  throw new TimeError(
    `is not a Unix time of 2001-09-09 to 2286-11-20 in s, ms, µs or ns, got ${value}${unitAdvice}`,
  );
}

const unitAdvice = '; if it is right, set fields.timestampUnit';

/** Message that a time before `earliestTime` needs an explicit unit. */
export function tooEarly(time: number): string {
  return `is before 2001-09-09, got ${new Date(time).toISOString()}${unitAdvice}`;
}

function toMs(value: number, unit: Exclude<TimestampUnit, 'auto'>): number {
  switch (unit) {
    case 'ms':
      return value;
    case 's':
      // The product has rounding errors, which a whole number of microseconds does not have.
      return Number.isInteger(value) ? value * 1e3 : Math.round(value * 1e6) / 1e3;
    case 'us':
      return value / 1e3;
    default:
      return value / 1e6;
  }
}

const unixText = /^[+-]?\d+([.,]\d+)?$/;

/** Separators are optional together, as in the basic format. */
const isoText =
  /^(\d{4})(-?)(\d\d)\2(\d\d)(?:[T ](\d\d)(?:(:?)(\d\d)(?:\6(\d\d)(?:[.,](\d+))?)?)?)?( ?(?:Z|UTC|GMT|([+-])(\d\d)(?::?(\d\d))?))?$/i;

function parseText(text: string, unit: TimestampUnit, timeZone: string): number {
  if (unixText.test(text)) return parseNumber(Number(text.replace(',', '.')), unit);
  const parts = isoText.exec(text);
  const shown = JSON.stringify(text.slice(0, 38));
  if (parts === null) throw notATime(shown);
  const [, years, , months, days, hours, , minutes, seconds = '0', fraction = ''] = parts;
  const [zone, sign, zoneHours = '0', zoneMinutes = '0'] = parts.slice(10);
  if (zone === undefined && timeZone === '') {
    throw new TimeError(
      `has no zone, so it would be another time on another machine, got ${shown}; add Z, or an offset such as +01:00, or set fields.timeZone`,
    );
  }
  if (minutes === undefined) throw notATime(shown);
  const [year, month, day] = [Number(years), Number(months), Number(days)];
  const [hour, minute, second] = [Number(hours), Number(minutes), Number(seconds)];
  const ms = Number(`${fraction.slice(0, 3).padEnd(3, '0')}.${fraction.slice(3)}`);
  if (!isDate(year, month, day)) throw new TimeError(`has a date that does not exist, got ${shown}`);
  const isTime = minute < 60 && second < 60 && Number(zoneHours) < 24 && Number(zoneMinutes) < 60;
  const isMidnight = hour === 24 && minute === 0 && second === 0 && ms === 0;
  if (!isTime || !(hour < 24 || isMidnight))
    throw new TimeError(`has a time of day or an offset that does not exist, got ${shown}`);
  const offset = (sign === '-' ? -1 : 1) * (Number(zoneHours) * 60 + Number(zoneMinutes));
  const time = utcDay(year, month, day) + ((hour * 60 + minute - offset) * 60 + second) * 1000 + ms;
  return zone === undefined ? fromLocalTime(time, timeZone) : time;
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Whether a date exists, in the Gregorian calendar. Also false for NaN. */
export function isDate(year: number, month: number, day: number): boolean {
  if (!(day >= 1 && month >= 1 && month <= 12)) return false;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 && isLeap ? 29 : monthDays[month - 1]!);
}

/** Start of a day, Unix ms. */
export function utcDay(year: number, month: number, day: number): number {
  // Date.UTC takes the years 0 to 99 for 1900 to 1999; the calendar repeats after 400 years.
  const repeat = 146_097 * 86_400_000;
  return year < 100 ? Date.UTC(year + 400, month - 1, day) - repeat : Date.UTC(year, month - 1, day);
}

function notATime(shown: string): TimeError {
  return new TimeError(
    `must be ISO 8601 with a zone, such as 2026-01-31T12:00:00Z, or Unix time, got ${shown}`,
  );
}
