import { createCategoryTable, createConditionReader, unknownCategory } from '../../../src/domain/condition';
import { createRecordBatch, type RecordSchema } from '../../../src/domain/record';
import { rejectReasons, type RejectReason } from '../../../src/errors';
import type { RecordFields } from '../../../src/codecs/codec';
import { createJsonDecoder } from '../../../src/codecs/json/json';
import type { Message } from '../../../src/sources/source';

const now = Date.parse('2026-03-01T12:00:00Z');
const limits = { maxBytes: 1_000_000, maxAheadMs: 60_000 };
const fields: RecordFields = {
  key: 'key',
  timestamp: 'timestamp',
  values: 'values',
  conditions: 'conditions',
};
const schema: RecordSchema = {
  channels: ['flow', 'pressure'],
  missingChannels: 'reject',
  extraChannels: 'reject',
  conditions: [
    { name: 'mode', kind: 'category', maxValues: 4, missing: 'reject' },
    { name: 'load', kind: 'number', missing: 'unknown' },
  ],
};
const good = {
  key: 'pump-3',
  timestamp: '2026-03-01T12:00:00Z',
  values: { flow: 1.5, pressure: -2 },
  conditions: { mode: 'idle', load: 0.5 },
};

interface Way {
  fields?: Partial<RecordFields>;
  schema?: Partial<RecordSchema>;
  message?: Partial<Message>;
}

/** Decodes one message into the second of three rows. */
function decode(value: unknown, way: Way = {}) {
  const table = createCategoryTable();
  const used = { ...schema, ...way.schema };
  const message: Message = {
    key: Buffer.from('own-key'),
    value: typeof value === 'string' ? Buffer.from(value) : Buffer.from(JSON.stringify(value)),
    timestamp: now - 5000,
    origin: { topic: 't', partition: 0, offset: '7' },
    warmUp: false,
    ...way.message,
  };
  const batch = createRecordBatch(used, 3);
  const reader = createConditionReader(used.conditions, table);
  createJsonDecoder({ fields: { ...fields, ...way.fields }, schema: used, limits, readConditions: reader })(
    message,
    batch,
    1,
    now,
  );
  return {
    key: batch.keys[1],
    timestamp: batch.timestamps[1],
    values: [...batch.values.subarray(2, 4)],
    mode: table.value(batch.conditions[2]!),
    load: batch.conditions[3],
    batch,
  };
}

/** The record with one part replaced in its JSON text, for values that JSON.stringify cannot write. */
const withText = (part: string, replacement: string) => {
  const text = JSON.stringify(good);
  expect(text).toContain(part);
  return text.replace(part, replacement);
};
const values = (...list: unknown[]) => ({ ...good, values: list });
const conditions = (given: object) => ({ ...good, conditions: given });

test('a valid record is written into its row only', () => {
  const { batch, ...decoded } = decode(good);
  expect(decoded).toEqual({
    key: 'pump-3',
    timestamp: now,
    values: [1.5, -2],
    mode: 'idle',
    load: 0.5,
  });
  expect([batch.keys[0], batch.keys[2]]).toEqual(['', '']);
  expect([...batch.values]).toEqual([0, 0, 1.5, -2, 0, 0]);
  expect([...batch.conditions]).toEqual([0, 0, expect.any(Number), 0.5, 0, 0]);
});

