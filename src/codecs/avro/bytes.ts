/** Avro's binary encoding, byte by byte. It comes from outside: no length in it is believed before its bytes are there. */
import { DecodeError } from '../../errors';
import { parseText } from '../envelope';

/** A place in the bytes of one record. */
export interface Cursor {
  readonly bytes: Buffer;
  at: number;
  /** Steps that are left: a few bytes may not stand for work without end, such as a billion items of no size. */
  steps: number;
  /** Records within records, here. */
  depth: number;
}

/** Records of a recursive type within each other; what nests deeper would end the stack. */
const maxDepth = 100;

/** An item needs a byte as a rule, whatever records it is wrapped in. */
const stepsPerByte = 4;
const freeSteps = 1024;

export function createCursor(bytes: Buffer, at: number): Cursor {
  return { bytes, at, steps: freeSteps + stepsPerByte * (bytes.length - at), depth: 0 };
}

export function damaged(what: string): DecodeError {
  return new DecodeError('damaged_record', `the bytes do not fit their Avro schema: ${what}`);
}

/** Counts one item of a list, or one record. */
export function step(cursor: Cursor): void {
  if (--cursor.steps < 0) throw damaged('they stand for more than they have room for');
}

export function enter(cursor: Cursor): void {
  step(cursor);
  if (++cursor.depth > maxDepth) throw damaged(`records are nested more than ${maxDepth} deep`);
}

/** Moves on by `count` bytes and returns where they begin. */
export function take(cursor: Cursor, count: number): number {
  const from = cursor.at;
  // Negative and huge counts alike.
  if (!(count >= 0 && count <= cursor.bytes.length - from)) throw damaged('they end too early');
  cursor.at = from + count;
  return from;
}

/** A 64-bit whole number; beyond 2^53 the nearest that a double has. */
export function readLong(cursor: Cursor): number {
  const { bytes } = cursor;
  let byte = bytes[take(cursor, 1)]!;
  const negative = (byte & 1) !== 0;
  // Zigzag: the lowest bit is the sign, and all others are the magnitude.
  let magnitude = (byte & 0x7e) >> 1;
  let unit = 64;
  while (byte >= 0x80) {
    if (unit > 2 ** 62) throw damaged('a number has more than ten bytes');
    byte = bytes[take(cursor, 1)]!;
    magnitude += (byte & 0x7f) * unit;
    unit *= 128;
  }
  return negative ? -magnitude - 1 : magnitude;
}

/** The number between two places, exactly. */
export function longText({ bytes }: Cursor, from: number, to: number): string {
  let zigzag = 0n;
  for (let at = to - 1; at >= from; at--) zigzag = (zigzag << 7n) | BigInt(bytes[at]! & 0x7f);
  return String(BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n)));
}

export function readText(cursor: Cursor): string {
  const length = readLong(cursor);
  const from = take(cursor, length);
  return parseText(cursor.bytes.subarray(from, cursor.at));
}

/** A big-endian whole number in two's complement, of any length. */
export function readBigEndian({ bytes }: Cursor, from: number, to: number): number {
  const isNegative = to > from && bytes[from]! >= 0x80;
  let magnitude = 0;
  // The complement of a negative number is its magnitude less one, which stays exact where it is small.
  for (let at = from; at < to; at++)
    magnitude = magnitude * 256 + (isNegative ? 255 - bytes[at]! : bytes[at]!);
  return isNegative ? -magnitude - 1 : magnitude;
}

/**
 * Items of an array or a map, block after block.
 * @returns how many there were
 */
export function eachItem(cursor: Cursor, read: (index: number) => void): number {
  let index = 0;
  for (;;) {
    let count = readLong(cursor);
    if (count === 0) return index;
    if (count < 0) {
      count = -count;
      // The length of the block in bytes: for readers that leave it out, which this one does not trust it with.
      readLong(cursor);
    }
    for (let i = 0; i < count; i++) {
      step(cursor);
      read(index++);
    }
  }
}
