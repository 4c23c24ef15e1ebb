/** Records of every format, valid and damaged. */
import { Type, type Schema } from 'avsc';
import sharp from 'sharp';
import { loadSettings } from '../../src/config/load';
import type { DetectorSettings } from '../../src/config/settings';
import { createCategoryTable, createConditionReader } from '../../src/domain/condition';
import type { RecordDecoder } from '../../src/pipeline/record-decoder';
import { createRecordDecoder } from '../../src/pipeline/record-decoder';
import { givenConditions } from '../../src/domain/record';
import { windowShape } from '../../src/domain/window';
import { createAvroCompiler } from '../../src/codecs/avro/avro';
import { createWireFormatDecoder } from '../../src/codecs/confluent/wire-format';
import { createJsonSchemaCompiler } from '../../src/codecs/json-schema/json-schema';
import type { RegisteredSchema, SchemaRegistry } from '../../src/codecs/confluent/schema-registry';
import { seededUniform } from '../calibration/seeded';
import { writeFolder } from '../config/folder';
import { loadEncoder } from '../formats/document';
import { below, mutateBytes, mutateTree, pick, toJson, type Uniform } from './mutate';

export interface FuzzedFormat {
  name: string;
  settings: DetectorSettings;
  recordDecoder: RecordDecoder;
  /** The value of message `index`; half of the values are valid. */
  value(random: Uniform, index: number): Buffer | null;
}

const channels = ['flow', 'pressure', 'power'];
export const start = Date.UTC(2026, 0, 1);

interface Reading {
  key: string;
  timestamp: number;
  values: Record<string, number | null>;
  conditions: { mode: string | null; load: number };
}

/** Ten devices with one record per second each. */
function reading(random: Uniform, index: number): Reading {
  return {
    key: `pump-${index % 10}`,
    timestamp: start + Math.floor(index / 10) * 1000,
    values: Object.fromEntries(channels.map((name) => [name, random() < 0.02 ? null : 10 * random()])),
    conditions: { mode: pick(random, ['idle', 'full', null]), load: random() },
  };
}

const isGood = (random: Uniform): boolean => random() < 0.5;

async function load(lines: string): Promise<DetectorSettings> {
  const folder = await writeFolder({
    'detectors/d.yaml': `detector: plant
source: { kind: kafka, kafka: { brokers: ["k:1"], topic: in${lines.includes('avro') || lines.includes('schema') ? ', registry: { url: "http://sr" }' : ''} } }
sinks: { kafka: { deadLetterTopic: dead } }
${lines}
`,
  });
  return (await loadSettings(folder, { env: {} })).detectors[0]!.settings;
}

const sensor = (format: string): Promise<DetectorSettings> =>
  load(`window: { length: 5, maxKeys: 200, interval: 1s, gaps: fill }
record:
  format: ${format}
  channels: [${channels.join()}]
  missingChannels: mask
  conditions: { mode: { kind: category, missing: unknown }, load: { kind: number, missing: unknown } }`);

/** Schemas 1 and 2 are valid, some more are damaged copies of the first, and others are missing. */
function createRegistry(schemas: readonly RegisteredSchema[], seed: number): SchemaRegistry {
  const [first] = schemas as [RegisteredSchema];
  return {
    find(ids) {
      const found = ids.map((id) => {
        if (id >= 1 && id <= schemas.length) return [id, schemas[id - 1]] as const;
        if (id > 100) return [id, undefined] as const;
        const random = seededUniform(seed + id);
        const text =
          random() < 0.5
            ? toJson(mutateTree(random, JSON.parse(first.text)))
            : mutateBytes(random, Buffer.from(first.text)).toString();
        return [id, { ...first, text }] as const;
      });
      return Promise.resolve(new Map(found));
    },
  };
}

function framedRecordDecoder(
  settings: DetectorSettings,
  schemas: readonly RegisteredSchema[],
  seed: number,
): RecordDecoder {
  const { record, fields, window } = settings;
  const table = createCategoryTable();
  const readConditions = createConditionReader(record.conditions, table);
  const create = record.format === 'avro' ? createAvroCompiler : createJsonSchemaCompiler;
  return {
    categories: givenConditions(record.conditions).map(({ kind }) => kind === 'category'),
    table,
    decode: createWireFormatDecoder(
      {
        fields,
        schema: record,
        limits: record,
        readConditions,
        registry: () => createRegistry(schemas, seed),
      },
      create,
    ),
    shape: windowShape(record, window.length),
  };
}

function framed(random: Uniform, id: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeInt32BE(random() < 0.05 ? below(random, 120) : id, 1);
  return Buffer.concat([header, payload]);
}

const mutatedJson = (random: Uniform, record: unknown): Buffer => {
  if (isGood(random)) return Buffer.from(JSON.stringify(record));
  if (random() < 0.6) return Buffer.from(toJson(mutateTree(random, record)));
  return mutateBytes(random, Buffer.from(JSON.stringify(record)));
};

async function jsonFormat(): Promise<FuzzedFormat> {
  const settings = await sensor('json');
  return {
    name: 'json',
    settings,
    recordDecoder: createRecordDecoder(settings),
    value: (random, index) => mutatedJson(random, reading(random, index)),
  };
}

async function jsonSchemaFormat(seed: number): Promise<FuzzedFormat> {
  const settings = await sensor('json-schema');
  const text = JSON.stringify({
    $id: 'reading',
    type: 'object',
    required: ['key'],
    properties: {
      key: { type: 'string', maxLength: 100 },
      values: { type: 'object', additionalProperties: { type: ['number', 'null'] } },
      deeper: { $ref: 'reading' },
    },
  });
  return {
    name: 'json-schema',
    settings,
    recordDecoder: framedRecordDecoder(settings, [{ type: 'JSON', text, references: [] }], seed),
    value: (random, index) => framed(random, 1, mutatedJson(random, reading(random, index))),
  };
}

