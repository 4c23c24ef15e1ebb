import { Type, type Schema } from 'avsc';
import { createCategoryTable, createConditionReader } from '../../../src/domain/condition';
import type { RecordSchema } from '../../../src/domain/record';
import { DecodeError, UnavailableError } from '../../../src/errors';
import { createAvroCompiler } from '../../../src/codecs/avro/avro';
import { createWireFormatDecoder } from '../../../src/codecs/confluent/wire-format';
import { createJsonSchemaCompiler } from '../../../src/codecs/json-schema/json-schema';
import type { FoundSchema, RegisteredSchema } from '../../../src/codecs/confluent/schema-registry';
import type { Message } from '../../../src/sources/source';

const now = Date.parse('2026-03-01T12:00:00Z');
const limits = { maxBytes: 300_000, maxAheadMs: 60_000 };
const fields = { key: 'key', timestamp: 'timestamp', values: 'values', conditions: 'conditions' };
const schema: RecordSchema = {
  channels: ['flow'],
  missingChannels: 'reject',
  extraChannels: 'reject',
  conditions: [],
};
const good = { key: 'pump-3', timestamp: now, values: { flow: 1.5 } };

const avro = (type: string): RegisteredSchema => ({
  type: 'AVRO',
  references: [],
  text: JSON.stringify({
    type: 'record',
    name: 'Reading',
    fields: [
      { name: 'key', type: 'string' },
      { name: 'timestamp', type: 'long' },
      { name: 'values', type: { type: 'map', values: type } },
    ],
  }),
});
const json = (content: unknown, references: RegisteredSchema['references'] = []): RegisteredSchema => ({
  type: 'JSON',
  text: JSON.stringify(content),
  references,
});

/** A registry with these schemas that records its requests. */
function createDecoder(format: 'avro' | 'json-schema', schemas: Record<number, FoundSchema>) {
  const asked: number[][] = [];
  let failure: Error | undefined;
  const registry = {
    find(ids: readonly number[]) {
      asked.push([...ids]);
      if (failure !== undefined) return Promise.reject(failure);
      return Promise.resolve(new Map(ids.map((id) => [id, schemas[id]])));
    },
  };
  const readConditions = createConditionReader([], createCategoryTable());
  const decodeBatch = createWireFormatDecoder(
    { fields, schema, limits, readConditions, registry: () => registry },
    format === 'avro' ? createAvroCompiler : createJsonSchemaCompiler,
  );
  return {
    asked,
    schemas,
    fail: (error: Error | undefined) => (failure = error),
    /** For each message, the value of its record or the reason of its rejection. */
    async decode(values: readonly (Buffer | null)[], at = now) {
      const { records, rows } = await decodeBatch(values.map(messageOf), at);
      return rows.map((row) => (row instanceof DecodeError ? row.reason : records.values[row]));
    },
    decodeBatch,
  };
}

const messageOf = (value: Buffer | null): Message => ({
  key: null,
  value,
  timestamp: now,
  origin: { topic: 't', partition: 0, offset: '7' },
  warmUp: false,
});

function framed(id: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeInt32BE(id, 1);
  return Buffer.concat([header, payload]);
}
const avroValue = (id: number, flow: number, type = 'double') =>
  framed(id, Type.forSchema(JSON.parse(avro(type).text) as Schema).toBuffer({ ...good, values: { flow } }));
const jsonValue = (id: number, value: unknown) =>
  framed(id, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));

test('each record is read by its own schema, and each schema is requested once', async () => {
  const decoder = createDecoder('avro', { 1: avro('double'), 2: avro('int') });
  const values = [avroValue(1, 1.5), avroValue(2, 7, 'int'), avroValue(1, 2.5)];
  expect(await decoder.decode(values)).toEqual([1.5, 7, 2.5]);
  expect(await decoder.decode(values)).toEqual([1.5, 7, 2.5]);
  expect(decoder.asked).toEqual([[1, 2]]);
});

test('a batch of cached schemas is decoded synchronously', async () => {
  const decoder = createDecoder('avro', { 1: avro('double') });
  await decoder.decode([avroValue(1, 1)]);
  expect(decoder.decodeBatch([messageOf(avroValue(1, 1))], now)).not.toBeInstanceOf(Promise);
});

test('a message without a schema id is rejected without a request, and does not affect others', async () => {
  const decoder = createDecoder('avro', { 1: avro('double') });
  const values = [
    null,
    Buffer.alloc(0),
    Buffer.alloc(300_001),
    Buffer.from(JSON.stringify(good)),
    Buffer.alloc(4),
    Buffer.of(0, 0xff, 0, 0, 0),
    avroValue(1, 1.5),
  ];
  expect(await decoder.decode(values)).toEqual([
    'empty',
    'empty',
    'too_large',
    'unknown_format',
    'unknown_format',
    'unknown_format',
    1.5,
  ]);
  expect(decoder.asked).toEqual([[1]]);
});

