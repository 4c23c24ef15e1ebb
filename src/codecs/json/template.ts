/**
 * Fast reader for JSON records with the same layout. The records of a producer usually differ only in their values, so the text
 * between the values of one record is a template for the next. It is compared byte by byte, and only the values are read.
 * Records that differ otherwise are left to JSON.parse. The template reads exactly the same values as JSON.parse, and rejects
 * no record by itself.
 */
import { slots, scan, type Roles, type Literal } from './template-scan';
import { createTimeReader } from './time-reader';
import { createInterner, type Intern } from './interner';

/** The values of a record; the next record overwrites them. */
export interface TemplateValues {
  key: string | undefined;
  /** Timestamp: the number in the record, or Unix ms if it was text. */
  timestamp: number | undefined;
  isTimeText: boolean;
  /** Numbers by the index of the role; NaN = absent. */
  numbers: number[];
  /** Texts by the index of the role; undefined = absent. */
  texts: (string | undefined)[];
}

export interface Templates {
  /** The values of a record; undefined if no template matches. */
  read(bytes: Buffer): TemplateValues | undefined;
  /** Makes a template from a record, which must be a valid JSON object. */
  learn(bytes: Buffer): void;
}

/** Limit of templates: a topic may have several producers. */
const maxTemplates = 4;

/** Once all templates exist, one in this many unmatched records replaces the least recently used one. */
const learnEvery = 64;

export function createTemplates(roles: Roles): Templates {
  const intern = createInterner();
  /** Templates, the most recently used first. */
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

/**
 * Makes a template from a record. Undefined for a duplicate name, a value with two roles, text with escapes, and records above
 * the limits.
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
  /** End of the last number that was read; −1 = not a number. */
  let end = 0;

  /**
   * Parses a JSON number with correct rounding: integers of up to 15 digits and powers of ten up to 10²² are exact doubles.
   */
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

  /** Position of the quote that ends a text; −1 if it has escapes or control characters, or no end. */
  function endOfText(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === quote) return at;
      if (byte === backslash || byte < 0x20) return -1;
    }
    return -1;
  }

  let view = new DataView(bytes.buffer);

  /** Whether a literal is at a position. Four bytes at a time are compared. */
  function isAt(bytes: Uint8Array, { words, rest, length }: Literal, at: number): boolean {
    if (at + length > bytes.length) return false;
    const from = bytes.byteOffset + at;
    for (let i = 0; i < words.length; i++) if (view.getInt32(from + 4 * i, true) !== words[i]) return false;
    const after = at + 4 * words.length;
    for (let i = 0; i < rest.length; i++) if (bytes[after + i] !== rest[i]) return false;
    return true;
  }

  return (given) => {
    // The messages of a fetch share one buffer, and so one view.
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