async function avroFormat(seed: number): Promise<FuzzedFormat> {
  const settings = await sensor('avro');
  const record = (name: string, types: Record<string, unknown>): unknown => ({
    type: 'record',
    name,
    fields: Object.entries(types).map(([field, type]) => ({ name: field, type })),
  });
  const number = ['null', 'double'];
  const rich = record('Rich', {
    trace: { type: 'array', items: ['null', 'string', { type: 'map', values: 'long' }] },
    key: 'string',
    node: record('Node', { label: 'bytes', next: ['null', 'Node'] }),
    timestamp: { type: 'long', logicalType: 'timestamp-millis' },
    values: record('Values', { flow: number, pressure: number, power: number }),
    hash: { type: 'fixed', name: 'Hash', size: 4 },
    kind: { type: 'enum', name: 'Kind', symbols: ['a', 'b'] },
    conditions: record('Conditions', { mode: ['null', 'string'], load: 'float' }),
  });
  const maps = record('Maps', {
    values: { type: 'map', values: number },
    conditions: { type: 'map', values: ['null', 'string', 'double'] },
    key: ['null', 'string'],
    timestamp: ['null', 'long'],
  });
  const types = [rich, maps].map((schema) => Type.forSchema(schema as Schema));
  const schemas = [rich, maps].map((schema) => ({
    type: 'AVRO',
    text: JSON.stringify(schema),
    references: [],
  }));
  return {
    name: 'avro',
    settings,
    recordDecoder: framedRecordDecoder(settings, schemas, seed),
    value(random, index) {
      const given = reading(random, index);
      const around = {
        trace: [null, 'gateway', { hops: 3 }],
        node: { label: Buffer.of(1), next: { label: Buffer.alloc(0), next: null } },
        hash: Buffer.alloc(4, index),
        kind: 'b',
      };
      const id = random() < 0.7 ? 1 : 2;
      const bytes = types[id - 1]!.toBuffer({ ...given, ...(id === 1 && around) });
      const message = framed(random, id, isGood(random) ? bytes : mutateBytes(random, bytes));
      return random() < 0.02 ? mutateBytes(random, message) : message;
    },
  };
}

async function binaryFormat(): Promise<FuzzedFormat> {
  const settings = await sensor('binary');
  const encode = loadEncoder();
  return {
    name: 'binary',
    settings,
    recordDecoder: createRecordDecoder(settings),
    value(random, index) {
      const { key, timestamp, values, conditions } = reading(random, index);
      const bytes = encode(
        {
          key,
          timestamp,
          values: channels.map((name) => values[name]!),
          conditions: [conditions.mode, conditions.load],
        },
        { float64: random() < 0.5 },
      );
      return isGood(random) ? bytes : mutateBytes(random, bytes);
    },
  };
}

const imageLines = (image: string, fields: string): string => `window: { maxKeys: 200 }
fields: { image: '${fields}' }
record: { kind: image, image: { width: 12, height: 10, maxPixels: 7000, ${image} } }`;

async function rawImageFormat(): Promise<FuzzedFormat> {
  const settings = await load(imageLines('format: raw', ''));
  return {
    name: 'raw images',
    settings,
    recordDecoder: createRecordDecoder(settings),
    value(random) {
      const bytes = Buffer.from(Array.from({ length: 120 }, () => below(random, 256)));
      return isGood(random) ? bytes : mutateBytes(random, bytes);
    },
  };
}

/** PNG and JPEG of some sizes, as the whole message or within JSON. */
async function packedImageFormat(inJson: boolean, seed: number): Promise<FuzzedFormat> {
  const settings = await load(imageLines('colour: rgb', inJson ? 'picture' : ''));
  const draw = seededUniform(seed);
  const files = await Promise.all(
    [8, 12, 40, 80].flatMap((side) => {
      const raw = { width: side, height: side, channels: 3 as const };
      const pixels = Buffer.from(Array.from({ length: side * side * 3 }, () => below(draw, 256)));
      const image = sharp(pixels, { raw });
      return [image.clone().png().toBuffer(), image.clone().jpeg().toBuffer()];
    }),
  );
  return {
    name: inJson ? 'images in JSON' : 'images',
    settings,
    recordDecoder: createRecordDecoder(settings),
    value(random, index) {
      const file = pick(random, files);
      const bytes = isGood(random) ? file : mutateBytes(random, file);
      if (!inJson) return bytes;
      const { key, timestamp } = reading(random, index);
      const record = { key, timestamp, picture: bytes.toString('base64') };
      return random() < 0.8 ? Buffer.from(JSON.stringify(record)) : mutatedJson(random, record);
    },
  };
}

/** Every format, with its share of the records. */
export async function createFormats(seed: number): Promise<{ format: FuzzedFormat; share: number }[]> {
  const [json, jsonSchema, avro, binary, raw, images, imagesInJson] = await Promise.all([
    jsonFormat(),
    jsonSchemaFormat(seed),
    avroFormat(seed),
    binaryFormat(),
    rawImageFormat(),
    packedImageFormat(false, seed),
    packedImageFormat(true, seed),
  ]);
  return [
    { format: json, share: 0.26 },
    { format: jsonSchema, share: 0.16 },
    { format: avro, share: 0.26 },
    { format: binary, share: 0.26 },
    { format: raw, share: 0.04 },
    { format: images, share: 0.01 },
    { format: imagesInJson, share: 0.01 },
  ];
}
