/** JSON records, e.g. `{"key": "pump-3", "timestamp": "2026-01-31T12:00:00Z", "values": {"flow": 1.2}}`. */
import type { ReadConditions } from '../../domain/condition';
import type { RecordSchema, Values } from '../../domain/record';
import { DecodeError } from '../../errors';
import type { Decode } from './batch';
import {
  createEnvelopeWriter,
  createPath,
  describe,
  isObject,
  parseObject,
  type DecodeLimits,
  type EnvelopeFields,
} from './envelope';

export interface JsonFields extends EnvelopeFields {
  values: string;
}

/** The models compute in float32; what it cannot hold is no measurement. */
const maxFloat32 = 3.4028234663852886e38;

export function createJsonDecoder(
  fields: JsonFields,
  schema: RecordSchema,
  limits: DecodeLimits,
  readConditions: ReadConditions,
): Decode {
  const writeEnvelope = createEnvelopeWriter(fields, limits, readConditions);
  const readValues = createPath(fields.values);
  const known = new Set(schema.channels);

  return (message, batch, row, now) => {
    const record = parseObject(message.value, limits.maxBytes);
    writeEnvelope(message, record, batch, row, now);
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
