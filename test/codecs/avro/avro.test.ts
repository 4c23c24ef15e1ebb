import { Type, type Schema } from 'avsc';
import fc from 'fast-check';
import { createCategoryTable, createConditionReader } from '../../../src/domain/condition';
import { createRecordBatch, type RecordSchema } from '../../../src/domain/record';
import { DecodeError, type RejectReason } from '../../../src/errors';
import { createAvroCompiler } from '../../../src/codecs/avro/avro';
import type { RecordFields } from '../../../src/codecs/codec';
import type { Message } from '../../../src/sources/source';

const now = Date.parse('2026-03-01T12:00:00Z');
const limits = { maxBytes: 10_000, maxAheadMs: 60_000 };
const fields: RecordFields = {
  key: 'key',
  timestamp: 'timestamp',
  values: 'values',
  conditions: 'conditions',
};
const schema: RecordSchema = {
  channels: ['flow', 'pressure'],
  missingChannels: 'mask',
  extraChannels: 'reject',
  conditions: [
    { name: 'mode', kind: 'category', maxValues: 4, missing: 'unknown' },
    { name: 'load', kind: 'number', missing: 'unknown' },
  ],
};

interface Way {
  fields?: Partial<RecordFields>;
  schema?: Partial<RecordSchema>;
  /** Schemas that the writer's schema refers to. */
  references?: readonly object[];
}

/** Decodes one payload, written by the given schema, into the second of three rows. */
function decode(payload: Buffer, writer: unknown, way: Way = {}) {
  const table = createCategoryTable();
  const used = { ...schema, ...way.schema };
  const message: Message = {
    key: Buffer.from('own-key'),
    value: payload,
    timestamp: now - 5000,
    origin: { topic: 't', partition: 0, offset: '7' },
    warmUp: false,
  };
  const batch = createRecordBatch(used, 3);
  const reader = createConditionReader(used.conditions, table);
  const { read } = createAvroCompiler({
    fields: { ...fields, ...way.fields },
    schema: used,
    limits,
    readConditions: reader,
  })({
    type: 'AVRO',
    text: JSON.stringify(writer),
    references: (way.references ?? []).map((one) => ({ name: '', text: JSON.stringify(one) })),
  });
  read(payload, 0, message, batch, 1, now);
  const width = used.channels.length;
  return {
    key: batch.keys[1],
    timestamp: batch.timestamps[1],
    values: [...batch.values.subarray(width, 2 * width)],
    mode: table.value(batch.conditions[2]!),
    load: batch.conditions[3],
    others: [...batch.values.subarray(0, width), ...batch.values.subarray(2 * width)],
  };
}

const typeOf = (writer: Schema) => Type.forSchema(writer, { wrapUnions: true });

/** Decodes a value written by another implementation of Avro. */
function written(value: unknown, writer: Schema, way: Way = {}) {
  return decode(typeOf(writer).toBuffer(value), writer, way);
}

const record = (name: string, types: Record<string, unknown>) => ({
  type: 'record',
  name,
  fields: Object.entries(types).map(([field, type]) => ({ name: field, type })),
});
const moment = (logicalType: string) => ({ type: 'long', logicalType });
/** The schema of a producer, with other types where given. */
const writerOf = (types: Record<string, unknown> = {}) =>
  record('Reading', {
    key: 'string',
    timestamp: moment('timestamp-millis'),
    values: record('Values', { flow: 'double', pressure: 'float' }),
    conditions: record('Conditions', { mode: 'string', load: 'double' }),
    ...types,
  }) as Schema;
const good = {
  key: 'pump-3',
  timestamp: now,
  values: { flow: 1.5, pressure: -2 },
  conditions: { mode: 'idle', load: 0.5 },
};
const decoded = { key: 'pump-3', timestamp: now, values: [1.5, -2], mode: 'idle', load: 0.5 };

test('a record is written into its row only', () => {
  expect(written(good, writerOf())).toEqual({ ...decoded, others: [0, 0, 0, 0] });
});

