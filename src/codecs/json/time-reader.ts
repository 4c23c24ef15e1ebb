/** Reads times without creating their text. */
import { isDate, utcDay } from '../../domain/calendar';

const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;

/** Reads `2026-01-31T12:00:00.000Z` like `parseTime`; NaN = `parseTime` must read the text. */
export function createTimeReader(): (bytes: Uint8Array, from: number, to: number) => number {
  /** The day is cached, as consecutive records are mostly of the same day. */
  let day = -1;
  let dayMs = NaN;
  return (bytes, from, to) => {
    const length = to - from;
    if (length < 20 || length > 24 || bytes[to - 1] !== 0x5a) return NaN;
    const digits = (at: number, count: number): number => {
      let number = 0;
      for (let i = at; i < at + count; i++) {
        const digit = bytes[from + i]! - zero;
        if (digit < 0 || digit > 9) return NaN;
        number = number * 10 + digit;
      }
      return number;
    };
    const is = (at: number, byte: number): boolean => bytes[from + at] === byte;
    if (!is(4, minus) || !is(7, minus) || !is(10, 0x54) || !is(13, 0x3a) || !is(16, 0x3a)) return NaN;
    const [year, month, date] = [digits(0, 4), digits(5, 2), digits(8, 2)];
    const [hour, minute, second] = [digits(11, 2), digits(14, 2), digits(17, 2)];
    if (!(hour < 24) || !(minute < 60) || !(second < 60)) return NaN;
    let ms = 0;
    if (length > 20) {
      const places = length - 21;
      if (!is(19, point) || places === 0) return NaN;
      ms = digits(20, places) * (places === 1 ? 100 : places === 2 ? 10 : 1);
    }
    const code = year * 10_000 + month * 100 + date;
    if (code !== day) {
      if (!isDate(year, month, date)) return NaN;
      day = code;
      dayMs = utcDay(year, month, date);
    }
    return dayMs + hour * 3_600_000 + minute * 60_000 + second * 1000 + ms;
  };
}
