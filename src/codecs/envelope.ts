/** The envelope of a record (key, event time, conditions), and JSON. */
import { isUtf8 } from 'node:buffer';
import { isExact } from '../domain/exact';
import type { RecordBatch } from '../domain/record';
import {
  earliestTime,
  parseTime,
  TimeError,
  tooEarly,
  type TimestampFormat,
  type TimestampUnit,
} from '../domain/time';
import { DecodeError } from '../errors';
import type { Message } from '../sources/source';
import { isObject, type JsonObject } from '../system/json';
import type { EnvelopeFields, RecordContext } from './codec';

/** The envelope of one record, before validation. */
export interface Envelope {
  key: unknown;
  /** Time in the format of `fields.timestampFormat`, Unix time, or ISO 8601. */
  timestamp: unknown;
  /**
   * Unit of a numeric timestamp if the format defines it; `message`: the time is that of the message, in ms; absent =
   * `fields.timestampFormat`.
   */
  unit?: TimestampUnit | 'message' | undefined;
  /** Conditions by name, if it is an object; any other value counts as no conditions. */
  conditions: unknown;
}

/** Reads the envelope of a message whose record is an object. */
export function createEnvelopeReader(
  fields: EnvelopeFields,
): (message: Message, record: JsonObject) => Envelope {
  const readKey = fields.key === '' ? undefined : createPath(fields.key);
  const readTimestamp = fields.timestamp === '' ? undefined : createPath(fields.timestamp);
  const readConditions = createPath(fields.conditions);
  return (message, record) => ({
    key: readKey === undefined ? messageKey(message) : checkText(readKey(record), message),
    timestamp: readTimestamp === undefined ? message.timestamp : readTimestamp(record),
    unit: readTimestamp === undefined ? 'message' : undefined,
    conditions: readConditions(record),
  });
}

/**
 * The key of a message as text.
 * @throws DecodeError if its bytes are not UTF-8, because replacement characters would make different keys equal
 */
export function messageKey({ key }: Message): string | undefined {
  if (key === null || isUtf8(key)) return key?.toString();
  throw new DecodeError(
    'bad_key',
    `the key of the message is not UTF-8 text (${key.length} bytes, 0x${key.toString('hex', 0, 16)}); write it as text, or set fields.key`,
  );
}

/** @throws DecodeError if a key has replacement characters for bytes that are not UTF-8, or half a surrogate pair */
function checkText(key: unknown, { value }: Message): unknown {
  if (typeof key !== 'string') return key;
  const isDamaged = key.includes('\ufffd') && value !== null && !isUtf8(value);
  if (isDamaged || /\p{Surrogate}/u.test(key))
    throw new DecodeError('bad_key', `the key is not UTF-8 text: ${describe(key)}`);
  return key;
}

/**
 * Creates a function that validates an envelope and writes it into row `row` of the batch; `now` is Unix ms, to detect event
 * times in the future. It throws a DecodeError if the envelope is invalid.
 * @param keyField path of the key, for error messages; empty = the key of the message
 */
export function createEnvelopeWriter(
  keyField: string,
  { limits, readConditions, fields: { timestampFormat = 'auto', timeZone } = {} }: EnvelopeContext,
): (envelope: Envelope, batch: RecordBatch, row: number, now: number) => void {
  return ({ key, timestamp: time, unit, conditions }, batch, row, now) => {
    batch.keys[row] = parseKey(key, keyField);
    const timestamp = parseTimestamp(time, unit === 'message' ? 'ms' : (unit ?? timestampFormat), timeZone);
    if (timestamp < earliestTime && timestampFormat === 'auto' && unit !== 'message')
      throw new DecodeError('bad_timestamp', `timestamp ${tooEarly(timestamp)}`);
    if (timestamp > now + limits.maxAheadMs) {
      throw new DecodeError(
        'timestamp_in_future',
        `timestamp ${new Date(timestamp).toISOString()} is ${Math.round((timestamp - now) / 1000)} s in the future`,
      );
    }
    batch.timestamps[row] = timestamp;
    const conditionCount = batch.conditions.length / batch.capacity;
    readConditions(isObject(conditions) ? conditions : {}, batch.conditions, row * conditionCount);
  };
}

