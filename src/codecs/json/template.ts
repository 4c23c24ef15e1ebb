/**
 * A way past JSON.parse for records that all look alike. One machine's records differ in their numbers and little else, so the text
 * between the values of one of them is a template for the next: it is compared, byte for byte, and only what stands in between
 * is read, straight into columns. Whatever differs in any other way is left to JSON.parse. What the template reads is what
 * JSON.parse would have read, to the last bit; it refuses nothing by itself.
 */

/** What a value of the record is for. */
export type Role =
  | { kind: 'key' }
  | { kind: 'timestamp' }
  /** One of several numbers or texts, by its place in `TemplateValues`. */
  | { kind: 'number'; index: number }
  | { kind: 'text'; index: number };

/** Names of fields, and places in lists, from the record inwards. */
export type Path = readonly (string | number)[];

/** Says what the value at a path is for. */
export interface Roles {
  at(path: Path): Role | 'several' | undefined;
  /** Numbers that there are, used by a record or not. */
  numbers: number;
}

/** What is read of a record; the next one overwrites it. */
export interface TemplateValues {
  key: string | undefined;
  /** Unix ms. */
  timestamp: number | undefined;
  /** By the index of the role; NaN where the record has none. */
  numbers: number[];
  /** Likewise; undefined where the record has none. */
  texts: (string | undefined)[];
}

export interface Templates {
  /** What a record says; undefined where it is like none that was learned. */
  read(bytes: Buffer): TemplateValues | undefined;
  /** Takes a record, known to be a JSON object that can be used, as an example for others. */
  learn(bytes: Buffer): void;
}

/** Templates that are held: producers of several makes write to one topic. */
const maxTemplates = 4;

/** Where all are held, one in so many records that are like none of them is learned in the place of the least recently used. */
const learnEvery = 64;

export function createTemplates(roles: Roles): Templates {
  const intern = createInterner();
  /** The most recently used first. */
  const held: Template[] = [];
  let unlike = 0;
  return {
    read(bytes) {
      for (let i = 0; i < held.length; i++) {
        const template = held[i]!;
        const values = template(bytes);
        if (values === undefined) continue;
        if (i > 0) {
          held.splice(i, 1);
          held.unshift(template);
        }
        return values;
      }
      return undefined;
    },
    learn(bytes) {
      if (held.length === maxTemplates && ++unlike % learnEvery !== 0) return;
      const template = createTemplate(bytes, roles, intern);
      if (template === undefined) return;
      if (held.length === maxTemplates) held.pop();
      held.unshift(template);
    },
  };
}

/** Reads a record if it is like the one that the template was made from. */
type Template = (bytes: Buffer) => TemplateValues | undefined;

const quote = 0x22;
const backslash = 0x5c;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;

/** Records that nest deeper are read by JSON.parse alone, which has no depth at which its stack ends. */
const maxDepth = 32;

/** So are those with more values: each of them takes memory for as long as the template is held. */
const maxSlots = 4096;

/** What stands between two literals. */
const slots = { skippedText: 0, skippedNumber: 1, key: 2, time: 3, timeText: 4, number: 5, text: 6 } as const;

/**
 * Makes a template of a record; undefined where that cannot be done safely: a name that comes twice, a value with two roles,
 * text with escapes, or more of anything than records of sensors have.
 * @param bytes a JSON object
 */
