/**
 * Fast reader of JSON records with equal layout. The records of a producer usually differ in their values only, so the text
 * between the values of one record is a template for the next: it is compared byte for byte, and only the values in between
 * are read. Records that differ in another way are left to JSON.parse. The template reads the same values as JSON.parse, to the
 * last bit, and rejects no record by itself.
 */

import { isUtf8 } from 'node:buffer';
import { isDate, utcDay } from '../../domain/calendar';

/** Role of a value in the record. */
export type Role =
  | { kind: 'key' }
  | { kind: 'timestamp' }
  /** One of several numbers or texts, by its index in `TemplateValues`. */
  | { kind: 'number'; index: number }
  | { kind: 'text'; index: number };

/** Names of fields and indices in lists, from the outside inwards. */
export type Path = readonly (string | number)[];

/** The roles of all values, by path. */
export interface Roles {
  at(path: Path): Role | 'several' | undefined;
  /** Number of values with the role `number`. */
  numbers: number;
}

/** The values of a record; overwritten by the next one. */
export interface TemplateValues {
  key: string | undefined;
  /** The number of the record; Unix ms if it was text. */
  timestamp: number | undefined;
  isTimeText: boolean;
  /** By the index of the role; NaN = absent. */
  numbers: number[];
  /** By the index of the role; undefined = absent. */
  texts: (string | undefined)[];
}

export interface Templates {
  /** The values of a record; undefined if no template matches. */
  read(bytes: Buffer): TemplateValues | undefined;
  /** Makes a template of a record, which must be a valid JSON object. */
  learn(bytes: Buffer): void;
}

/** Limit of templates: a topic may have several producers. */
const maxTemplates = 4;

/** If all templates exist, one in this many unmatched records replaces the least recently used template. */
const learnEvery = 64;

export function createTemplates(roles: Roles): Templates {
  const intern = createInterner();
  /** The most recently used template first. */
  const templates: Template[] = [];
  let unlike = 0;
  return {
    read(bytes) {
      for (let i = 0; i < templates.length; i++) {
        const template = templates[i]!;
        const values = template(bytes);
        if (values === undefined) continue;
        if (i > 0) {
          templates.splice(i, 1);
          templates.unshift(template);
        }
        return values;
      }
      return undefined;
    },
    learn(bytes) {
      if (templates.length === maxTemplates && ++unlike % learnEvery !== 0) return;
      const template = createTemplate(bytes, roles, intern);
      if (template === undefined) return;
      if (templates.length === maxTemplates) templates.pop();
      templates.unshift(template);
    },
  };
}

/** Reads a record if it matches the template. */
type Template = (bytes: Buffer) => TemplateValues | undefined;

const quote = 0x22;
const backslash = 0x5c;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;

/** Limit of nesting; JSON.parse reads deeper records, and does not overflow the stack. */
const maxDepth = 32;

/** Limit of values per template, each of which takes memory. */
const maxSlots = 4096;

/** Kinds of values between two literals. */
const slots = { skippedText: 0, skippedNumber: 1, key: 2, time: 3, timeText: 4, number: 5, text: 6 } as const;

/**
 * Makes a template of a record; undefined for a duplicate name, a value with two roles, text with escapes, and records beyond
 * the limits above.
 * @param bytes a JSON object
 */
