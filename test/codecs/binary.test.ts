import fc from 'fast-check';
import { createCategoryTable, createConditionReader } from '../../src/domain/condition';
import { createRecordBatch, type RecordSchema } from '../../src/domain/record';
import { DecodeError, type RejectReason } from '../../src/errors';
import { createBinaryDecoder, layoutOf } from '../../src/codecs/binary';
import type { Message } from '../../src/sources/source';
import { loadEncoder, type BinaryRecord } from '../formats/document';

const now = Date.parse('2026-03-01T12:00:00Z');
const limits = { maxBytes: 10_000, maxAheadMs: 60_000 };
const schema: RecordSchema = {
  channels: ['flow', 'pressure', 'power'],
  missingChannels: 'mask',
  extraChannels: 'reject',
  conditions: [
    { name: 'mode', kind: 'category', maxValues: 4, missing: 'unknown' },
    { name: 'hour', kind: 'hour-of-day', timeZone: 'UTC' },
    { name: 'load', kind: 'number', missing: 'unknown' },
  ],
};
const layout = layoutOf(schema.channels, ['mode', 'load']);
const encode = loadEncoder();
const good: BinaryRecord = {
  key: 'pump-3',
  timestamp: now,
  values: [1.5, -2, 0.25],
  conditions: ['idle', 0.5],
};