function createTemplate(bytes: Buffer, roles: Roles, intern: Intern): Template | undefined {
  const scanned = scan(bytes, roles);
  if (scanned === undefined) return undefined;
  const { literals, kinds, indices } = scanned;
  const readTime = createTimeReader();
  const numbers = new Array<number>(roles.numbers).fill(NaN);
  const values: TemplateValues = { key: undefined, timestamp: undefined, numbers, texts: [] };
  /** Where the number that was read last ends; below 0 = there was none. */
  let end = 0;

  /** As JSON has it, correctly rounded: up to 15 digits are an integer that a double holds, and so is a power of ten up to 10²². */
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
    // More digits, or an exponent, are for the one who knows how to round.
    const next = bytes[at]! | 0x20;
    if (digits + decimals > 15 || next === 0x65) return 0;
    end = at;
    const value = mantissa / powersOfTen[decimals]!;
    return negative ? -value : value;
  }

  /** Place of the quote that ends a text; −1 where it has escapes, control characters or no end. */
  function endOfText(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === quote) return at;
      if (byte === backslash || byte < 0x20) return -1;
    }
    return -1;
  }

  let view = new DataView(bytes.buffer);

  /** Whether a literal stands at a place, four bytes at a time. */
  function stands(bytes: Uint8Array, { words, rest, length }: Literal, at: number): boolean {
    if (at + length > bytes.length) return false;
    const from = bytes.byteOffset + at;
    for (let i = 0; i < words.length; i++) if (view.getInt32(from + 4 * i, true) !== words[i]) return false;
    const behind = at + 4 * words.length;
    for (let i = 0; i < rest.length; i++) if (bytes[behind + i] !== rest[i]) return false;
    return true;
  }

  return (given) => {
    // Messages of one fetch lie in one buffer.
    if (view.buffer !== given.buffer) view = new DataView(given.buffer);
    let at = 0;
    for (let slot = 0; slot < kinds.length; slot++) {
      const literal = literals[slot]!;
      if (!stands(given, literal, at)) return undefined;
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
      } else if (kind !== slots.skippedText) {
        const text = intern(given, at, close);
        if (text === undefined) return undefined;
        if (kind === slots.key) values.key = text;
        else values.texts[indices[slot]!] = text;
      }
      at = close;
    }
    const last = literals[kinds.length]!;
    return given.length === at + last.length && stands(given, last, at) ? values : undefined;
  };
}

const powersOfTen = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

/** Text that is the same in every record. */
interface Literal {
  length: number;
  /** Its bytes, four at a time, and what is left over. */
  words: Int32Array;
  rest: Uint8Array;
}

function toLiteral(bytes: Uint8Array): Literal {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const words = Int32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getInt32(4 * i, true));
  return { length: bytes.length, words, rest: new Uint8Array(bytes.subarray(4 * words.length)) };
}

interface Scanned {
  /** One more than there are slots. */
  literals: readonly Literal[];
  kinds: readonly number[];
  indices: readonly number[];
}

/** What no template can be made of. */
class Unsuited extends Error {}

/** Cuts a record into what stays and what changes. Its values are read by JSON.parse elsewhere, so it is known to be JSON. */
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
  /** The text whose opening quote is here; moves behind the closing one. */
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
    // `null`, `true` and `false` are part of the literal: a record in which they change is another one.
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
        // JSON.parse takes the last of two.
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

/** Reads `2026-01-31T12:00:00.000Z`, as Date.parse does; NaN for what is written in any other way, or needs a second look. */
function createTimeReader(): (bytes: Uint8Array, from: number, to: number) => number {
  /** Records come in order: most are of the same day as the one before. */
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
    // How far a month goes, and years of two digits, are for Date.parse.
    const isPlain = year >= 1000 && month >= 1 && month <= 12 && date >= 1 && date <= 28;
    if (!isPlain || !(hour < 24) || !(minute < 60) || !(second < 60)) return NaN;
    let ms = 0;
    if (length > 20) {
      const places = length - 21;
      if (!is(19, point) || places === 0) return NaN;
      ms = digits(20, places) * (places === 1 ? 100 : places === 2 ? 10 : 1);
    }
    const code = year * 10_000 + month * 100 + date;
    if (code !== day) {
      day = code;
      dayMs = Date.UTC(year, month - 1, date);
    }
    return dayMs + hour * 3_600_000 + minute * 60_000 + second * 1000 + ms;
  };
}

/** Texts that are held at once. */
const heldTexts = 1 << 16;

/** Text without escapes; undefined where it is empty, or too long to be a key. */
type Intern = (bytes: Buffer, from: number, to: number) => string | undefined;

/** Texts that come again and again, made once: by a hash of their bytes, a later one in the place of an earlier one. */
function createInterner(): Intern {
  const held = new Array<string | undefined>(heldTexts);
  return (bytes, from, to) => {
    const length = to - from;
    if (length === 0 || length > 1024) return undefined;
    let hash = 0x811c9dc5;
    let all = 0;
    for (let i = from; i < to; i++) {
      all |= bytes[i]!;
      hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    }
    if (all > 0x7f) return bytes.toString('utf8', from, to);
    const place = (hash ^ (hash >>> 16)) & (heldTexts - 1);
    const known = held[place];
    if (known?.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[from + i]) i++;
      if (i === length) return known;
    }
    const text = bytes.toString('latin1', from, to);
    held[place] = text;
    return text;
  };
}