function createTemplate(bytes: Buffer, roles: Roles, intern: Intern): Template | undefined {
  const scanned = scan(bytes, roles);
  if (scanned === undefined) return undefined;
  const { literals, kinds, indices } = scanned;
  const readTime = createTimeReader();
  const numbers = new Array<number>(roles.numbers).fill(NaN);
  const values: TemplateValues = {
    key: undefined,
    timestamp: undefined,
    isTimeText: false,
    numbers,
    texts: [],
  };
  /** End of the number that was read last; −1 = no number. */
  let end = 0;

  /** A JSON number, correctly rounded: integers of up to 15 digits and powers of ten up to 10²² are exact doubles. */
  function readNumber(bytes: Uint8Array, from: number): number {
    let at = from;
    const negative = bytes[at] === minus;
    if (negative) at++;
    const first = bytes[at]!;
    let mantissa = 0;
    let digits = 0;
    for (let byte = first; byte >= zero && byte <= nine; byte = bytes[++at]!, digits++)
      mantissa = mantissa * 10 + (byte - zero);
    end = -1;
    if (digits === 0 || (first === zero && digits > 1)) return 0;
    let decimals = 0;
    if (bytes[at] === point) {
      const begin = ++at;
      for (let byte = bytes[at]!; byte >= zero && byte <= nine; byte = bytes[++at]!)
        mantissa = mantissa * 10 + (byte - zero);
      decimals = at - begin;
      if (decimals === 0) return 0;
    }
    // Numbers with more digits or an exponent are left to JSON.parse.
    const next = bytes[at]! | 0x20;
    if (digits + decimals > 15 || next === 0x65) return 0;
    end = at;
    const value = mantissa / powersOfTen[decimals]!;
    return negative ? -value : value;
  }

  /** Position of the quote that ends a text; −1 = escapes, control characters or no end. */
  function endOfText(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === quote) return at;
      if (byte === backslash || byte < 0x20) return -1;
    }
    return -1;
  }

  let view = new DataView(bytes.buffer);

  /** Whether a literal is at a position; compares four bytes at a time. */
  function isAt(bytes: Uint8Array, { words, rest, length }: Literal, at: number): boolean {
    if (at + length > bytes.length) return false;
    const from = bytes.byteOffset + at;
    for (let i = 0; i < words.length; i++) if (view.getInt32(from + 4 * i, true) !== words[i]) return false;
    const after = at + 4 * words.length;
    for (let i = 0; i < rest.length; i++) if (bytes[after + i] !== rest[i]) return false;
    return true;
  }

  return (given) => {
    // The messages of a fetch share one buffer.
    if (view.buffer !== given.buffer) view = new DataView(given.buffer);
    let at = 0;
    for (let slot = 0; slot < kinds.length; slot++) {
      const literal = literals[slot]!;
      if (!isAt(given, literal, at)) return undefined;
      at += literal.length;
      const kind = kinds[slot]!;
      if (kind === slots.number || kind === slots.time || kind === slots.skippedNumber) {
        const value = readNumber(given, at);
        if (end < 0) return undefined;
        at = end;
        if (kind === slots.number) numbers[indices[slot]!] = value;
        else if (kind === slots.time) values.timestamp = value;
        continue;
      }
      const close = endOfText(given, at);
      if (close < 0) return undefined;
      if (kind === slots.timeText) {
        const time = readTime(given, at, close);
        if (Number.isNaN(time)) return undefined;
        values.timestamp = time;
        values.isTimeText = true;
      } else if (kind !== slots.skippedText) {
        const text = intern(given, at, close);
        if (text === undefined) return undefined;
        if (kind === slots.key) values.key = text;
        else values.texts[indices[slot]!] = text;
      }
      at = close;
    }
    const last = literals[kinds.length]!;
    return given.length === at + last.length && isAt(given, last, at) ? values : undefined;
  };
}

const powersOfTen = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

/** Text that is the same in every record. */
interface Literal {
  length: number;
  /** The bytes as words of four, and the remaining bytes. */
  words: Int32Array;
  rest: Uint8Array;
}

function toLiteral(bytes: Uint8Array): Literal {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const words = Int32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getInt32(4 * i, true));
  return { length: bytes.length, words, rest: new Uint8Array(bytes.subarray(4 * words.length)) };
}

interface Scanned {
  /** One more than `kinds`. */
  literals: readonly Literal[];
  kinds: readonly number[];
  indices: readonly number[];
}

/** The record is not suited as a template. */
class Unsuited extends Error {}

