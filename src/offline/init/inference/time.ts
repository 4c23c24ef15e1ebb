/** Finds the field of the event time. */
import { parseTime, TimeError, type TimestampFormat } from '../../../domain/time';
import { timeOf } from '../../../sources/file/file';
import { nameOf, pathText, someValues, isNumber, type Column, type Sample } from './sample';

export interface TimeField {
  column: Column;
  /** `auto`: the times are Unix times, whose unit is derived from the numbers, or ISO 8601. */
  format: TimestampFormat;
  /** Another pattern that fits the times: the same with day and month swapped. */
  otherFormat?: string | undefined;
  /** Zone that is assumed for times that state none; empty if all state one. */
  timeZone: string;
  /** Unix ms by record; NaN = not a time. Shape [records]. */
  times: Float64Array;
}

/** The time of the messages, used for records that contain no time. */
function messageTime({ messageTime: column }: Sample): TimeField | undefined {
  return column && { column, format: 'auto', timeZone: '', times: readTimes(column, 'ms', '') };
}

type Reading = Pick<TimeField, 'format' | 'otherFormat' | 'timeZone'>;

/** Assumed zone of times that state none. */
const assumedZone = 'UTC';

const dates = [
  'dd.MM.yyyy',
  'dd/MM/yyyy',
  'MM/dd/yyyy',
  'dd-MM-yyyy',
  'MM-dd-yyyy',
  'yyyy/MM/dd',
  'yyyy.MM.dd',
];
const datesWithNames = ['dd-MMM-yyyy', 'dd MMM yyyy', 'dd-MMM-yy'];
const timesOfDay = ['HH:mm:ss', 'HH:mm', 'HH:mm:ss.S', 'h:mm:ss a', 'h:mm a'];
/** Patterns that are tried if times are neither ISO 8601 nor Unix times. */
const patterns = [...dates, ...datesWithNames].flatMap((date) => timesOfDay.map((time) => `${date} ${time}`));

export interface TimeChoice {
  field: TimeField | undefined;
  /** All fields with times, the most suitable first. */
  candidates: readonly Column[];
  /** Fields that look like times but cannot be read. */
  unreadable: readonly { column: Column; reason: string }[];
}

const triedValues = 500;
/** Smallest share of the values that must be times. */
const minShare = 0.95;

const eventName =
  /^@?(event|measured?|recorded?|observed|sample)?[ _-]?(date)?[ _-]?(timestamp|time|datetime|at)$/i;
const timeName =
  /(^|[^a-z])(ts|time|timestamp|datetime|date|at)([^a-z]|$)|(time|timestamp|date|Time|At)(_?ms|_?ns)?$/;
/** Names of fields with times of the transport instead of the measurement. */
const transportName = /source|ingest|receiv|process|kafka|insert|created|updated|transaction/i;
const dateText = /^(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4}|\d\d?[- ][a-z]{3,9}[- ]\d\d)/i;

const hasTimeName = (column: Column): boolean =>
  timeName.test(nameOf(column)) || eventName.test(nameOf(column));

/** @param wanted path of the field; by default the field is chosen */
export function findTime(sample: Sample, wanted?: string): TimeChoice {
  const unreadable: { column: Column; reason: string }[] = [];
  const fields: (Reading & { column: Column; score: number })[] = [];
  const crowd = measurementsBeside(sample);
  const considered =
    wanted === undefined ? sample.columns : sample.columns.filter(({ path }) => pathText(path) === wanted);
  for (const column of considered) {
    const tried = tryTimes(column, wanted !== undefined);
    if (tried === undefined) continue;
    if ('reason' in tried) unreadable.push({ column, reason: tried.reason });
    else fields.push({ column, ...tried, score: scoreOf(column, crowd) });
  }
  fields.sort((a, b) => b.score - a.score);
  const [best] = fields;
  return {
    field:
      best === undefined
        ? messageTime(sample)
        : { ...best, times: readTimes(best.column, best.format, best.timeZone) },
    candidates: fields.map(({ column }) => column),
    unreadable,
  };
}

/**
 * The format of the times in a column; or the reason why a column that looks like times cannot be read; otherwise undefined.
 */
