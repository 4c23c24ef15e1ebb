/** Reads the messages of a sample in any format. */
import { createAvroObjectReader } from '../../codecs/avro/object';
import { createSchemaRegistry } from '../../codecs/confluent/schema-registry';
import { sourceOf, type DetectorSettings } from '../../config/settings';
import { DecodeError } from '../../errors';
import type { Message } from '../../sources/source';
import { messageOf } from '../../system/error-text';
import { isObject, type JsonObject } from '../../system/json';
import { UnusableSampleError } from './inference/unusable';
import type { SampleFormat } from './recorded-sample';

/** Bytes before the record in the Confluent wire format. */
const headerBytes = 5;

export type MessageFormat = 'json' | 'registered' | 'binary' | 'empty' | 'other';

export const formatNames: Readonly<Record<MessageFormat, string>> = {
  json: 'JSON objects',
  registered: 'in the Confluent wire format',
  binary: "in vaemon's binary format",
  empty: 'without a value',
  other: 'in an unknown format',
};

export function formatOf(value: Buffer | null): MessageFormat {
  if (value === null || value.length === 0) return 'empty';
  if (value[0] === 0 && value.length > headerBytes) return 'registered';
  if (value[0] === 0x56 && value[1] === 0x52) return 'binary';
  return /^\s*\{/.test(value.toString('latin1', 0, 64)) ? 'json' : 'other';
}

type ReadObject = (value: Buffer) => JsonObject | undefined;

export async function readerOf(
  kind: MessageFormat,
  messages: readonly Message[],
  settings: DetectorSettings,
): Promise<{ format: SampleFormat; read: ReadObject }> {
  switch (kind) {
    case 'json':
      return { format: { kind: 'json' }, read: (value) => parseObject(value.toString()) };
    case 'registered':
      return registeredReader(messages, settings);
    case 'binary':
      throw new UnusableSampleError(
        "the messages have vaemon's binary format, which has no names: set record.format to binary, and record.channels in the order of the values (docs/formats.md)",
      );
    case 'empty':
      throw new UnusableSampleError('most messages have no value');
    default: {
      const example = messages.find(({ value }) => formatOf(value) === 'other')!.value!;
      throw new UnusableSampleError(
        `most messages are neither JSON objects nor in the Confluent wire format; one begins with ${JSON.stringify(example.toString('latin1', 0, 24))}`,
      );
    }
  }
}

/** Reader of messages that contain the id of a schema. */
async function registeredReader(
  messages: readonly Message[],
  settings: DetectorSettings,
): Promise<{ format: SampleFormat; read: ReadObject }> {
  const { registry } = sourceOf(settings, 'kafka').kafka;
  if (registry.url === '')
    throw new UnusableSampleError(
      'the messages have the Confluent wire format: name the schema registry with --registry',
    );
  const ids = [
    ...new Set(
      messages.flatMap(({ value }) => (formatOf(value) === 'registered' ? [value!.readInt32BE(1)] : [])),
    ),
  ];
  const schemas = await createSchemaRegistry(registry).find(ids.slice(0, maxSchemas));
  const readers = new Map<number, (value: Buffer) => unknown>();
  const types = new Set<string>();
  const problems: string[] = [];
  for (const [id, schema] of schemas) {
    if (schema === undefined || schema instanceof DecodeError) {
      problems.push(schema === undefined ? `the registry has no schema ${id}` : schema.message);
      continue;
    }
    types.add(schema.type);
    try {
      if (schema.type === 'AVRO') {
        const read = createAvroObjectReader(schema);
        readers.set(id, (value) => read(value, headerBytes));
      } else if (schema.type === 'JSON')
        readers.set(id, (value) => parseObject(value.toString('utf8', headerBytes)));
      else problems.push(`schema ${id} is of type ${schema.type}, and only Avro and JSON Schema can be read`);
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  if (readers.size === 0) throw new UnusableSampleError(problems[0] ?? 'no schema can be read');
  if (types.has('AVRO') && types.has('JSON'))
    throw new UnusableSampleError('some messages are Avro, others JSON Schema: a detector reads one of them');
  return {
    format: { kind: types.has('AVRO') ? 'avro' : 'json-schema' },
    read(value) {
      try {
        const record = readers.get(value.readInt32BE(1))?.(value);
        return isObject(record) ? record : undefined;
      } catch (error) {
        // The decoder of the detector counts the message later.
        if (error instanceof DecodeError) return undefined;
        throw error;
      }
    },
  };
}

/** Maximum number of schemas that are requested for the sample. */
const maxSchemas = 100;

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
