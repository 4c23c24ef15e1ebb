import fc from 'fast-check';
import { parseTime, TimeError, type TimestampFormat } from '../../src/domain/time';
import { createTimePattern } from '../../src/domain/time-pattern';

const time = Date.UTC(2026, 2, 1, 12, 30, 15);

test.each<[string, unknown, number]>([
  ['milliseconds', time, time],
  ['milliseconds with a fraction', time + 0.25, time + 0.25],
  ['seconds', time / 1000, time],
  ['seconds with a fraction', time / 1000 + 0.123, time + 123],
  ['microseconds', time * 1000, time],
  ['nanoseconds', time * 1e6, time],
  ['milliseconds as text', String(time), time],
  ['seconds as text', String(time / 1000), time],
  ['seconds as text with a decimal comma', `${time / 1000},5`, time + 500],
  ['nanoseconds as text', `${time}000000`, time],
  ['the first second with ten digits', 1_000_000_000, 1e12],
  ['the last second with ten digits', 9_999_999_999, 9_999_999_999_000],
  ['ISO 8601', '2026-03-01T12:30:15Z', time],
  ['ISO 8601 in the basic format', '20260301T123015Z', time],
  ['a space', '2026-03-01 12:30:15Z', time],
  ['small letters', '2026-03-01t12:30:15z', time],
  ['an offset', '2026-03-01T14:00:15+01:30', time],
  ['an offset without a colon', '2026-03-01T11:00:15-0130', time],
  ['an offset of hours', '2026-03-01 12:30:15+00', time],
  ['a space before the offset', '2026-03-01 13:30:15 +0100', time],
  ['UTC', '2026-03-01 12:30:15 UTC', time],
  ['a point before the fraction', '2026-03-01T12:30:15.5Z', time + 500],
  ['a comma before the fraction', '2026-03-01T12:30:15,250Z', time + 250],
  ['microseconds in the fraction', '2026-03-01T12:30:15.123456Z', time + 123.456],
  ['no seconds', '2026-03-01T12:30Z', time - 15_000],
  ['spaces around', ' 2026-03-01T12:30:15Z ', time],
  ['the end of a day', '2026-03-01T24:00:00Z', Date.UTC(2026, 2, 2)],
  ['a leap day', '2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ['a year of one digit', '0004-02-29T00:00:00Z', Date.parse('0004-02-29T00:00:00Z')],
])('reads %s', (_, value, expected) => {
  expect(parseTime(value)).toBe(expected);
});

test.each([
  ['dd.MM.yyyy HH:mm:ss', '01.03.2026 12:30:15', time],
  ['dd.MM.yyyy HH:mm:ss', '1.3.2026 12:30:15', time],
  ['dd.MM.yyyy HH:mm', '01.03.2026 12:30', time - 15_000],
  ['M/d/yyyy h:mm:ss a', '3/1/2026 12:30:15 PM', time],
  ['M/d/yyyy h:mm:ss a', '3/1/2026 12:30:15 a.m.', time - 12 * 3_600_000],
  ['MM/dd/yy HH:mm:ss', '03/01/26 12:30:15', time],
  ['dd-MMM-yyyy HH:mm:ss', '01-Mar-2026 12:30:15', time],
  ['d MMMM yyyy, HH:mm:ss', '1 march 2026,  12:30:15', time],
  ['dd-MMM-yyyy HH:mm:ss.SSS', '01-MAR-2026 12:30:15.250', time + 250],
  ['yyyyMMddHHmmss', '20260301123015', time],
  ["yyyy/MM/dd'T'HH:mm:ssX", '2026/03/01T14:00:15+01:30', time],
  ['dd.MM.yyyy HH:mm:ss', '2026-03-01T12:30:15Z', time],
  ['dd.MM.yyyy HH:mm:ss', time, time],
  ['dd.MM.yy HH:mm', '31.12.69 23:00', Date.UTC(1969, 11, 31, 23)],
])('reads the pattern %s: %s', (pattern, value, expected) => {
  expect(parseTime(value, pattern, 'UTC')).toBe(expected);
});

test('reads a pattern in a time zone', () => {
  expect(parseTime('01.07.2026 12:00', 'dd.MM.yyyy HH:mm', 'Europe/Berlin')).toBe(Date.UTC(2026, 6, 1, 10));
});

test.each([
  [
    'of another form',
    '2026/03/01 12:00',
    'UTC',
    /must be like "dd\.MM\.yyyy HH:mm".*got "2026\/03\/01 12:00"/,
  ],
  ['with a date that does not exist', '30.02.2026 12:00', 'UTC', /a date that does not exist/],
  ['with an hour that does not exist', '01.03.2026 25:00', 'UTC', /a time of day that does not exist/],
  ['without a zone', '01.03.2026 12:00', '', /has no zone.*fields\.timeZone/],
])('refuses a text %s', (_, value, zone, message) => {
  expect(() => parseTime(value, 'dd.MM.yyyy HH:mm', zone)).toThrow(message);
});

test.each([
  ['dd.MM HH:mm', 'lacks yyyy or yy'],
  ['dd.MM.yyyy', 'lacks H or h'],
  ['dd.MM.yyyy hh:mm', 'needs h and a together, or H'],
  ['dd.MM.yyyy HH:mm:ss QQ', 'has QQ, which is none of'],
  ['DD.MM.YYYY HH:mm', 'has DD, which is none of'],
  ["dd.MM.yyyy HH'Uhr", 'has an opening quote without a closing one'],
  ['dd.dd.MM.yyyy HH', 'names a part of the time twice'],
])('refuses the pattern %s', (pattern, message) => {
  expect(() => createTimePattern(pattern)).toThrow(message);
});

test.each<[string, unknown, RegExp]>([
  ['a time without a zone', '2026-03-01T12:30:15', /has no zone.*got "2026-03-01T12:30:15"; add Z/],
  ['a time without a zone, with a space', '2026-03-01 12:30:15', /has no zone/],
  ['a day', '2026-03-01', /has no zone/],
  ['30 February', '2026-02-30T00:00:00Z', /date that does not exist/],
  ['29 February of a common year', '2025-02-29T00:00:00Z', /date that does not exist/],
  ['29 February 1900', '1900-02-29T00:00:00Z', /date that does not exist/],
  ['31 April', '2026-04-31T00:00:00Z', /date that does not exist/],
  ['month 13', '2026-13-01T00:00:00Z', /date that does not exist/],
  ['day 0', '2026-03-00T00:00:00Z', /date that does not exist/],
  ['hour 25', '2026-03-01T25:00:00Z', /time of day/],
  ['a time after 24:00', '2026-03-01T24:00:01Z', /time of day/],
  ['minute 60', '2026-03-01T12:60:00Z', /time of day/],
  ['second 60', '2026-03-01T12:30:60Z', /time of day/],
  ['an offset of a day', '2026-03-01T12:30:15+24:00', /offset/],
  ['a row number', 17, /not a Unix time.*got 17; .*fields\.timestampFormat/],
  ['a row number as text', '17', /fields\.timestampFormat/],
  ['seconds before 2001', 999_999_999, /fields\.timestampFormat/],
  ['seconds after 2286', 10_000_000_000, /fields\.timestampFormat/],
  ['milliseconds before 2001', 999_999_999_999, /fields\.timestampFormat/],
  ['a date as a number', '20260301', /fields\.timestampFormat/],
  ['a time before 1970', -1, /fields\.timestampFormat/],
  ['infinity', Infinity, /must be ISO 8601/],
  ['NaN', NaN, /must be ISO 8601/],
  ['an exponent, which may have lost digits', '1.77232E+12', /must be ISO 8601/],
  ['nothing', '', /must be ISO 8601.*got ""/],
  ['a word', 'yesterday', /must be ISO 8601/],
  ['undefined', undefined, /got the type undefined/],
  ['a list', [time], /got a list/],
])('rejects %s', (_, value, reason) => {
  expect(() => parseTime(value)).toThrow(TimeError);
  expect(() => parseTime(value)).toThrow(reason);
});

test.each([17, '2026-03-01 12:30:15'])('the problem of %j names no setting, unlike the message', (value) => {
  let error: unknown;
  try {
    parseTime(value);
  } catch (thrown) {
    error = thrown;
  }
  const { problem, message } = error as TimeError;
  expect(message).toMatch(/set fields\./);
  expect(message.startsWith(problem)).toBe(true);
  expect(problem).not.toContain('fields.');
});

test.each<[TimestampFormat, unknown, number]>([
  ['s', 17, 17_000],
  ['s', '17.5', 17_500],
  ['ms', 17, 17],
  ['us', 17_000, 17],
  ['ns', '17000000', 17],
  ['ms', time / 1000, time / 1000],
  ['s', -1, -1000],
])('the unit %s applies to any number', (unit, value, expected) => {
  expect(parseTime(value, unit)).toBe(expected);
});

test('a unit has no influence on ISO 8601', () => {
  expect(parseTime('2026-03-01T12:30:15Z', 's')).toBe(time);
});

test('a number beyond all dates is rejected with any unit', () => {
  for (const unit of ['s', 'ms', 'us', 'ns'] as const)
    expect(() => parseTime(1e300, unit)).toThrow(TimeError);
});

test('reads every valid date as Date.parse does', () => {
  const dates = fc.date({
    min: new Date('0000-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  });
  fc.assert(fc.property(dates, (date) => parseTime(date.toISOString()) === date.getTime()));
});

test('reads a time in each unit alike', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1e12, max: 4e12 }), (ms) => {
      const read = [ms, ms / 1000, ms * 1000, String(ms), new Date(ms).toISOString()].map((one) =>
        parseTime(one),
      );
      expect(read).toEqual(Array(5).fill(ms));
      expect(parseTime(`${ms}000000`)).toBeCloseTo(ms, 2);
    }),
  );
});

