/** Dates and times of day of the Gregorian calendar. */
import { fromLocalTime } from './time-zone';

/** A local time, or one with an offset from UTC. */
export interface CalendarTime {
  year: number;
  /** From 1. */
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  ms: number;
  /** Offset from UTC, minutes; absent if the text states none. */
  offset?: number | undefined;
}

/**
 * Unix ms.
 * @param timeZone if the time has no offset; not empty
 * @throws RangeError whose message names what does not exist
 */
export function fromCalendar(time: CalendarTime, timeZone: string): number {
  const { year, month, day, hour, minute, second, ms, offset } = time;
  if (!isDate(year, month, day)) throw new RangeError('a date');
  const isMidnight = hour === 24 && minute === 0 && second === 0 && ms === 0;
  if (!(minute < 60 && second < 60 && (hour < 24 || isMidnight))) throw new RangeError('a time of day');
  const utc = utcDay(year, month, day) + ((hour * 60 + minute - (offset ?? 0)) * 60 + second) * 1000 + ms;
  return offset === undefined ? fromLocalTime(utc, timeZone) : utc;
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
  // Date.UTC reads the years 0 to 99 as 1900 to 1999. The calendar repeats after 400 years, so such a year is moved by that.
  const repeat = 146_097 * 86_400_000;
  return year < 100 ? Date.UTC(year + 400, month - 1, day) - repeat : Date.UTC(year, month - 1, day);
}
