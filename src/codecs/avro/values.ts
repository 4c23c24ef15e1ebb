/** How the values of Avro types are read, and passed over. */
import { DecodeError } from '../../errors';
import {
  damaged,
  eachItem,
  enter,
  longText,
  readBigEndian,
  readLong,
  readText,
  take,
  type Cursor,
} from './bytes';
import type { AvroType } from './schema';

export type Skip = (cursor: Cursor) => void;

/** Passes over a value; `skipOf` gives what passes over its parts. */
export function createSkip(type: AvroType, skipOf: (type: AvroType) => Skip): Skip {
  switch (type.kind) {
    case 'record': {
      const fields = type.fields.map((field) => skipOf(field.type));
      return (cursor) => {
        enter(cursor);
        for (const skip of fields) skip(cursor);
        cursor.depth--;
      };
    }
    case 'union': {
      const branches = type.branches.map(skipOf);
      return (cursor) => {
        const skip = branches[readLong(cursor)];
        if (skip === undefined) throw damaged('a union has no such branch');
        skip(cursor);
      };
    }
    case 'array':
    case 'map': {
      const skip = skipOf(type.kind === 'map' ? type.values : type.items);
      const isMap = type.kind === 'map';
      return (cursor) => {
        eachItem(cursor, () => {
          if (isMap) take(cursor, readLong(cursor));
          skip(cursor);
        });
      };
    }
    default:
      return scalarSkip(type);
  }
}

function scalarSkip(type: AvroType): Skip {
  switch (type.kind) {
    case 'null':
      return () => undefined;
    case 'int':
    case 'long':
    case 'enum':
      return (cursor) => void readLong(cursor);
    case 'bytes':
    case 'string':
      return (cursor) => void take(cursor, readLong(cursor));
    default: {
      const size =
        type.kind === 'boolean' ? 1 : type.kind === 'float' ? 4 : type.kind === 'fixed' ? type.size : 8;
      return (cursor) => void take(cursor, size);
    }
  }
}

/** Of types that are numbers; undefined for others. */
export function numberReaderOf(type: AvroType): ((cursor: Cursor) => number) | undefined {
  switch (type.kind) {
    case 'int':
    case 'long':
      return readLong;
    case 'float':
      return (cursor) => cursor.bytes.readFloatLE(take(cursor, 4));
    case 'double':
      return (cursor) => cursor.bytes.readDoubleLE(take(cursor, 8));
    case 'bytes':
    case 'fixed': {
      if (type.logicalType !== 'decimal') return undefined;
      const unit = 10 ** (type.scale ?? 0);
      const size = type.kind === 'fixed' ? type.size : undefined;
      return (cursor) => {
        const from = take(cursor, size ?? readLong(cursor));
        return readBigEndian(cursor, from, cursor.at) / unit;
      };
    }
    default:
      return undefined;
  }
}

/** What a key, a time or a condition can be; anything else as an object that is none of these. */
export function scalarReaderOf(type: AvroType): (cursor: Cursor) => unknown {
  switch (type.kind) {
    case 'null':
      return () => null;
    case 'boolean':
      return (cursor) => cursor.bytes[take(cursor, 1)] !== 0;
    case 'int':
    case 'long':
      return (cursor) => {
        const from = cursor.at;
        const value = readLong(cursor);
        // Two devices must not become one because their numbers are large.
        return Number.isSafeInteger(value) ? value : longText(cursor, from, cursor.at);
      };
    case 'string':
      return readText;
    case 'enum':
      return (cursor) => {
        const symbol = type.symbols[readLong(cursor)];
        if (symbol === undefined) throw damaged('an enum has no such symbol');
        return symbol;
      };
    default: {
      const readNumber = numberReaderOf(type);
      if (readNumber !== undefined) return readNumber;
      const skip = scalarSkip(type);
      return (cursor) => {
        skip(cursor);
        return {};
      };
    }
  }
}

/** How many of it are a millisecond. */
const perMs = new Map([
  ['timestamp-millis', 1],
  ['timestamp-micros', 1e3],
  ['timestamp-nanos', 1e6],
]);
/** A day, or a time without a zone, would mean another moment on another machine. */
const noMoments = /^(date|time-|local-timestamp-|decimal$|duration$)/;

/** A time as Unix ms, or as the text that it is. */
export function momentOf(value: unknown, type: AvroType): unknown {
  const { logicalType = '' } = type as { logicalType?: string };
  if (value === null) return value;
  if (noMoments.test(logicalType))
    throw new DecodeError('bad_timestamp', `timestamp must be a moment, got a ${logicalType}`);
  const unit = perMs.get(logicalType);
  // Beyond 2^53 it has come as text: nanoseconds always do.
  return unit === undefined ? value : Number(value) / unit;
}