test.each([
  ['2026-01-31 12:00:00', 'UTC', '2026-01-31T12:00:00Z'],
  ['2026-01-31 12:00', 'Europe/Berlin', '2026-01-31T11:00:00Z'],
  ['2026-07-01T12:00:00.5', 'Europe/Berlin', '2026-07-01T10:00:00.500Z'],
  ['2026-07-01T12:00:00Z', 'Europe/Berlin', '2026-07-01T12:00:00Z'],
  // Clocks go back at 03:00 summer time: the first of the two.
  ['2026-10-25 02:30:00', 'Europe/Berlin', '2026-10-25T00:30:00Z'],
  ['2026-10-25 03:30:00', 'Europe/Berlin', '2026-10-25T02:30:00Z'],
  // Clocks go forward at 02:00: this time does not exist.
  ['2026-03-29 02:30:00', 'Europe/Berlin', '2026-03-29T01:30:00Z'],
  ['2026-03-29 03:30:00', 'Europe/Berlin', '2026-03-29T01:30:00Z'],
  ['2026-03-08 12:00:00', 'America/New_York', '2026-03-08T16:00:00Z'],
])('%s in %s is %s', (text, timeZone, expected) => {
  expect(parseTime(text, 'auto', timeZone)).toBe(Date.parse(expected));
});