type EnvelopeContext = Pick<RecordContext, 'limits' | 'readConditions'> & {
  fields?: Pick<EnvelopeFields, 'timestampFormat' | 'timeZone'>;
};

/**
 * The bytes of a message.
 * @throws DecodeError if there are none, or too many
 */
export function bytesOf(value: Buffer | null, maxBytes: number): Buffer {
  if (value === null || value.length === 0) throw new DecodeError('empty', 'the message has no value');
  if (value.length > maxBytes) {
    throw new DecodeError(
      'too_large',
      `the message has ${value.length} bytes, more than record.maxBytes (${maxBytes})`,
    );
  }
  return value;
}

/** @throws DecodeError if the bytes are not a JSON object */
export function parseObject(bytes: Buffer): JsonObject {
  let record: unknown;
  try {
    record = JSON.parse(bytes.toString());
  } catch (error) {
    throw new DecodeError('not_json', (error as Error).message);
  }
  if (!isObject(record)) throw new DecodeError('not_an_object', 'the message is JSON, but not an object');
  return record;
}

/** Reader of a dotted path, through own properties only: undefined if the path does not exist, the record if it is empty. */
export function createPath(path: string): (record: JsonObject) => unknown {
  const steps = stepsOf(path);
  return (record) => {
    let value: unknown = record;
    for (const step of steps) {
      if (!isObject(value) || !Object.hasOwn(value, step)) return undefined;
      value = value[step];
    }
    return value;
  };
}

/** Names of the fields on a dotted path, in which `\\.` is a dot within a name. */
export function stepsOf(path: string): string[] {
  const steps = path === '' ? [] : path.split(/(?<!\\)\./);
  return steps.map((step) => step.replaceAll('\\.', '.'));
}

/**
 * Text in a binary format.
 * @throws DecodeError if it is not UTF-8, because replacement characters could make different keys equal
 */
export function parseText(bytes: Buffer, from: number, to: number): string {
  // Fast path for the usual case: a view, which other texts need, would cost more than the text.
  if (isAscii(bytes, from, to)) return bytes.toString('latin1', from, to);
  const text = bytes.subarray(from, to);
  if (!isUtf8(text)) throw new DecodeError('damaged_record', 'text is not UTF-8');
  return text.toString();
}

function isAscii(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i]! >= 0x80) return false;
  return true;
}

/** Maximum length of a key: state is kept for thousands of keys. */
const maxKeyLength = 1024;

function parseKey(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '') {
    if (value.length <= maxKeyLength) return value;
    throw new DecodeError(
      'bad_key',
      `the key has ${value.length} characters, more than ${maxKeyLength}: ${describe(value)}…`,
    );
  }
  if (typeof value === 'number' && isExact(value)) return String(value);
  if (typeof value === 'number' && Number.isFinite(value)) {
    throw new DecodeError(
      'bad_key',
      `the key is a number that cannot be read exactly (about ${value}), so it could be that of another device; write it as text`,
    );
  }
  const advice = field.includes('.') ? ' (a dot within a name is written as `\\.`)' : '';
  throw new DecodeError('missing_key', `no key in ${field === '' ? 'the message' : `"${field}"${advice}`}`);
}

function parseTimestamp(value: unknown, format: TimestampFormat, timeZone: string | undefined): number {
  if (value === undefined || value === null)
    throw new DecodeError('missing_timestamp', 'the record has no timestamp');
  try {
    return parseTime(value, format, timeZone);
  } catch (error) {
    if (error instanceof TimeError) throw new DecodeError('bad_timestamp', `timestamp ${error.message}`);
    throw error;
  }
}

/** Short text of a value for an error message; safe for large or deeply nested values. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (isObject(value)) return 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 38)) : String(value);
}