/** Splits a record, which must be valid JSON, into literals and values; undefined if it is not suited as a template. */
function scan(bytes: Buffer, roles: Roles): Scanned | undefined {
  const literals: Literal[] = [];
  const kinds: number[] = [];
  const indices: number[] = [];
  const taken = new Set<string>();
  let at = 0;
  let literalFrom = 0;

  const byte = (): number => {
    const value = bytes[at];
    if (value === undefined) throw new Unsuited();
    return value;
  };
  const skipSpace = (): void => {
    while ([0x20, 0x09, 0x0a, 0x0d].includes(bytes[at]!)) at++;
  };
  /** The text that starts at this position; advances past its closing quote. */
  function text(): { from: number; to: number } {
    if (byte() !== quote) throw new Unsuited();
    const from = ++at;
    for (; byte() !== quote; at++) if (byte() === backslash || byte() < 0x20) throw new Unsuited();
    return { from, to: at++ };
  }
  function slot(kind: number, index: number, from: number, to: number): void {
    if (kinds.length === maxSlots) throw new Unsuited();
    literals.push(toLiteral(bytes.subarray(literalFrom, from)));
    kinds.push(kind);
    indices.push(index);
    literalFrom = to;
  }
  function scalar(path: Path): void {
    const role = roles.at(path);
    if (role === 'several') throw new Unsuited();
    if (role !== undefined) {
      const name = `${role.kind} ${'index' in role ? role.index : ''}`;
      if (taken.has(name)) throw new Unsuited();
      taken.add(name);
    }
    if (byte() === quote) {
      const { from, to } = text();
      if (role?.kind === 'number') throw new Unsuited();
      const kind =
        role === undefined
          ? slots.skippedText
          : role.kind === 'key'
            ? slots.key
            : role.kind === 'text'
              ? slots.text
              : slots.timeText;
      slot(kind, role !== undefined && 'index' in role ? role.index : 0, from, to);
      return;
    }
    const from = at;
    while (at < bytes.length && !', }]\t\n\r'.includes(String.fromCharCode(byte()))) at++;
    const isNumber = byteIsNumber(bytes[from]!);
    // `null`, `true` and `false` are part of the literal.
    if (!isNumber) {
      if (role !== undefined) throw new Unsuited();
      return;
    }
    if (role?.kind === 'key' || role?.kind === 'text') throw new Unsuited();
    const kind =
      role === undefined ? slots.skippedNumber : role.kind === 'number' ? slots.number : slots.time;
    slot(kind, role !== undefined && 'index' in role ? role.index : 0, from, at);
  }
  function value(path: Path): void {
    skipSpace();
    const opened = byte();
    if (opened !== 0x7b && opened !== 0x5b) {
      scalar(path);
      return;
    }
    if (path.length === maxDepth || roles.at(path) !== undefined) throw new Unsuited();
    const isObject = opened === 0x7b;
    const closing = isObject ? 0x7d : 0x5d;
    const names = new Set<string>();
    at++;
    skipSpace();
    for (let i = 0; byte() !== closing; i++) {
      let name: string | number = i;
      if (isObject) {
        skipSpace();
        const { from, to } = text();
        name = bytes.toString('utf8', from, to);
        // JSON.parse takes the last of two equal names.
        if (names.has(name)) throw new Unsuited();
        names.add(name);
        skipSpace();
        if (bytes[at++] !== 0x3a) throw new Unsuited();
      }
      value([...path, name]);
      skipSpace();
      if (byte() === 0x2c) {
        at++;
        skipSpace();
      }
    }
    at++;
  }
  try {
    value([]);
    literals.push(toLiteral(bytes.subarray(literalFrom)));
    return { literals, kinds, indices };
  } catch (error) {
    if (error instanceof Unsuited) return undefined;
    throw error;
  }
}

function byteIsNumber(byte: number): boolean {
  return byte === minus || (byte >= zero && byte <= nine);
}

/** Reads `2026-01-31T12:00:00.000Z` as `parseTime` does; NaN = left to it. */
function createTimeReader(): (bytes: Uint8Array, from: number, to: number) => number {
  /** Cached day, because consecutive records are mostly of the same day. */
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

/** Size of the cache of texts. */
const cachedTexts = 1 << 16;

/** The text between two positions; undefined if it is empty, too long for a key, or not UTF-8. */
type Intern = (bytes: Buffer, from: number, to: number) => string | undefined;

/** Creates repeated texts once: a cache by the hash of their bytes, in which a new text replaces an old one. */
function createInterner(): Intern {
  const texts = new Array<string | undefined>(cachedTexts);
  return (bytes, from, to) => {
    const length = to - from;
    if (length === 0 || length > 1024) return undefined;
    let hash = 0x811c9dc5;
    let all = 0;
    for (let i = from; i < to; i++) {
      all |= bytes[i]!;
      hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    }
    if (all > 0x7f) return isUtf8(bytes.subarray(from, to)) ? bytes.toString('utf8', from, to) : undefined;
    const place = (hash ^ (hash >>> 16)) & (cachedTexts - 1);
    const known = texts[place];
    if (known?.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[from + i]) i++;
      if (i === length) return known;
    }
    const text = bytes.toString('latin1', from, to);
    texts[place] = text;
    return text;
  };
}