test('while the registry is unavailable the batch fails, without rejected records, and succeeds later', async () => {
  const decoder = createDecoder('avro', { 1: avro('double') });
  decoder.fail(new UnavailableError('away'));
  const values = [avroValue(1, 1.5), Buffer.from('{}')];
  await expect(decoder.decode(values)).rejects.toThrow(UnavailableError);
  decoder.fail(undefined);
  expect(await decoder.decode(values)).toEqual([1.5, 'unknown_format']);
});

test('a missing or unusable schema is requested again after a minute', async () => {
  const unusable = new DecodeError('unusable_schema', 'refers to nothing');
  const decoder = createDecoder('avro', { 2: unusable });
  const values = [avroValue(1, 1.5), avroValue(2, 2.5)];
  expect(await decoder.decode(values)).toEqual(['unknown_schema', 'unusable_schema']);
  Object.assign(decoder.schemas, { 1: avro('double'), 2: avro('double') });
  expect(await decoder.decode(values, now + 59_999)).toEqual(['unknown_schema', 'unusable_schema']);
  expect(await decoder.decode(values, now + 60_000)).toEqual([1.5, 2.5]);
  expect(decoder.asked).toHaveLength(2);
});

test('a thousand schemas are cached, and the least recently used is evicted', async () => {
  const schemas = Object.fromEntries(Array.from({ length: 1_002 }, (_, id) => [id, avro('double')]));
  const decoder = createDecoder('avro', schemas);
  const all = Array.from({ length: 1_000 }, (_, id) => avroValue(id, id));
  expect(await decoder.decode(all)).toEqual(all.map((_, id) => id));
  await decoder.decode([avroValue(0, 0)]);
  await decoder.decode([avroValue(1_000, 0), avroValue(1_001, 0)]);
  expect(await decoder.decode([avroValue(0, 5), avroValue(1, 6), avroValue(3, 7)])).toEqual([5, 6, 7]);
  expect(decoder.asked.slice(1)).toEqual([[1_000, 1_001], [1]]);
});

test.each<['avro' | 'json-schema', RegisteredSchema]>([
  ['avro', { type: 'PROTOBUF', text: 'message M {}', references: [] }],
  ['avro', { type: 'AVRO', text: 'not a schema', references: [] }],
  ['json-schema', avro('double')],
  ['json-schema', { type: 'JSON', text: '{', references: [] }],
  ['json-schema', json(5)],
  ['json-schema', json({ type: 'no type' })],
  ['json-schema', json({ $ref: 'https://example.com/elsewhere.json' })],
  ['json-schema', json({ $schema: 'http://json-schema.org/draft-04/schema#' })],
])('%s: a schema that is none refuses its records alone: %j', async (format, unusable) => {
  const usable = format === 'avro' ? avro('double') : json({ type: 'object' });
  const decoder = createDecoder(format, { 1: unusable, 2: usable });
  const value = format === 'avro' ? avroValue(2, 1.5) : jsonValue(2, good);
  expect(await decoder.decode([framed(1, Buffer.from('{}')), value])).toEqual(['unusable_schema', 1.5]);
});

describe('JSON with a schema', () => {
  const flow = { type: 'object', properties: { flow: { type: 'number', maximum: 10 } } };
  const reading = { type: 'object', properties: { values: flow }, required: ['key'] };

  test.each([
    [undefined],
    ['http://json-schema.org/schema#'],
    ['http://json-schema.org/draft-06/schema#'],
    ['http://json-schema.org/draft-07/schema#'],
    ['https://json-schema.org/draft/2019-09/schema'],
    ['https://json-schema.org/draft/2020-12/schema'],
  ])('of draft %s is read when it fits it, and refused when not', async (draft) => {
    const decoder = createDecoder('json-schema', { 1: json({ $schema: draft, ...reading }) });
    expect(
      await decoder.decode([
        jsonValue(1, good),
        jsonValue(1, { ...good, values: { flow: 11 } }),
        jsonValue(1, { values: { flow: 1 } }),
        jsonValue(1, '{"key":'),
        jsonValue(1, '[]'),
        jsonValue(1, { ...good, values: {} }),
      ]),
    ).toEqual([1.5, 'schema_mismatch', 'schema_mismatch', 'not_json', 'not_an_object', 'missing_channel']);
  });

  test('reports the place of the mismatch', async () => {
    const decoder = createDecoder('json-schema', { 1: json(reading) });
    const { rows } = await decoder.decodeBatch(
      [messageOf(jsonValue(1, { ...good, values: { flow: 'x' } }))],
      now,
    );
    expect(rows[0]).toMatchObject({ message: expect.stringContaining('record/values/flow must be number') });
  });

  test('may refer to other schemas, and two schemas may use the same names for theirs', async () => {
    const values = (maximum: number) => [
      {
        name: 'values.json',
        text: JSON.stringify({ $id: 'values.json', properties: { flow: { maximum } } }),
      },
    ];
    const referring = { $id: 'reading.json', properties: { values: { $ref: 'values.json' } } };
    const decoder = createDecoder('json-schema', {
      1: json(referring, values(1)),
      2: json(referring, values(2)),
    });
    expect(await decoder.decode([jsonValue(1, good), jsonValue(2, good)])).toEqual(['schema_mismatch', 1.5]);
  });

  test('that is recursive does not overflow the stack', async () => {
    const recursive = { $id: 'r', additionalProperties: { $ref: 'r' }, items: { $ref: 'r' } };
    const decoder = createDecoder('json-schema', { 1: json(recursive) });
    const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(await decoder.decode([jsonValue(1, deep), jsonValue(1, good)])).toEqual(['schema_mismatch', 1.5]);
  });

  test('that allows anything leaves validation to the detector', async () => {
    const decoder = createDecoder('json-schema', { 1: json(true) });
    expect(await decoder.decode([jsonValue(1, good)])).toEqual([1.5]);
  });
});