describe('reads', () => {
  test.each<[string, unknown, Record<string, unknown>, object, Way?]>([
    [
      'fields in another order',
      { flow: 2, pressure: 1 },
      { values: record('V', { pressure: 'int', flow: 'long' }) },
      { values: [2, 1] },
    ],
    [
      'values as a map',
      { pressure: 2, flow: 1 },
      { values: { type: 'map', values: 'double' } },
      { values: [1, 2] },
    ],
    ['values as a list', [1, 2], { values: { type: 'array', items: 'float' } }, { values: [1, 2] }],
    ['a list that is too short', [1], { values: { type: 'array', items: 'float' } }, { values: [1, NaN] }],
    [
      'a list that is too long',
      [1, 2, 3],
      { values: { type: 'array', items: 'float' } },
      { values: [1, 2] },
      { schema: { extraChannels: 'ignore' } },
    ],
    [
      'a channel that is null',
      { flow: null, pressure: { float: 2 } },
      { values: record('V', { flow: ['null', 'double'], pressure: ['null', 'float'] }) },
      { values: [NaN, 2] },
    ],
    [
      'a channel that the writer does not have',
      { flow: 1 },
      { values: record('V', { flow: 'double' }) },
      { values: [1, NaN] },
    ],
    ['NaN as a value that is missing', { flow: NaN, pressure: 1 }, {}, { values: [NaN, 1] }],
    [
      'a channel that nobody listed',
      { flow: 1, hum: 3, pressure: 2 },
      { values: record('V', { flow: 'double', hum: 'int', pressure: 'int' }) },
      { values: [1, 2] },
      { schema: { extraChannels: 'ignore' } },
    ],
    [
      'the whole of a nullable record',
      { Values: { flow: 1, pressure: 2 } },
      { values: ['null', record('Values', { flow: 'double', pressure: 'double' })] },
      { values: [1, 2] },
    ],
    [
      'whole numbers of any size',
      { flow: -(2 ** 51) - 1, pressure: 2 ** 31 - 1 },
      { values: record('V', { flow: 'long', pressure: 'int' }) },
      { values: [-(2 ** 51) - 1, 2 ** 31 - 1] },
    ],
  ])('%s', (...[, values, types, expected, way]) => {
    expect(written({ ...good, values }, writerOf(types), way)).toMatchObject(expected);
  });

  test.each<[string, unknown, unknown, number]>([
    ['milliseconds', moment('timestamp-millis'), now, now],
    ['microseconds', moment('timestamp-micros'), now * 1000 + 250, now + 0.25],
    ['a long without a meaning as milliseconds', 'long', now, now],
    ['a long of seconds', 'long', now / 1000, now],
    ['a double as milliseconds', 'double', now + 0.5, now + 0.5],
    ['text with a zone', 'string', '2026-03-01T13:00:00+01:00', now],
    ['a union with null', ['null', 'long'], { long: now }, now],
    ['a logical type that nobody knows', moment('of-the-plant'), now, now],
  ])('a time in %s', (_, type, timestamp, expected) => {
    expect(written({ ...good, timestamp }, writerOf({ timestamp: type })).timestamp).toBe(expected);
  });

  test('nanoseconds, which no double holds', () => {
    const nanos = BigInt(now) * 1_000_000n + 500_000n;
    const bytes: number[] = [];
    for (let rest = nanos * 2n; rest > 0n; rest >>= 7n)
      bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    const type = record('Reading', {
      timestamp: moment('timestamp-nanos'),
      values: { type: 'map', values: 'int' },
    });
    expect(decode(Buffer.from([...bytes, 0]), type, { fields: { key: '' } })).toMatchObject({
      key: 'own-key',
      timestamp: now + 0.5,
    });
  });

  test.each<[string, unknown, unknown, string]>([
    ['a number', 'int', 17, '17'],
    ['the symbol of an enum', { type: 'enum', name: 'Device', symbols: ['a', 'b'] }, 'b', 'b'],
    ['a branch of a union', ['null', 'string', 'long'], { string: 'x' }, 'x'],
  ])('a key that is %s', (_, type, key, expected) => {
    expect(written({ ...good, key }, writerOf({ key: type })).key).toBe(expected);
  });

  test('two large keys, which are equal as doubles', () => {
    const type = record('Reading', { key: 'long', values: { type: 'map', values: 'int' } });
    const key = (lowest: number) =>
      decode(Buffer.from([0x80 | lowest, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]), type, {
        fields: { timestamp: '' },
      }).key;
    expect([key(0), key(2), key(1)]).toEqual([
      '4611686018427387840',
      '4611686018427387841',
      '-4611686018427387841',
    ]);
  });

  test('decimals, of both kinds and either sign', () => {
    const decimal = { type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 };
    const fixed = { type: 'fixed', name: 'Money', size: 16, logicalType: 'decimal', precision: 30, scale: 3 };
    const values = {
      flow: Buffer.from([0xfe, 0x0c]),
      pressure: Buffer.concat([Buffer.alloc(15, 0xff), Buffer.of(0xfe)]),
    };
    const plain = writerOf({
      values: record('V', { flow: 'bytes', pressure: { type: 'fixed', name: 'Money', size: 16 } }),
    });
    const bytes = typeOf(plain).toBuffer({ ...good, values });
    const writer = writerOf({ values: record('V', { flow: decimal, pressure: fixed }) });
    expect(decode(bytes, writer).values).toEqual([-5, -0.002]);
  });

  test('a flat record, in which key and time are channels and conditions, too', () => {
    const writer = record('Flat', {
      pressure: 'int',
      mode: ['null', 'string'],
      flow: 'double',
      load: 'int',
      time: 'long',
    });
    const value = { pressure: 2, mode: { string: 'full' }, flow: 1, load: 7, time: now };
    const flat: Way = {
      fields: { key: 'load', timestamp: 'time', values: '', conditions: '' },
      schema: { extraChannels: 'ignore', channels: ['flow', 'pressure', 'load'] },
    };
    expect(written(value, writer as Schema, flat)).toMatchObject({
      key: '7',
      timestamp: now,
      values: [1, 2, 7],
      mode: 'full',
      load: 7,
    });
  });

  test('fields by their dotted paths, through nested records and maps', () => {
    const writer = record('Reading', {
      meta: record('Meta', {
        device: { type: 'map', values: 'string' },
        time: 'long',
        mode: 'string',
        load: 'int',
      }),
      payload: ['null', record('Payload', { v: { type: 'map', values: ['null', 'double'] } })],
    });
    const value = {
      meta: { device: { maker: 'x', id: 'pump-9' }, time: now, mode: 'full', load: 3 },
      payload: { Payload: { v: { pressure: { double: 2 }, flow: null } } },
    };
    const paths = { key: 'meta.device.id', timestamp: 'meta.time', values: 'payload.v', conditions: 'meta' };
    expect(written(value, writer as Schema, { fields: paths })).toMatchObject({
      key: 'pump-9',
      timestamp: now,
      values: [NaN, 2],
      mode: 'full',
      load: 3,
    });
  });

  test('types that other schemas declare, by their full names and those in their own namespace', () => {
    const values = {
      type: 'record',
      name: 'Values',
      namespace: 'plant.v1',
      fields: [
        { name: 'flow', type: 'Unit' },
        { name: 'pressure', type: 'plant.v1.Unit' },
      ],
    };
    const unit = { type: 'record', name: 'plant.v1.Unit', fields: [] };
    const writer = record('plant.v1.Reading', { key: 'string', values: 'Values' });
    const way: Way = { references: [unit, values], fields: { timestamp: '' } };
    expect(() => decode(Buffer.of(2, 0x61), writer, way)).toThrow(/channel "flow" must be a number/);
  });
});

