/** Splits a JSON record into the values that have a role, and the literals between them. */

/** Role of a value in the record. */
export type Role =
  | { kind: 'key' }
  | { kind: 'timestamp' }
  /** A number or text, by its index in `TemplateValues`. */
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

const quote = 0x22;
const backslash = 0x5c;

/** Maximum depth. JSON.parse reads deeper records without a stack overflow. */
const maxDepth = 32;

/** Limit of values per template, each of which takes memory. */
const maxSlots = 4096;

/** Kinds of values between two literals. */
export const slots = {
  skippedText: 0,
  skippedNumber: 1,
  key: 2,
  time: 3,
  timeText: 4,
  number: 5,
  text: 6,
} as const;

/** Text that is equal in all records of the layout. */
export interface Literal {
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

export interface Scanned {
  /** Literals around the values: one more than `kinds`. */
  literals: readonly Literal[];
  kinds: readonly number[];
  indices: readonly number[];
}

/** The record cannot be used as a template. */
class Unsuited extends Error {}

/** Splits a record, which must be valid JSON, into literals and values; undefined if it cannot be used as a template. */
export function scan(bytes: Buffer, roles: Roles): Scanned | undefined {
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
    // `null`, `true` and `false` become part of the literal.
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
        // Of two equal names, JSON.parse uses the last one.
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
  return byte === 0x2d || (byte >= 0x30 && byte <= 0x39);
}