function tryTimes(column: Column, isNamed: boolean): Reading | { reason: string } | undefined {
  const values = someValues(column, triedValues);
  if (values.length < minShare * Math.min(triedValues, column.values.length)) return undefined;
  const isTimely = isNamed || hasTimeName(column);
  const looksLikeDate = values.every((value) => typeof value === 'string' && dateText.test(value.trim()));
  const numbers = values.map((value) => (typeof value === 'string' ? Number(value) : value)).filter(isNumber);
  if (!isTimely && !looksLikeDate) return undefined;
  const most = (1 - minShare) * values.length;
  const stated = failuresOf(values, '');
  if (stated.count <= most) return { format: 'auto', timeZone: '' };
  if (failuresOf(values, assumedZone).count <= most) return { format: 'auto', timeZone: assumedZone };
  const [format, otherFormat] = looksLikeDate ? patternsOf(values, most) : [];
  if (format !== undefined) return { format, otherFormat, timeZone: assumedZone };
  if (numbers.length === values.length && numbers.every((value, i) => i === 0 || value >= numbers[i - 1]!)) {
    if (numbers.every(isSerialDate) && numbers.at(-1)! - numbers[0]! < numbers.length)
      return {
        reason: `seems to be the serial date of a spreadsheet, got ${numbers[0]}; write it as ISO 8601`,
      };
    // Fractions are a time since some start, in seconds. Whole numbers may be row numbers, so they are no time.
    if (numbers.some((value) => !Number.isInteger(value))) return { format: 's', timeZone: '' };
  }
  return looksLikeDate || isTimely ? { reason: stated.reason } : undefined;
}

/** A day of the years 1990 to 2099 in the serial numbers of spreadsheets, which count from 1900. */
const isSerialDate = (value: number): boolean => value >= 32_874 && value < 73_051;

/**
 * The patterns that fit the values: the one for which the steps are most even, and the second best.
 * @param most values that may have another form
 */
function patternsOf(values: readonly unknown[], most: number): string[] {
  return patterns
    .map((pattern) => ({
      pattern,
      times: values.map((value) => timeOf(value, pattern, assumedZone)).filter((time) => !Number.isNaN(time)),
    }))
    .filter(({ times }) => values.length - times.length <= most)
    .map(({ pattern, times }) => ({ pattern, jump: longestJump(times) }))
    .sort((a, b) => a.jump - b.jump)
    .map(({ pattern }) => pattern);
}

/** Longest time between two successive times, forwards or backwards, ms. */
function longestJump(times: readonly number[]): number {
  return times.reduce((most, time, i) => Math.max(most, Math.abs(time - (times[i - 1] ?? time))), 0);
}

/** Number of values that are not times, and the reason for the first one. */
function failuresOf(values: readonly unknown[], timeZone: string): { count: number; reason: string } {
  let [count, reason] = [0, ''];
  for (const value of values) {
    try {
      parseTime(value, 'auto', timeZone);
    } catch (error) {
      if (!(error instanceof TimeError)) throw error;
      if (count++ === 0) reason = error.message;
    }
  }
  return { count, reason };
}

function readTimes({ values }: Column, format: TimestampFormat, timeZone: string): Float64Array {
  return Float64Array.from(values, (value) => timeOf(value, format, timeZone));
}

function scoreOf(column: Column, crowd: ReadonlyMap<string, number>): number {
  const name = nameOf(column);
  const most = Math.max(1, ...crowd.values());
  const named = eventName.test(name) ? 4 : timeName.test(name) ? 3 : 0;
  const isTransport = column.path.some((step) => transportName.test(step));
  const beside = (crowd.get(parentOf(column)) ?? 0) / most;
  return named + 1.5 * beside - (isTransport ? 2 : 0) - 0.1 * column.path.length;
}

const parentOf = ({ path }: Column): string => path.slice(0, -1).join('\0');

/** Numeric fields by the object that contains them. */
function measurementsBeside({ columns }: Sample): Map<string, number> {
  const counts = new Map<string, number>();
  for (const column of columns)
    if (isNumber(someValues(column, 1)[0]))
      counts.set(parentOf(column), (counts.get(parentOf(column)) ?? 0) + 1);
  return counts;
}
