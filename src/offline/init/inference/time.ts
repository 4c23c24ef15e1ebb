/** Which field is the event time. */
import { parseTime, TimeError, type TimestampUnit } from '../../../domain/time';
import { nameOf, pathText, someValues, isNumber, type Column, type Sample } from './sample';

export interface TimeField {
  column: Column;
  /** `auto`: the unit follows from the numbers; or the times are text. */
  unit: TimestampUnit;
  /** Zone that is assumed where the times state none; empty where they do. */
  timeZone: string;
  /** Unix ms by record; NaN = not a time. Shape [records]. */
  times: Float64Array;
}

/** The time of the messages, for records without a time. */
function messageTime({ messageTime: column }: Sample): TimeField | undefined {
  return column && { column, unit: 'auto', timeZone: '', times: readTimes(column, 'ms', '') };
}

type Reading = Pick<TimeField, 'unit' | 'timeZone'>;

/** Zone of times that state none. */
const assumedZone = 'UTC';

export interface TimeChoice {
  field: TimeField | undefined;
  /** All fields with times, the best first. */
  candidates: readonly Column[];
  /** Fields that seem to be times, but cannot be read. */
  unreadable: readonly { column: Column; reason: string }[];
}

const triedValues = 500;
/** Share of the values that must be times. */
const minShare = 0.95;

const eventName =
  /^@?(event|measured?|recorded?|observed|sample)?[ _-]?(date)?[ _-]?(timestamp|time|datetime|at)$/i;
const timeName =
  /(^|[^a-z])(ts|time|timestamp|datetime|date|at)([^a-z]|$)|(time|timestamp|date|Time|At)(_?ms|_?ns)?$/;
/** Times of the transport instead of the measurement. */
const transportName = /source|ingest|receiv|process|kafka|insert|created|updated|transaction/i;
const dateText = /^(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4})/;

const hasTimeName = (column: Column): boolean =>
  timeName.test(nameOf(column)) || eventName.test(nameOf(column));

/** @param wanted path of the field; by default it is chosen */
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
        : { ...best, times: readTimes(best.column, best.unit, best.timeZone) },
    candidates: fields.map(({ column }) => column),
    unreadable,
  };
}

/** The unit with which a column has times, why it has none although it seems to, or undefined. */
function tryTimes(column: Column, isNamed: boolean): Reading | { reason: string } | undefined {
  const values = someValues(column, triedValues);
  if (values.length < minShare * Math.min(triedValues, column.values.length)) return undefined;
  const isTimely = isNamed || hasTimeName(column);
  const looksLikeDate = values.every((value) => typeof value === 'string' && dateText.test(value.trim()));
  const numbers = values.map((value) => (typeof value === 'string' ? Number(value) : value)).filter(isNumber);
  if (!isTimely && !looksLikeDate) return undefined;
  const stated = failuresOf(values, '');
  if (stated.count <= (1 - minShare) * values.length) return { unit: 'auto', timeZone: '' };
  const assumed = failuresOf(values, assumedZone);
  if (assumed.count <= (1 - minShare) * values.length) return { unit: 'auto', timeZone: assumedZone };
  // Time since a start, which is no date; row numbers are not taken for it.
  const ascending =
    numbers.length === values.length && numbers.every((value, i) => i === 0 || value >= numbers[i - 1]!);
  if (ascending && numbers.some((value) => !Number.isInteger(value))) return { unit: 's', timeZone: '' };
  return looksLikeDate || isTimely ? { reason: stated.reason } : undefined;
}

/** Values that are not times, and why the first one is not. */
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

function readTimes({ values }: Column, unit: TimestampUnit, timeZone: string): Float64Array {
  return Float64Array.from(values, (value) => {
    try {
      return parseTime(value, unit, timeZone);
    } catch (error) {
      if (error instanceof TimeError) return NaN;
      throw error;
    }
  });
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

/** Fields of numbers by the object that they are in. */
function measurementsBeside({ columns }: Sample): Map<string, number> {
  const counts = new Map<string, number>();
  for (const column of columns)
    if (isNumber(someValues(column, 1)[0]))
      counts.set(parentOf(column), (counts.get(parentOf(column)) ?? 0) + 1);
  return counts;
}
