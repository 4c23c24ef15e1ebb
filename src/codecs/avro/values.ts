/** Readers and skippers for values of Avro types. */
import type { TimestampUnit } from '../../domain/time';
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

/** Creates the skipper of a type; `skipOf` returns the skippers of its parts. */
export function createSkip(type: AvroType, skipOf: (type: AvroType) => Skip): Skip {
  switch (type.kind) {
    case 'record': {
      const fields = type.fields.map((field) => skipOf(field.type));
      return (cursor) => {
        enter(cursor, fields.length);
        for (const skip of fields) skip(cursor);
        cursor.depth--;
      };
    }
    case 'union': {
      const branches = type.branches.map(skipOf);
      return (cursor) => {
        const skip = branches[readLong(cursor)];
        if (skip === undefined) throw damaged('a union has no branch with this index');
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

/** Reader of a numeric type; undefined for other types. */
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

/**
 * Reader of a key, time or condition. Values of other types are skipped and returned as `{}`, which is not valid as any of
 * these.
 */
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
        // Returned exactly, as rounding could make two keys equal.
        return Number.isSafeInteger(value) ? value : longText(cursor, from, cursor.at);
      };
    case 'string':
      return readText;
    case 'enum':
      return (cursor) => {
        const symbol = type.symbols[readLong(cursor)];
        if (symbol === undefined) throw damaged('an enum has no symbol with this index');
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

const units = new Map<string, TimestampUnit>([
  ['timestamp-millis', 'ms'],
  ['timestamp-micros', 'us'],
  ['timestamp-nanos', 'ns'],
]);
/** Types without a time zone, whose meaning depends on the machine, and types that are not times. */
const noMoments = /^(date|time-|local-timestamp-|decimal$|duration$)/;

/**
 * The unit of times of a type; undefined if the schema states none.
 * @throws DecodeError for a type that is not a point in time
 */
export function timeUnitOf(type: AvroType): TimestampUnit | undefined {
  const { logicalType = '' } = type as { logicalType?: string };
  if (noMoments.test(logicalType))
    throw new DecodeError('bad_timestamp', `timestamp must be a point in time, got a ${logicalType}`);
  return units.get(logicalType);
}
