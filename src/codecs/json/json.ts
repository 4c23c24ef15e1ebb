/** JSON records, e.g. `{"key": "pump-3", "timestamp": "2026-01-31T12:00:00Z", "values": {"flow": 1.2}}`. */
import { givenConditions, type RecordBatch, type RecordSchema, type Values } from '../../domain/record';
import { DecodeError } from '../../errors';
import type { Message } from '../../sources/source';
import { isObject, type JsonObject } from '../../system/json';
import { decodeEach, type CodecSpec, type Decode, type RecordContext } from '../codec';
import {
  bytesOf,
  createEnvelopeReader,
  createEnvelopeWriter,
  createPath,
  messageKey,
  parseObject,
  stepsOf,
  type Envelope,
} from '../envelope';
import { createTemplates, type TemplateValues } from './template';
import { type Path, type Role, type Roles } from './template-scan';
import { checkCount, checkNumber, parseValue, unknownChannel } from '../values';

/** Reads records by a template (template.ts) if they have the layout of an earlier record, otherwise by JSON.parse. */
export function createJsonDecoder(context: RecordContext): Decode {
  const write = createObjectWriter(context);
  const templates = createTemplates(createRoles(context));
  const writeRead = createReadWriter(context);
  const { maxBytes } = context.limits;
  return (message, batch, row, now) => {
    const bytes = bytesOf(message.value, maxBytes);
    const read = templates.read(bytes);
    if (read !== undefined) {
      writeRead(message, read, batch, row, now);
      return;
    }
    write(message, parseObject(bytes), batch, row, now);
    templates.learn(bytes);
  };
}

/** Roles of the values of a record: channels (by name or in a list) and numeric conditions are numbers, categories are texts. */
function createRoles({ fields, schema: { channels, conditions } }: RecordContext): Roles {
  const roles = new Map<string, Role | 'several'>();
  const add = (path: Path, role: Role): void => {
    const at = JSON.stringify(path);
    // A record in which a field has several roles is left to JSON.parse.
    roles.set(at, roles.has(at) ? 'several' : role);
  };
  if (fields.key !== '') add(stepsOf(fields.key), { kind: 'key' });
  if (fields.timestamp !== '') add(stepsOf(fields.timestamp), { kind: 'timestamp' });
  channels.forEach((channel, index) => {
    add([...stepsOf(fields.values), channel], { kind: 'number', index });
    add([...stepsOf(fields.values), index], { kind: 'number', index });
  });
  const given = givenConditions(conditions);
  given.forEach(({ name, kind }, i) => {
    const role: Role =
      kind === 'number' ? { kind: 'number', index: channels.length + i } : { kind: 'text', index: i };
    add([...stepsOf(fields.conditions), name], role);
  });
  return { at: (path) => roles.get(JSON.stringify(path)), numbers: channels.length + given.length };
}

/** Writes the values that a template has read into row `row` of the batch, with the same checks as after JSON.parse. */
function createReadWriter(context: RecordContext): WriteRecord<TemplateValues> {
  const { fields, schema } = context;
  const { channels } = schema;
  const given = givenConditions(schema.conditions);
  const writeEnvelope = createEnvelopeWriter(fields.key, context);
  // One object for all records, as no record keeps it.
  const conditions = Object.create(null) as Record<string, unknown>;
  const envelope: Envelope = { key: undefined, timestamp: undefined, unit: undefined, conditions };
  return (message, { key, timestamp, isTimeText, numbers, texts }, batch, row, now) => {
    envelope.key = fields.key === '' ? messageKey(message) : key;
    envelope.timestamp = fields.timestamp === '' ? message.timestamp : timestamp;
    envelope.unit = fields.timestamp === '' ? 'message' : isTimeText ? 'ms' : undefined;
    given.forEach(({ name, kind }, i) => {
      const number = numbers[channels.length + i]!;
      conditions[name] = kind === 'category' ? texts[i] : Number.isNaN(number) ? undefined : number;
    });
    writeEnvelope(envelope, batch, row, now);
    const offset = row * channels.length;
    for (let i = 0; i < channels.length; i++)
      batch.values[offset + i] = checkNumber(numbers[i]!, channels[i]!, schema);
  };
}

/**
 * Writes the record of a message into row `row` of the batch.
 * @throws DecodeError if the record is invalid
 */
type WriteRecord<T> = (message: Message, record: T, batch: RecordBatch, row: number, now: number) => void;

export function createObjectWriter(context: RecordContext): WriteRecord<JsonObject> {
  const { fields, schema } = context;
  const readEnvelope = createEnvelopeReader(fields);
  const writeEnvelope = createEnvelopeWriter(fields.key, context);
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
    throw new DecodeError('missing_channel', `"${field}" must contain the values, by channel or as a list`);
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

export const json: CodecSpec = {
  doc: 'one JSON object per message.',
  registered: false,
  create: (context) => decodeEach(context.schema, createJsonDecoder(context)),
};