describe('a hostile schema', () => {
  const chain = (length: number): RegisteredSchema['references'] => {
    const records: object[] = [{ type: 'record', name: 'R0', fields: [{ name: 'f', type: 'int' }] }];
    for (let i = 1; i <= length; i++)
      records.push({ type: 'record', name: `R${i}`, fields: [{ name: 'f', type: `R${i - 1}` }] });
    return [{ name: 'x', text: JSON.stringify(records) }];
  };

  test.each([500, 2_000, 5_000, 10_000])(
    'a chain of %i record types rejects its records alone',
    async (length) => {
      const hostile = { type: 'AVRO', text: JSON.stringify(`R${length}`), references: chain(length) };
      const decoder = createDecoder('avro', { 1: hostile, 2: avro('double') });
      const [first, second] = await decoder.decode([framed(1, Buffer.of(2)), avroValue(2, 1.5)]);
      expect(second).toBe(1.5);
      expect(['unusable_schema', 'damaged_record', 'missing_channel', 'missing_key']).toContain(first);
    },
  );

  test('whatever its compilation throws rejects its records', async () => {
    const registry = {
      find: (ids: readonly number[]) => Promise.resolve(new Map(ids.map((id) => [id, json({})]))),
    };
    const readConditions = createConditionReader([], createCategoryTable());
    const decode = createWireFormatDecoder(
      { fields, schema, limits, readConditions, registry: () => registry },
      () => () => {
        throw new TypeError('a bug that only this schema meets');
      },
    );
    const { rows } = await decode([messageOf(jsonValue(1, good))], now);
    expect(rows[0]).toMatchObject({
      reason: 'unusable_schema',
      message: 'schema 1 cannot be compiled: a bug that only this schema meets',
    });
  });

  test('more than a megabyte of schemas is not compiled', async () => {
    const references = [{ name: 'x', text: `"${'x'.repeat(1024 * 1024)}"` }];
    const decoder = createDecoder('avro', { 1: { ...avro('double'), references } });
    expect(await decoder.decode([avroValue(1, 1.5)])).toEqual(['unusable_schema']);
  });

  test('fields that take no bytes are counted', async () => {
    const nothing = Array.from({ length: 20_000 }, (_, i) => ({ name: `n${i}`, type: 'null' }));
    const hostile = {
      ...avro('double'),
      text: JSON.stringify({
        type: 'record',
        name: 'Reading',
        fields: [
          { name: 'rest', type: { type: 'array', items: { type: 'record', name: 'N', fields: nothing } } },
        ],
      }),
    };
    const decoder = createDecoder('avro', { 1: hostile });
    const many = Type.forSchema('long').toBuffer(1_000_000);
    // Read one by one, they would take hours.
    expect(await decoder.decode([framed(1, Buffer.concat([many, Buffer.alloc(250_000)]))])).toEqual([
      'damaged_record',
    ]);
  });

  test('a pattern with nested quantifiers rejects one record, and no other of its batch', async () => {
    const pattern = json({ properties: { key: { type: 'string', pattern: '^(a+)+$' } } });
    const decoder = createDecoder('json-schema', { 1: pattern });
    const key = `${'a'.repeat(41)}!`;
    const values = [
      { ...good, key: 'aaa' },
      { ...good, key },
      { ...good, key: 'a' },
      { ...good, key: 'b' },
    ];
    expect(await decoder.decode(values.map((value) => jsonValue(1, value)))).toEqual([
      1.5,
      'schema_mismatch',
      1.5,
      'schema_mismatch',
    ]);
  });
});