test('skips all other fields of a record', () => {
  const node = record('Node', { label: 'string', next: ['null', 'Node'] });
  const rich = record('Rich', {
    before: { type: 'array', items: ['null', 'boolean', { type: 'map', values: 'bytes' }] },
    node,
    key: 'string',
    hash: { type: 'fixed', name: 'Hash', size: 3 },
    kind: { type: 'enum', name: 'Kind', symbols: ['a', 'b'] },
    timestamp: 'long',
    values: record('Values', { flow: 'double', pressure: 'float' }),
    again: ['Node', 'Kind', 'float', 'double', 'long', 'int', 'string', 'null'],
    conditions: { type: 'map', values: ['int', 'string', 'Node'] },
  }) as Schema;
  const type = typeOf(rich);
  interface Node {
    label: string;
    next: null | { Node: Node };
  }
  const label = fc.string({ maxLength: 5 });
  const { list } = fc.letrec<{ list: Node }>((tie) => ({
    list: fc.record({
      label,
      next: fc.oneof(
        { maxDepth: 4 },
        fc.constant(null),
        tie('list').map((Node) => ({ Node })),
      ),
    }),
  }));
  const wrapped = (name: string, value: fc.Arbitrary<unknown>) => value.map((one) => ({ [name]: one }));
  const float = fc.float({ noNaN: true, noDefaultInfinity: true });
  const number = fc.integer();
  fc.assert(
    fc.property(
      fc.record({
        before: fc.array(
          fc.oneof(
            fc.constant(null),
            wrapped('boolean', fc.boolean()),
            wrapped(
              'map',
              fc.dictionary(
                label,
                label.map((text) => Buffer.from(text)),
              ),
            ),
          ),
        ),
        node: list,
        key: fc.string({ minLength: 1 }),
        hash: fc.uint8Array({ minLength: 3, maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
        kind: fc.constantFrom('a', 'b'),
        timestamp: fc.integer({ min: -(2 ** 48), max: now }),
        values: fc.record({ flow: float, pressure: float }),
        again: fc.oneof(
          wrapped('Node', list),
          wrapped('Kind', fc.constant('b')),
          wrapped('float', float),
          wrapped('double', float),
          wrapped('long', number),
          wrapped('int', number),
          wrapped('string', label),
          fc.constant(null),
        ),
        conditions: fc.record({
          mode: wrapped('string', label),
          other: wrapped('Node', list),
          load: wrapped('int', number),
        }),
      }),
      (value) => {
        expect(decode(type.toBuffer(value), rich, { fields: { timestampFormat: 'ms' } })).toEqual({
          key: value.key,
          timestamp: value.timestamp,
          values: [value.values.flow, value.values.pressure],
          mode: value.conditions.mode['string'],
          load: value.conditions.load['int'],
          others: [0, 0, 0, 0],
        });
      },
    ),
  );
});

const bytes = typeOf(writerOf()).toBuffer(good);
const as = (value: object, types: Record<string, unknown> = {}): [Buffer, Schema] => [
  typeOf(writerOf(types)).toBuffer({ ...good, ...value }),
  writerOf(types),
];
const values = (value: object) => as({ values: value });
const bad: [RejectReason, string, [Buffer, unknown], Way?][] = [
  ['damaged_record', 'no bytes', [Buffer.alloc(0), writerOf()]],
  ['damaged_record', 'a byte too few', [bytes.subarray(0, -1), writerOf()]],
  ['damaged_record', 'a byte too many', [Buffer.concat([bytes, Buffer.of(0)]), writerOf()]],
  [
    'damaged_record',
    'a branch that a union does not have',
    [Buffer.of(4), writerOf({ key: ['null', 'string'] })],
  ],
  ['damaged_record', 'a negative branch', [Buffer.of(1), writerOf({ key: ['null', 'string'] })]],
  [
    'damaged_record',
    'a symbol that an enum does not have',
    [Buffer.of(2), writerOf({ key: { type: 'enum', name: 'E', symbols: ['a'] } })],
  ],
  ['damaged_record', 'text that is no UTF-8', [Buffer.of(2, 0xff), writerOf()]],
  ['damaged_record', 'text of a negative length', [Buffer.of(1), writerOf()]],
  ['damaged_record', 'a number of eleven bytes', [Buffer.alloc(11, 0xff), writerOf({ key: 'long' })]],
  ['missing_key', 'a key that is null', as({ key: null }, { key: ['null', 'string'] })],
  ['missing_key', 'a key that is bytes', as({ key: Buffer.of(1) }, { key: 'bytes' })],
  ['missing_key', 'a key that is a record', as({ key: { a: 1 } }, { key: record('K', { a: 'int' }) })],
  ['missing_key', 'a key that is a list', as({ key: ['a'] }, { key: { type: 'array', items: 'string' } })],
  ['missing_key', 'a writer without a key', as({}), { fields: { key: 'device' } }],
  ['missing_timestamp', 'a time that is null', as({ timestamp: null }, { timestamp: ['null', 'long'] })],
  ['bad_timestamp', 'a date', as({ timestamp: 20_000 }, { timestamp: { type: 'int', logicalType: 'date' } })],
  ['bad_timestamp', 'a time without a zone', as({}, { timestamp: moment('local-timestamp-millis') })],
  ['bad_timestamp', 'a time that is a boolean', as({ timestamp: true }, { timestamp: 'boolean' })],
  ['bad_timestamp', 'seconds that are called milliseconds', as({ timestamp: now / 1000 })],
  ['bad_key', 'a double beyond 2^53', as({ key: 2 ** 53 }, { key: 'double' })],
  ['timestamp_in_future', 'microseconds that are called milliseconds', as({ timestamp: now * 1000 })],
  ['missing_channel', 'values that are null', as({ values: null }, { values: ['null', 'int'] })],
  ['missing_channel', 'values that are a number', as({ values: 1 }, { values: 'int' })],
  ['missing_channel', 'a writer without values', as({}), { fields: { values: 'data' } }],
  [
    'missing_channel',
    'NaN where no value may be missing',
    values({ flow: NaN, pressure: 1 }),
    { schema: { missingChannels: 'reject' } },
  ],
  [
    'missing_channel',
    'a channel that the writer does not have',
    as({ values: { flow: 1 } }, { values: record('V', { flow: 'int' }) }),
    { schema: { missingChannels: 'reject' } },
  ],
  [
    'unknown_channel',
    'a channel that is not in the schema',
    as({ values: { hum: 1 } }, { values: record('V', { hum: 'int' }) }),
  ],
  [
    'unknown_channel',
    'a channel of a map likewise',
    as({ values: { hum: 1 } }, { values: { type: 'map', values: 'int' } }),
  ],
  [
    'unknown_channel',
    'a list that is too long',
    as({ values: [1, 2, 3] }, { values: { type: 'array', items: 'int' } }),
  ],
  [
    'not_a_number',
    'text as a channel',
    as({ values: ['1'] }, { values: { type: 'array', items: 'string' } }),
  ],
  [
    'not_a_number',
    'a boolean as a channel',
    as({ values: [true] }, { values: { type: 'array', items: 'boolean' } }),
  ],
  [
    'not_a_number',
    'bytes that are no decimal',
    as({ values: [Buffer.of(1)] }, { values: { type: 'array', items: 'bytes' } }),
  ],
  [
    'not_a_number',
    'a record as a channel',
    as({ values: [{ v: 1 }] }, { values: { type: 'array', items: record('V', { v: 'int' }) } }),
  ],
  ['out_of_range', 'infinity', values({ flow: Infinity, pressure: 1 })],
  ['out_of_range', 'a double beyond float32', values({ flow: -1e39, pressure: 1 })],
  [
    'bad_condition',
    'a category that is a record',
    as(
      { conditions: { mode: { a: 1 } } },
      { conditions: { type: 'map', values: record('C', { a: 'int' }) } },
    ),
  ],
  [
    'bad_condition',
    'a number that is a word',
    as({ conditions: { load: 'much' } }, { conditions: { type: 'map', values: 'string' } }),
  ],
];

test.each(bad)('%s for %s', (...[reason, , [payload, writer], way]) => {
  expect(() => decode(payload, writer, way)).toThrow(
    expect.objectContaining({ name: 'DecodeError', reason }) as Error,
  );
});

test.each<[string, unknown]>([
  ['a name that is not declared', writerOf({ key: 'Key' })],
  ['a type that is a number', writerOf({ key: 5 })],
  ['a type that is null', writerOf({ key: null })],
  ['a union in a union', writerOf({ key: ['null', ['string']] })],
  ['a record without a name', { type: 'record', fields: [] }],
  ['a record without fields', { type: 'record', name: 'R' }],
  ['a field without a name', { type: 'record', name: 'R', fields: [{ type: 'int' }] }],
  ['a name that is declared twice', record('R', { a: record('R', {}) })],
  ['an enum without symbols', { type: 'enum', name: 'E' }],
  ['a negative size', { type: 'fixed', name: 'F', size: -1 }],
  ['types that are nested without end', JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`)],
])('unusable_schema for %s', (_, writer) => {
  expect(() => decode(bytes, writer)).toThrow(
    expect.objectContaining({ reason: 'unusable_schema' }) as Error,
  );
});

/** A whole number in Avro's encoding. */
function long(value: number): Buffer {
  const out: number[] = [];
  for (let rest = BigInt(value) * 2n; ; rest >>= 7n) {
    out.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    if (rest <= 127n) return Buffer.from(out);
  }
}

test.each<[string, unknown, Buffer]>([
  ['items of no size', { type: 'array', items: 'null' }, long(2 ** 40)],
  ['empty records', { type: 'array', items: record('Empty', {}) }, long(2 ** 40)],
  [
    'lists of lists of nothing',
    { type: 'array', items: { type: 'array', items: 'null' } },
    Buffer.concat([long(2 ** 12), ...Array.from({ length: 2 ** 10 }, () => long(2 ** 12))]),
  ],
  ['a record within itself', record('Node', { next: ['null', 'Node'] }), Buffer.alloc(9_000, 2)],
  [
    'records that double themselves',
    Array.from({ length: 40 }).reduce<unknown>(
      (inner, _, i) => (i === 0 ? record('R0', {}) : record(`R${i}`, { a: inner, b: `R${i - 1}` })),
      undefined,
    ),
    Buffer.alloc(0),
  ],
])('a few bytes cannot cause endless work: %s', (_, type, payload) => {
  // The limits on steps and on depth, not the end of the bytes, stop the decoder.
  expect(() => decode(payload, record('R', { other: type }))).toThrow(
    /more items than their size allows|nested more than/,
  );
  expect(() => decode(payload, record('R', { values: type }))).toThrow(DecodeError);
});

test('a record with altered or missing bytes is read or rejected, and only its row is written', () => {
  const change = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), fc.nat({ max: bytes.length }), (changes, length) => {
      const mutated = Buffer.from(bytes.subarray(0, length));
      for (const [at, byte] of changes) if (at < length) mutated[at] = byte;
      try {
        expect(decode(mutated, writerOf()).others).toEqual([0, 0, 0, 0]);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        expect(error.message.length).toBeLessThan(200);
      }
    }),
    { numRuns: 2_000 },
  );
});