describe('accepts', () => {
  test.each<[string, unknown, Way, object]>([
    ['values as a list in the order of the schema', values(1, 2), {}, { values: [1, 2] }],
    ['channels in another order', { ...good, values: { pressure: 2, flow: 1 } }, {}, { values: [1, 2] }],
    [
      'the largest number of float32',
      values(3.4028234e38, -3.4028234e38),
      {},
      { values: [3.4028234e38, -3.4028234e38] },
    ],
    ['a key that is a number', { ...good, key: 17 }, {}, { key: '17' }],
    ['the largest key that is a number', { ...good, key: 2 ** 53 - 1 }, {}, { key: '9007199254740991' }],
    ['a key that is a fraction', { ...good, key: 1.5 }, {}, { key: '1.5' }],
    ['a key with characters beyond ASCII', { ...good, key: 'насос 😀' }, {}, { key: 'насос 😀' }],
    [
      'a key that looks like a property of every object',
      { ...good, key: '__proto__' },
      {},
      { key: '__proto__' },
    ],
    [
      'a time in Unix milliseconds',
      { ...good, timestamp: 1_700_000_000_123 },
      {},
      { timestamp: 1_700_000_000_123 },
    ],
    [
      'a time with an offset',
      { ...good, timestamp: '2026-03-01T13:30:00.25+01:30' },
      {},
      { timestamp: now + 250 },
    ],
    ['a time as far ahead as allowed', { ...good, timestamp: now + 60_000 }, {}, { timestamp: now + 60_000 }],
    [
      'a time before 1970, if the unit is set',
      { ...good, timestamp: -1 },
      { fields: { timestampFormat: 'ms' } },
      { timestamp: -1 },
    ],
    ['milliseconds as text', { ...good, timestamp: '1700000000000' }, {}, { timestamp: 1_700_000_000_000 }],
    ['a time in Unix seconds', { ...good, timestamp: 1_700_000_000 }, {}, { timestamp: 1_700_000_000_000 }],
    [
      'row numbers, if the unit is set',
      { ...good, timestamp: 17 },
      { fields: { timestampFormat: 's' } },
      { timestamp: 17_000 },
    ],
    [
      'a field whose name has a dot',
      { ...good, 'host.name': 'p1' },
      { fields: { key: 'host\\.name' } },
      { key: 'p1' },
    ],
    ['a category that is a number', conditions({ mode: 7 }), {}, { mode: '7' }],
    ['a number condition that is missing', conditions({ mode: 'idle' }), {}, { load: NaN }],
    [
      'conditions that the schema does not know',
      conditions({ ...good.conditions, x: {} }),
      {},
      { mode: 'idle' },
    ],
    ['fields that nobody asked for', { ...good, more: [1, 2] }, {}, { values: [1.5, -2] }],
    [
      'an inherited name that the record has as its own',
      withText('"key":', '"__proto__":{"key":"evil"},"key":'),
      {},
      { key: 'pump-3' },
    ],
  ])('%s', (_, value, way, expected) => {
    expect(decode(value, way)).toMatchObject(expected);
  });

  test('a missing or null channel as NaN, if values may be masked', () => {
    const mask: Way = { schema: { missingChannels: 'mask' } };
    expect(decode({ ...good, values: { flow: 1 } }, mask).values).toEqual([1, NaN]);
    expect(decode(values(null, 2), mask).values).toEqual([NaN, 2]);
    expect(decode(values(1), mask).values).toEqual([1, NaN]);
  });

  test.each([
    ['numbers as text', { texts: 'numbers' }, ' -1.5e2 ', -150],
    [
      'a text that stands for a missing value',
      { missingTexts: ['N/A'], missingChannels: 'mask' },
      ' N/A',
      NaN,
    ],
    ['both', { texts: 'numbers', missingTexts: ['-'], missingChannels: 'mask' }, '-', NaN],
  ] as const)('%s, if they are allowed', (_, own, text, value) => {
    const given = { ...good, values: { flow: text, pressure: 2 } };
    expect([...decode(given, { schema: own }).values]).toEqual([value, 2]);
  });

  test.each([
    ['no number', { texts: 'numbers' }, '1,5', 'not_a_number'],
    ['empty', { texts: 'numbers' }, '', 'not_a_number'],
    ['beyond float32', { texts: 'numbers' }, '1e300', 'out_of_range'],
    ['missing where values are required', { missingTexts: ['N/A'] }, 'N/A', 'missing_channel'],
  ] as const)('no text that is %s', (_, own, text, reason) => {
    const given = { ...good, values: { flow: text, pressure: 2 } };
    expect(() => decode(given, { schema: own })).toThrow(expect.objectContaining({ reason }) as Error);
  });

  test('an extra channel, if extra channels are ignored', () => {
    const ignore: Way = { schema: { extraChannels: 'ignore' } };
    expect(decode({ ...good, values: { ...good.values, extra: 'x' } }, ignore).values).toEqual([1.5, -2]);
    expect(decode(values(1, 2, 'x'), ignore).values).toEqual([1, 2]);
  });

  test('a missing category as unknown, if that is allowed', () => {
    const lenient: Way = {
      schema: { conditions: [{ ...schema.conditions[0]!, missing: 'unknown' } as never] },
    };
    const { batch } = decode({ ...good, conditions: undefined }, lenient);
    expect(batch.conditions[1]).toBe(unknownCategory);
  });

  test('a new category, which the model treats as unknown', () => {
    expect(decode(conditions({ mode: 'never seen' })).mode).toBe('never seen');
  });
});

