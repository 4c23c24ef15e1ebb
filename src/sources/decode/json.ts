/** JSON records, e.g. `{"key": "pump-3", "timestamp": "2026-01-31T12:00:00Z", "values": {"flow": 1.2}}`. */
import type { ReadConditions } from '../../domain/condition';
import type { RecordBatch, RecordSchema, Values } from '../../domain/record';
import { DecodeError } from '../../errors';
import type { Message } from '../source';
import type { Decode } from './batch';
import {
  bytesOf,
  createEnvelopeReader,
  createEnvelopeWriter,
  createPath,
  isObject,
  parseObject,
  type DecodeLimits,
  type EnvelopeFields,
  type JsonObject,
} from './envelope';
import { checkCount, parseValue, unknownChannel } from './values';

export interface RecordFields extends EnvelopeFields {
  /** Empty = the record itself. */
  values: string;
}

export function createJsonDecoder(
  fields: RecordFields,
  schema: RecordSchema,
  limits: DecodeLimits,
  readConditions: ReadConditions,
): Decode {
  const write = createObjectWriter(fields, schema, limits, readConditions);
  return (message, batch, row, now) => {
    write(message, parseObject(bytesOf(message.value, limits.maxBytes)), batch, row, now);
  };
}

/**
 * Writes the record of a message, an object, into row `row` of the batch.
 * @throws DecodeError saying what is wrong with it
 */
export type WriteObject = (
  message: Message,
  record: JsonObject,
  batch: RecordBatch,
  row: number,
  now: number,
) => void;

export function createObjectWriter(
  fields: RecordFields,
  schema: RecordSchema,
  limits: DecodeLimits,
  readConditions: ReadConditions,
): WriteObject {
  const readEnvelope = createEnvelopeReader(fields);
  const writeEnvelope = createEnvelopeWriter(fields.key, limits, readConditions);
  const readValues = createPath(fields.values);
  const known = new Set(schema.channels);

  return (message, record, batch, row, now) => {
    writeEnvelope(readEnvelope(message, record), batch, row, now);
    parseValues(readValues(record), fields.values, schema, known, batch.values, row * schema.channels.length);
  };
}

function parseValues(
  values: unknown,
  field: string,
  schema: RecordSchema,
  known: ReadonlySet<string>,
  out: Values,
  offset: number,
): void {
  const { channels } = schema;
  if (Array.isArray(values)) {
    checkCount(values.length, schema);
    channels.forEach((channel, i) => (out[offset + i] = parseValue(values[i], channel, schema)));
    return;
  }
  if (!isObject(values))
    throw new DecodeError('missing_channel', `"${field}" must hold the values, by channel or as a list`);
  if (schema.extraChannels === 'reject') {
    for (const name of Object.keys(values)) if (!known.has(name)) throw unknownChannel(name);
  }
  channels.forEach((channel, i) => {
    out[offset + i] = parseValue(
      Object.hasOwn(values, channel) ? values[channel] : undefined,
      channel,
      schema,
    );
  });
}