/** Decodes one message into the second of three rows. */
function decode(
  value: Buffer | null,
  changes: Partial<RecordSchema> = {},
  key: Buffer | null = Buffer.from('own-key'),
) {
  const table = createCategoryTable();
  const used = { ...schema, ...changes };
  const message: Message = {
    key,
    value,
    timestamp: now - 5000,
    origin: { topic: 't', partition: 0, offset: '7' },
    warmUp: false,
  };
  const batch = createRecordBatch(used, 3);
  const reader = createConditionReader(used.conditions, table);
  createBinaryDecoder({ schema: used, limits, readConditions: reader })(message, batch, 1, now);
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

test('a record from the encoder of docs/formats.md is read as the same record', () => {
  const value = fc.oneof(
    fc.constant(null),
    fc.constant(NaN),
    fc.float({ noNaN: true, noDefaultInfinity: true }),
  );
  const record = fc.record({
    key: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
    timestamp: fc.double({ min: 1e12, max: now, noNaN: true }),
    values: fc.array(value, { minLength: 3, maxLength: 3 }),
    conditions: fc.tuple(
      fc.oneof(fc.constant(null), fc.string({ unit: 'grapheme', maxLength: 30 })),
      fc.oneof(fc.constant(null), fc.double({ noNaN: true, noDefaultInfinity: true })),
    ),
  });
  fc.assert(
    fc.property(record, fc.boolean(), fc.constantFrom(0, layout), (given, float64, said) => {
      const [mode, load] = given.conditions;
      expect(decode(encode(given, { float64, layout: said }))).toEqual({
        key: given.key,
        timestamp: given.timestamp,
        values: given.values.map((one) => one ?? NaN),
        mode: mode ?? undefined,
        load: load ?? NaN,
        others: [0, 0, 0, 0, 0, 0],
      });
    }),
  );
});

test('a record has the bytes that docs/formats.md describes', () => {
  expect(encode({ key: 'a', timestamp: 0, values: [1, null], conditions: ['x'] }).toString('hex')).toBe(
    [
      '5652',
      '01',
      '02',
      '00000000',
      '0000000000000000',
      '0200',
      '01',
      '01',
      '61',
      '02',
      '0000803f',
      '020178',
    ].join(''),
  );
  expect(layoutOf(['flow', 'pressure'], ['mode'])).toBe(0x42b08d1c);
});

test('a record without key and time has those of its message', () => {
  expect(decode(encode({ values: [1, 2, 3] }))).toMatchObject({ key: 'own-key', timestamp: now - 5000 });
});

test('values and conditions that a record lacks are missing', () => {
  expect(decode(encode({ ...good, values: [1], conditions: ['idle'] }))).toMatchObject({
    values: [1, NaN, NaN],
    mode: 'idle',
    load: NaN,
  });
});

test('extra conditions are ignored, and extra values if extra channels are ignored', () => {
  const more = encode({ ...good, values: [1, 2, 3, 4], conditions: ['idle', 2, 'x', null] });
  expect(decode(more, { extraChannels: 'ignore' })).toMatchObject({
    values: [1, 2, 3],
    mode: 'idle',
    load: 2,
  });
});

const bytes = encode(good);
const withByte = (at: number, byte: number) => {
  const copy = Buffer.from(bytes);
  copy[at] = byte;
  return copy;
};
const bad: [RejectReason, string, Buffer | null, Partial<RecordSchema>?][] = [
  ['empty', 'no value', null],
  ['too_large', 'more bytes than allowed', Buffer.alloc(10_001)],
  ['unknown_format', 'JSON', Buffer.from('{"key": "pump-3", "values": [1, 2, 3]}')],
  ['unknown_format', 'half a header', bytes.subarray(0, 19)],
  ['unknown_format', 'version 2', withByte(2, 2)],
  ['damaged_record', 'a flag of a later version', withByte(3, 4)],
  [
    'schema_mismatch',
    'another layout',
    encode(good, { layout: layoutOf(['pressure', 'flow', 'power'], []) }),
  ],
  ['damaged_record', 'a byte too few', bytes.subarray(0, -1)],
  ['damaged_record', 'a byte too many', Buffer.concat([bytes, Buffer.of(0)])],
  ['damaged_record', 'a condition of an unknown type', withByte(bytes.length - 9, 3)],
  ['damaged_record', 'more values than bytes', withByte(17, 255)],
  ['damaged_record', 'a key that is no UTF-8', withByte(20, 0xff)],
  ['bad_timestamp', 'a time that is infinite', encode({ ...good, timestamp: Infinity })],
  ['timestamp_in_future', 'a time ahead', encode({ ...good, timestamp: now + 60_001 })],
  ['unknown_channel', 'a value too many', encode({ ...good, values: [1, 2, 3, 4] })],
  ['out_of_range', 'an infinite value', encode({ ...good, values: [1, 2, -Infinity] })],
  ['out_of_range', 'a value beyond float32', encode({ ...good, values: [1, 2, 1e39] }, { float64: true })],
  [
    'missing_channel',
    'NaN where no value may be missing',
    encode({ ...good, values: [1, 2, NaN] }),
    { missingChannels: 'reject' },
  ],
  [
    'missing_channel',
    'a bit of the bitmap likewise',
    encode({ ...good, values: [1, null, 2] }),
    { missingChannels: 'reject' },
  ],
  ['bad_condition', 'a number that is NaN', encode({ ...good, conditions: ['idle', NaN] })],
];

test.each(bad)('%s for %s', (...[reason, , value, changes]) => {
  expect(() => decode(value, changes)).toThrow(
    expect.objectContaining({ name: 'DecodeError', reason }) as Error,
  );
});

test('missing_key if neither the record nor its message has a key', () => {
  expect(() => decode(encode({ values: [1, 2, 3] }), {}, null)).toThrow(
    expect.objectContaining({ reason: 'missing_key' }) as Error,
  );
});

test('a record with altered or missing bytes is read or rejected, and only its row is written', () => {
  const change = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), fc.nat({ max: bytes.length }), (changes, length) => {
      const mutated = Buffer.from(bytes.subarray(0, length));
      for (const [at, byte] of changes) if (at < length) mutated[at] = byte;
      try {
        expect(decode(mutated).others).toEqual([0, 0, 0, 0, 0, 0]);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        expect(error.message.length).toBeLessThan(200);
      }
    }),
    { numRuns: 2_000 },
  );
});
