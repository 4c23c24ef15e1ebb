/** JSON records, e.g. `{"key": "pump-3", "timestamp": "2026-01-31T12:00:00Z", "values": {"flow": 1.2}}`. */
import type { ReadConditions } from '../../domain/condition';
import type { RecordBatch, RecordSchema } from '../../domain/record';
import { DecodeError } from '../../errors';
import type { Message } from '../source';

/** Where to find what: dotted paths into the record. */
export interface JsonFields {
  /** Empty = the message's own key. */
  key: string;
  /** Empty = the transport's time. */
  timestamp: string;
  values: string;
  conditions: string;
}

export interface DecodeLimits {
  /** Larger messages are refused unread. */
  maxBytes: number;
  /** Event times further in the future than this are refused. */
  maxAheadMs: number;
}

/**
 * Writes one message into row `row` of the batch.
 * @param now Unix ms, what "in the future" is measured from
 * @throws DecodeError saying what is wrong with it
 */
export type Decode = (message: Message, batch: RecordBatch, row: number, now: number) => void;

/** The models compute in float32; what it cannot hold is no measurement. */
const maxFloat32 = 3.4028234663852886e38;

export function createJsonDecoder(
  fields: JsonFields,
  schema: RecordSchema,
  limits: DecodeLimits,
  readConditions: ReadConditions,
): Decode {
  const readKey = fields.key === '' ? undefined : createPath(fields.key);
  const readTimestamp = fields.timestamp === '' ? undefined : createPath(fields.timestamp);
  const readValues = createPath(fields.values);
  const readGiven = createPath(fields.conditions);
  const known = new Set(schema.channels);

  return (message, batch, row, now) => {
    const record = parse(message.value, limits.maxBytes);
    batch.keys[row] = parseKey(readKey === undefined ? message.key?.toString() : readKey(record), fields.key);
    const timestamp = parseTimestamp(readTimestamp === undefined ? message.timestamp : readTimestamp(record));
    if (timestamp > now + limits.maxAheadMs) {
      throw new DecodeError(
        'timestamp_in_future',
        `timestamp ${new Date(timestamp).toISOString()} is ${Math.round((timestamp - now) / 1000)} s ahead`,
      );
    }
    batch.timestamps[row] = timestamp;
    parseValues(readValues(record), fields.values, schema, known, batch.values, row * schema.channels.length);
    const given = readGiven(record);
    const conditionCount = batch.conditions.length / batch.capacity;
    readConditions(isObject(given) ? given : {}, batch.conditions, row * conditionCount);
  };
}

function parse(value: Buffer | null, maxBytes: number): Record<string, unknown> {
  if (value === null || value.length === 0) throw new DecodeError('empty', 'the message has no value');
  if (value.length > maxBytes) {
    throw new DecodeError(
      'too_large',
      `the message has ${value.length} bytes, more than record.maxBytes (${maxBytes})`,
    );
  }
  let record: unknown;
  try {
    record = JSON.parse(value.toString());
  } catch (error) {
    throw new DecodeError('not_json', (error as Error).message);
  }
  if (!isObject(record)) throw new DecodeError('not_an_object', 'the message is JSON, but not an object');
  return record;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads a dotted path; undefined where it ends early. Looks at own properties only. */
function createPath(path: string): (record: Record<string, unknown>) => unknown {
  const steps = path.split('.');
  return (record) => {
    let value: unknown = record;
    for (const step of steps) {
      if (!isObject(value) || !Object.hasOwn(value, step)) return undefined;
      value = value[step];
    }
    return value;
  };
}

function parseKey(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '') return value;
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

function parseValues(
  values: unknown,
  field: string,
  schema: RecordSchema,
  known: ReadonlySet<string>,
  out: Float64Array,
  offset: number,
): void {
  const { channels } = schema;
  if (Array.isArray(values)) {
    if (values.length > channels.length && schema.extraChannels === 'reject') {
      throw new DecodeError('unknown_channel', `${values.length} values for ${channels.length} channels`);
    }
    channels.forEach((channel, i) => (out[offset + i] = parseValue(values[i], channel, schema)));
    return;
  }
  if (!isObject(values))
    throw new DecodeError('missing_channel', `"${field}" must hold the values, by channel or as a list`);
  if (schema.extraChannels === 'reject') {
    for (const name of Object.keys(values)) {
      if (!known.has(name))
        throw new DecodeError(
          'unknown_channel',
          `channel ${JSON.stringify(name.slice(0, 80))} is not in the schema`,
        );
    }
  }
  channels.forEach((channel, i) => {
    out[offset + i] = parseValue(
      Object.hasOwn(values, channel) ? values[channel] : undefined,
      channel,
      schema,
    );
  });
}

function parseValue(value: unknown, channel: string, schema: RecordSchema): number {
  if (typeof value === 'number') {
    if (Math.abs(value) <= maxFloat32) return value;
    throw new DecodeError(
      'out_of_range',
      `channel "${channel}": ${value} is not a value that a sensor can have`,
    );
  }
  if (value === undefined || value === null) {
    if (schema.missingChannels === 'mask') return NaN;
    throw new DecodeError('missing_channel', `channel "${channel}" is missing`);
  }
  throw new DecodeError('not_a_number', `channel "${channel}" must be a number, got ${describe(value)}`);
}

/** JSON has no word for numbers that are not finite. */
function describe(value: unknown): string {
  return (typeof value === 'number' ? String(value) : JSON.stringify(value)).slice(0, 40);
}