const bad: [RejectReason, string, unknown, Way?][] = [
  ['empty', 'an empty value', ''],
  ['empty', 'no value at all', '', { message: { value: null } }],
  ['too_large', 'a message of 1 MB and one byte', JSON.stringify(good).padEnd(1_000_001)],
  ['too_large', 'and that before it is read', 'x'.repeat(2_000_000)],
  ['not_json', 'a word', 'hello'],
  ['not_json', 'half a record', JSON.stringify(good).slice(0, -1)],
  ['not_json', 'a bare NaN', withText('1.5', 'NaN')],
  ['not_json', 'a bare Infinity', withText('1.5', 'Infinity')],
  ['not_json', 'bytes that are no text', '', { message: { value: Buffer.from([0xff, 0x00, 0xfe]) } }],
  ['not_an_object', 'a list', [good]],
  ['not_an_object', 'null', 'null'],
  ['not_an_object', 'a number', '42'],
  ['missing_key', 'no key', { ...good, key: undefined }],
  ['missing_key', 'an empty key', { ...good, key: '' }],
  ['missing_key', 'a key that is null', { ...good, key: null }],
  ['missing_key', 'a key that is an object', { ...good, key: { id: 1 } }],
  ['missing_key', 'a message without its own key', good, { fields: { key: '' }, message: { key: null } }],
  ['missing_key', 'a path that ends early', { ...good, key: 'x' }, { fields: { key: 'key.id' } }],
  ['missing_key', 'a path into what every object inherits', good, { fields: { key: 'constructor.name' } }],
  [
    'missing_key',
    'a key that only a prototype has',
    withText('"key":"pump-3"', '"__proto__":{"key":"evil"}'),
  ],
  ['bad_key', 'half a surrogate pair', withText('pump-3', '\\ud800')],
  ['bad_key', 'a number of 2^53', withText('"pump-3"', '9007199254740992')],
  ['bad_key', 'a number beyond 2^53', withText('"pump-3"', '9007199254740993')],
  ['bad_key', 'a number that JSON.parse rounds', withText('"pump-3"', '12345678901234567890')],
  ['bad_key', 'a number below −2^53', withText('"pump-3"', '-9007199254740993')],
  ['bad_key', 'a fraction with too many digits', withText('"pump-3"', '0.1234567890123456789')],
  [
    'bad_key',
    'a key of the message that is not UTF-8',
    good,
    { fields: { key: '' }, message: { key: Buffer.from('00000000000000c8', 'hex') } },
  ],
  [
    'bad_key',
    'a key in the record that is not UTF-8',
    '',
    { message: { value: Buffer.from(withText('pump-3', 'pump-\xfc'), 'latin1') } },
  ],
  ['bad_key', 'a key of more than 1024 characters', { ...good, key: 'k'.repeat(1025) }],
  ['missing_timestamp', 'no time', { ...good, timestamp: undefined }],
  ['missing_timestamp', 'a time that is null', { ...good, timestamp: null }],
  ['missing_timestamp', 'a time that every object inherits', good, { fields: { timestamp: 'constructor' } }],
  ['bad_timestamp', 'a word as time', { ...good, timestamp: 'yesterday' }],
  ['bad_timestamp', 'a time without a zone', { ...good, timestamp: '2026-03-01T12:00:00' }],
  ['bad_timestamp', 'a day without a time', { ...good, timestamp: '2026-03-01' }],
  ['bad_timestamp', 'a month that does not exist', { ...good, timestamp: '2026-13-01T12:00:00Z' }],
  ['bad_timestamp', 'a day that does not exist', { ...good, timestamp: '2026-02-30T12:00:00Z' }],
  ['bad_timestamp', 'a row number', { ...good, timestamp: 17 }],
  ['bad_timestamp', 'a time before 2001', { ...good, timestamp: '1970-01-01T00:00:05Z' }],
  ['bad_timestamp', 'a time beyond all dates', { ...good, timestamp: 1e19 }],
  ['bad_timestamp', 'a time that overflows', withText('"2026-03-01T12:00:00Z"', '1e999')],
  ['bad_timestamp', 'an object as time', { ...good, timestamp: {} }],
  [
    'bad_timestamp',
    'a transport without a time',
    good,
    { fields: { timestamp: '' }, message: { timestamp: NaN } },
  ],
  [
    'bad_timestamp',
    'a transport time in nanoseconds',
    good,
    { fields: { timestamp: '' }, message: { timestamp: 1.7e18 } },
  ],
  ['timestamp_in_future', 'a time beyond what clocks may differ', { ...good, timestamp: now + 60_001 }],
  ['timestamp_in_future', 'the last day of all', { ...good, timestamp: 8.64e15 }],
  ['missing_channel', 'no values', { ...good, values: undefined }],
  ['missing_channel', 'a number instead of values', { ...good, values: 3 }],
  ['missing_channel', 'a channel that is absent', { ...good, values: { flow: 1 } }],
  ['missing_channel', 'a channel that is null', { ...good, values: { flow: 1, pressure: null } }],
  [
    'missing_channel',
    'a channel that every object inherits',
    { ...good, values: { flow: 1 } },
    { schema: { channels: ['flow', 'constructor'] } },
  ],
  ['missing_channel', 'a list that is too short', values(1)],
  ['missing_channel', 'a null in a list', values(1, null)],
  [
    'missing_channel',
    'a channel that only a prototype has',
    withText('"flow":1.5', '"__proto__":{"flow":1}'),
    { schema: { extraChannels: 'ignore' } },
  ],
  [
    'unknown_channel',
    'a channel that the schema does not know',
    { ...good, values: { ...good.values, x: 1 } },
  ],
  ['unknown_channel', 'a channel called __proto__', withText('"flow":1.5', '"flow":1,"__proto__":2')],
  ['unknown_channel', 'a list that is too long', values(1, 2, 3)],
  ['not_a_number', 'a number as text', values('1.5', 2)],
  ['not_a_number', 'the text NaN', values('NaN', 2)],
  ['not_a_number', 'true', values(true, 2)],
  ['not_a_number', 'a list in the list', values([1], 2)],
  ['not_a_number', 'an object as value', values({}, 2)],
  ['out_of_range', '1e308', values(1e308, 2)],
  ['out_of_range', '−1e308', values(-1e308, 2)],
  ['out_of_range', '1e999, which overflows', withText('1.5', '1e999')],
  ['missing_condition', 'no conditions', { ...good, conditions: undefined }],
  ['missing_condition', 'a condition that is absent', conditions({ load: 1 })],
  ['missing_condition', 'a condition that is null', conditions({ mode: null })],
  ['missing_condition', 'conditions as a list', conditions(['idle'])],
  ['bad_condition', 'a category that is an object', conditions({ mode: {} })],
  ['bad_condition', 'a category that is a number beyond 2^53', conditions({ mode: 2 ** 53 })],
  ['bad_condition', 'a category of more than 1024 characters', conditions({ mode: 'm'.repeat(1025) })],
  ['bad_condition', 'a number condition that is a word', conditions({ mode: 'idle', load: 'much' })],
  ['bad_condition', 'a number condition that overflows', withText('0.5', '1e999')],
];

