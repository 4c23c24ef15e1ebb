/** Reads Avro's binary encoding. The bytes are untrusted: each length is checked against the remaining bytes. */
import { DecodeError } from '../../errors';
import { parseText } from '../envelope';

/** A position in the bytes of one record. */
export interface Cursor {
  readonly bytes: Buffer;
  at: number;
  /** Remaining steps: limits the work per byte, because a few bytes can encode a billion items of size 0. */
  steps: number;
  /** Depth of nested records at this position. */
  depth: number;
}

/** Limit for nested records of a recursive type, before the stack overflows. */
const maxDepth = 100;

/** An item usually has at least one byte, but may be counted in several nested records. */
const stepsPerByte = 4;
const freeSteps = 1024;

export function createCursor(bytes: Buffer, at: number): Cursor {
  return { bytes, at, steps: freeSteps + stepsPerByte * (bytes.length - at), depth: 0 };
}

export function damaged(what: string): DecodeError {
  return new DecodeError('damaged_record', `the bytes do not match their Avro schema: ${what}`);
}

/** Counts items of an array or map, or a record and its fields. */
export function step(cursor: Cursor, count = 1): void {
  cursor.steps -= count;
  if (cursor.steps < 0) throw damaged('they encode more items than their size allows');
}

/** Begins a record, whose fields may take no bytes. */
export function enter(cursor: Cursor, fields: number): void {
  step(cursor, 1 + fields);
  if (++cursor.depth > maxDepth) throw damaged(`records are nested more than ${maxDepth} deep`);
}

/** Advances by `count` bytes and returns their start. */
export function take(cursor: Cursor, count: number): number {
  const from = cursor.at;
  // The comparison is also false for NaN, negative and huge counts.
  if (!(count >= 0 && count <= cursor.bytes.length - from)) throw damaged('the record is truncated');
  cursor.at = from + count;
  return from;
}

/** A 64-bit whole number; beyond 2^53, the nearest double. */
export function readLong(cursor: Cursor): number {
  const { bytes } = cursor;
  let byte = bytes[take(cursor, 1)]!;
  const negative = (byte & 1) !== 0;
  // Zigzag encoding: the lowest bit is the sign, the others are the magnitude.
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

/** The exact 64-bit number between two positions, as text. */
export function longText({ bytes }: Cursor, from: number, to: number): string {
  let zigzag = 0n;
  for (let at = to - 1; at >= from; at--) zigzag = (zigzag << 7n) | BigInt(bytes[at]! & 0x7f);
  return String(BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n)));
}

export function readText(cursor: Cursor): string {
  const length = readLong(cursor);
  const from = take(cursor, length);
  return parseText(cursor.bytes, from, cursor.at);
}

/** A big-endian whole number in two's complement, of any length. */
export function readBigEndian({ bytes }: Cursor, from: number, to: number): number {
  const isNegative = to > from && bytes[from]! >= 0x80;
  let magnitude = 0;
  // Accumulates the complement of a negative number, −n − 1, which stays exact for small n.
  for (let at = from; at < to; at++)
    magnitude = magnitude * 256 + (isNegative ? 255 - bytes[at]! : bytes[at]!);
  return isNegative ? -magnitude - 1 : magnitude;
}

/**
 * Reads the items of an array or map, block after block.
 * @returns the number of items
 */
export function eachItem(cursor: Cursor, read: (index: number) => void): number {
  let index = 0;
  for (;;) {
    let count = readLong(cursor);
    if (count === 0) return index;
    if (count < 0) {
      count = -count;
      // The length of the block in bytes is untrusted and not needed.
      readLong(cursor);
    }
    for (let i = 0; i < count; i++) {
      step(cursor);
      read(index++);
    }
  }
}
