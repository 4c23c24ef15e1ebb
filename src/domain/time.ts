/** Reads times in records of every format, CSV cells, labels and options: ISO 8601 with a zone, Unix time, or a pattern. */
import { fromCalendar, type CalendarTime } from './calendar';
import { fractionMs, timePattern } from './time-pattern';

/** Unit of Unix times; `auto`: the unit is derived from the size of the number. */
export const timestampUnits = ['auto', 's', 'ms', 'us', 'ns'] as const;
export type TimestampUnit = (typeof timestampUnits)[number];

/** The unit of Unix times, or a pattern for times as text (time-pattern.ts). ISO 8601 is always accepted. */
export type TimestampFormat = TimestampUnit | (string & {});

export function isTimestampUnit(format: TimestampFormat): format is TimestampUnit {
  return (timestampUnits as readonly string[]).includes(format);
}

/** The error for a time that cannot be read. The message continues a sentence that begins with the name of the time. */
export class TimeError extends Error {
  override readonly name = 'TimeError';

  /**
   * @param problem the message where no setting applies to the time, as to an option of a command
   * @param remedy end of the message: the setting that would help
   */
  constructor(
    readonly problem: string,
    remedy = '',
  ) {
    super(problem + remedy);
  }
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
 * @param timeZone for times without a zone; empty = such times are rejected
 * @throws TimeError with the reason why it is not a time
 */
export function parseTime(value: unknown, format: TimestampFormat = 'auto', timeZone = ''): number {
  const isPattern = !isTimestampUnit(format);
  const unit = isPattern ? 'auto' : format;
  if (typeof value === 'number') return parseNumber(value, unit);
  if (typeof value === 'string') {
    const text = value.trim();
    const time = isPattern ? timePattern(format)(text) : undefined;
    return time === undefined
      ? parseText(text, unit, timeZone, isPattern ? format : undefined)
      : existing(time, timeZone, shown(text));
  }
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
    `is not a Unix time of 2001-09-09 to 2286-11-20 in s, ms, µs or ns, got ${value}`,
    unitAdvice,
  );
}

const unitAdvice = '; if it is right, set fields.timestampFormat';

/** Message that a time before `earliestTime` needs an explicit unit. */
export function tooEarly(time: number): string {
  return `is before 2001-09-09, got ${new Date(time).toISOString()}${unitAdvice}`;
}

function toMs(value: number, unit: Exclude<TimestampUnit, 'auto'>): number {
  switch (unit) {
    case 'ms':
      return value;
    case 's':
      // The product has rounding errors; a whole number of microseconds has none.
      return Number.isInteger(value) ? value * 1e3 : Math.round(value * 1e6) / 1e3;
    case 'us':
      return value / 1e3;
    default:
      return value / 1e6;
  }
}

const unixText = /^[+-]?\d+([.,]\d+)?$/;

/** The separators may be absent, all of them together, as in the basic format of ISO 8601. */
const isoText =
  /^(\d{4})(-?)(\d\d)\2(\d\d)(?:[T ](\d\d)(?:(:?)(\d\d)(?:\6(\d\d)(?:[.,](\d+))?)?)?)?( ?(?:Z|UTC|GMT|([+-])(\d\d)(?::?(\d\d))?))?$/i;

/** @param pattern the configured format, which the text does not match; the error names it */
function parseText(text: string, unit: TimestampUnit, timeZone: string, pattern?: string): number {
  if (unixText.test(text)) return parseNumber(Number(text.replace(',', '.')), unit);
  const parts = isoText.exec(text);
  if (parts === null) throw notATime(shown(text), pattern);
  const [, years, , months, days, hours, , minutes, seconds = '0', fraction = ''] = parts;
  const [zone, sign, zoneHours = '0', zoneMinutes = '0'] = parts.slice(10);
  if (zone === undefined && timeZone === '') throw noZone(shown(text));
  if (minutes === undefined) throw notATime(shown(text), pattern);
  const time = {
    year: Number(years),
    month: Number(months),
    day: Number(days),
    hour: Number(hours),
    minute: Number(minutes),
    second: Number(seconds),
    ms: fractionMs(fraction),
  };
  if (!(Number(zoneHours) < 24 && Number(zoneMinutes) < 60))
    throw new TimeError(`has an offset that does not exist, got ${shown(text)}`);
  const offset = (sign === '-' ? -1 : 1) * (Number(zoneHours) * 60 + Number(zoneMinutes));
  return existing({ ...time, ...(zone !== undefined && { offset }) }, timeZone, shown(text));
}

/** @throws TimeError if the time does not exist, or if there is neither an offset nor a time zone */
function existing(time: CalendarTime, timeZone: string, got: string): number {
  if (time.offset === undefined && timeZone === '') throw noZone(got);
  try {
    return fromCalendar(time, timeZone);
  } catch (error) {
    throw new TimeError(`has ${(error as Error).message} that does not exist, got ${got}`);
  }
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 38));

function noZone(got: string): TimeError {
  return new TimeError(
    `has no zone, so it would be another time on another machine, got ${got}; add Z, or an offset such as +01:00`,
    ', or set fields.timeZone',
  );
}

function notATime(got: string, pattern?: string): TimeError {
  return new TimeError(
    pattern === undefined
      ? `must be ISO 8601 with a zone, such as 2026-01-31T12:00:00Z, or Unix time, got ${got}`
      : `must be like ${JSON.stringify(pattern)} (fields.timestampFormat), or ISO 8601, got ${got}`,
  );
}