describe('rejects with the reason', () => {
  test.each(bad)('%s for %s', (...[reason, , value, way]) => {
    expect(() => decode(value, way)).toThrow(
      expect.objectContaining({ name: 'DecodeError', reason }) as Error,
    );
  });

  test('every reason that a record alone can cause has a case', () => {
    const byOrder: RejectReason[] = ['duplicate', 'out_of_order'];
    const tried = new Set(bad.map(([reason]) => reason));
    const ofOtherFormats = (reason: RejectReason): boolean =>
      /image|base64|pixels|schema|series|format|damaged|batch/.test(reason);
    const others = rejectReasons.filter((reason) => !ofOtherFormats(reason) && !tried.has(reason));
    expect(others).toEqual(byOrder);
  });
});

test.each<[string, unknown, RegExp]>([
  ['the field of the key', { ...good, key: '' }, /"key"/],
  ['the time as it came', { ...good, timestamp: 'noon' }, /"noon"/],
  [
    'the time in full, and how far ahead it is',
    { ...good, timestamp: now + 3_600_000 },
    /13:00:00\.000Z is 3600 s/,
  ],
  ['the missing channel', { ...good, values: { flow: 1 } }, /"pressure" is missing/],
  ['the unknown channel', { ...good, values: { ...good.values, x: 1 } }, /"x" is not in the schema/],
  ['channel and value', values(1, 'high'), /"pressure" must be a number, got "high"/],
  ['a number that is no measurement', values(1e308, 1), /"flow": 1e\+308/],
  ['both sizes of a large message', 'x'.repeat(1_000_001), /1000001 bytes.*1000000/],
])('the error message contains %s', (_, value, message) => {
  expect(() => decode(value)).toThrow(message);
});

