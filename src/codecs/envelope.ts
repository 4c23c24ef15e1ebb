/** What records have around what was measured: a key, an event time, conditions; and JSON itself. */
import { isUtf8 } from 'node:buffer';
import type { ReadConditions } from '../domain/condition';
import type { RecordBatch } from '../domain/record';
import { DecodeError } from '../errors';
import type { Message } from '../sources/source';

/** Where to find what: dotted paths into the record. */
export interface EnvelopeFields {
  /** Empty = the message's own key. */
  key: string;
  /** Empty = the transport's time. */
  timestamp: string;
  /** Empty = the record itself. */
  conditions: string;
}

/** Where to find the values of a sensor record, too. */
export interface RecordFields extends EnvelopeFields {
  /** Empty = the record itself. */
  values: string;
}

export interface DecodeLimits {
  /** Larger messages are refused unread. */
  maxBytes: number;
  /** Event times further in the future than this are refused. */
  maxAheadMs: number;
}

export type JsonObject = Record<string, unknown>;

/** What stands around the values of one record, as it was found there. */
export interface Envelope {
  key: unknown;
  /** Unix ms, or ISO 8601 with a zone. */
  timestamp: unknown;
  /** By name; anything but an object counts as none. */
  conditions: unknown;
}

/** Finds the envelope of a message whose record is an object. */
export function createEnvelopeReader(
  fields: EnvelopeFields,
): (message: Message, record: JsonObject) => Envelope {
  const readKey = fields.key === '' ? undefined : createPath(fields.key);
  const readTimestamp = fields.timestamp === '' ? undefined : createPath(fields.timestamp);
  const readConditions = createPath(fields.conditions);
  return (message, record) => ({
    key: readKey === undefined ? message.key?.toString() : readKey(record),
    timestamp: readTimestamp === undefined ? message.timestamp : readTimestamp(record),
    conditions: readConditions(record),
  });
}

/**
 * Writes key, event time and conditions of one message into row `row` of the batch.
 * @param now Unix ms, what "in the future" is measured from
 * @throws DecodeError saying what is wrong with it
 */
export type WriteEnvelope = (envelope: Envelope, batch: RecordBatch, row: number, now: number) => void;

/** @param keyField path of the key, for messages; empty = the message's own */
export function createEnvelopeWriter(
  keyField: string,
  limits: Pick<DecodeLimits, 'maxAheadMs'>,
  readConditions: ReadConditions,
): WriteEnvelope {
  return ({ key, timestamp: time, conditions }, batch, row, now) => {
    batch.keys[row] = parseKey(key, keyField);
    const timestamp = parseTimestamp(time);
    if (timestamp > now + limits.maxAheadMs) {
      throw new DecodeError(
        'timestamp_in_future',
        `timestamp ${new Date(timestamp).toISOString()} is ${Math.round((timestamp - now) / 1000)} s ahead`,
      );
    }
    batch.timestamps[row] = timestamp;
    const conditionCount = batch.conditions.length / batch.capacity;
    readConditions(isObject(conditions) ? conditions : {}, batch.conditions, row * conditionCount);
  };
}

/**
 * The bytes of a message.
 * @throws DecodeError when there are none, or too many
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

/** @throws DecodeError when the bytes are no JSON object */
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

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads a dotted path; undefined where it ends early, the record itself where it is empty. Looks at own properties only. */
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

/** Names of the fields on a dotted path. */
export function stepsOf(path: string): string[] {
  return path === '' ? [] : path.split('.');
}

/**
 * Text of a binary format.
 * @throws DecodeError when it is no UTF-8: keys that differ must not become the same one
 */
export function parseText(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new DecodeError('damaged_record', 'text that is not UTF-8');
  return bytes.toString();
}

/** Windows are held by key: ten thousand keys must not be gigabytes. */
const maxKeyLength = 1024;

function parseKey(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '') {
    if (value.length <= maxKeyLength) return value;
    throw new DecodeError(
      'bad_key',
      `the key has ${value.length} characters, more than ${maxKeyLength}: ${describe(value)}…`,
    );
  }
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  throw new DecodeError('missing_key', `no key in ${field === '' ? 'the message' : `"${field}"`}`);
}

/** Dates of more than 8.64e15 ms do not exist (ECMA-262, §21.4.1.1). */
const maxTimestamp = 8.64e15;

/** A time with neither zone nor offset would mean another moment on another machine. */
const isoWithZone = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})$/i;

function parseTimestamp(value: unknown): number {
  if (value === undefined || value === null)
    throw new DecodeError('missing_timestamp', 'the record has no timestamp');
  if (typeof value === 'number' && Math.abs(value) <= maxTimestamp) return value;
  if (typeof value === 'string' && isoWithZone.test(value)) {
    const timestamp = Date.parse(value);
    if (!Number.isNaN(timestamp)) return timestamp;
  }
  throw new DecodeError(
    'bad_timestamp',
    `timestamp must be Unix milliseconds or ISO 8601 with a zone, got ${describe(value)}`,
  );
}

/** A value for a message: short, however large it is, and not followed into, however deep it goes. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (isObject(value)) return 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 38)) : String(value);
}