test('an error message stays short for a long value', () => {
  const long = 'x'.repeat(100_000);
  for (const value of [values(long, 1), { ...good, timestamp: long }, { ...good, values: { [long]: 1 } }]) {
    expect(() => decode(value)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^.{1,200}$/) }) as Error,
    );
  }
});

test('a record may be nested deeper than the stack allows', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  for (const part of ['"2026-03-01T12:00:00Z"', '1.5', '"idle"', '0.5']) {
    expect(() => decode(withText(part, deep))).toThrow(
      expect.objectContaining({ message: expect.stringContaining('got a list') }) as Error,
    );
  }
});

test('fields are found by their dotted paths', () => {
  const nested = {
    meta: { device: { id: 'pump-9' }, time: now },
    payload: { v: { flow: 1, pressure: 2 }, c: { mode: 'full' } },
  };
  const paths: RecordFields = {
    key: 'meta.device.id',
    timestamp: 'meta.time',
    values: 'payload.v',
    conditions: 'payload.c',
  };
  expect(decode(nested, { fields: paths })).toMatchObject({
    key: 'pump-9',
    timestamp: now,
    values: [1, 2],
    mode: 'full',
  });
});

test('with empty fields, values and conditions are fields of the record itself', () => {
  const flat = { key: 'pump-3', timestamp: now, pressure: 2, flow: 1, mode: 'full', load: 0.5 };
  const decoded = decode(flat, {
    fields: { values: '', conditions: '' },
    schema: { extraChannels: 'ignore' },
  });
  expect(decoded).toMatchObject({ values: [1, 2], mode: 'full', load: 0.5 });
});

test('with empty fields, key and time are those of the message', () => {
  const { key, timestamp, ...rest } = good;
  expect({ key, timestamp }).toBeDefined();
  const decoded = decode(rest, { fields: { key: '', timestamp: '' } });
  expect(decoded).toMatchObject({ key: 'own-key', timestamp: now - 5000 });
});

test('a message time in the future is rejected, too', () => {
  const ahead: Way = { fields: { timestamp: '' }, message: { timestamp: now + 60_001 } };
  expect(() => decode(good, ahead)).toThrow(
    expect.objectContaining({ reason: 'timestamp_in_future' }) as Error,
  );
});
