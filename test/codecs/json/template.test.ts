/** Templates read every record, valid or damaged, exactly as JSON.parse does. */
import fc from 'fast-check';
import { createCategoryTable, createConditionReader } from '../../../src/domain/condition';
import { createRecordBatch, type RecordSchema } from '../../../src/domain/record';
import { DecodeError } from '../../../src/errors';
import { parseObject } from '../../../src/codecs/envelope';
import type { RecordFields } from '../../../src/codecs/codec';
import { createJsonDecoder, createObjectWriter } from '../../../src/codecs/json/json';
import { createTemplates } from '../../../src/codecs/json/template';
import { type Roles } from '../../../src/codecs/json/template-scan';
import type { Message } from '../../../src/sources/source';
import { codePoint } from '../../code-point';

const now = Date.parse('2026-03-01T12:00:00Z');
const limits = { maxBytes: 1_000_000, maxAheadMs: 60_000 };
const fields: RecordFields = { key: 'key', timestamp: 'at', values: 'values', conditions: 'meta' };
const schema: RecordSchema = {
  channels: ['flow', 'pressure', '__proto__'],
  missingChannels: 'mask',
  extraChannels: 'ignore',
  conditions: [
    { name: '__proto__', kind: 'category', maxValues: 4, missing: 'unknown' },
    { name: 'load', kind: 'number', missing: 'unknown' },
  ],
};

const messageOf = (value: Buffer): Message => ({
  key: Buffer.from('own'),
  value,
  timestamp: now - 5000,
  origin: { topic: 't', partition: 0, offset: '0' },
  warmUp: false,
});

/** Two decoders: one with templates and one that parses each record. */
function createPair(used: { fields: RecordFields; schema: RecordSchema }) {
  const make = () => {
    const table = createCategoryTable();
    const reader = createConditionReader(used.schema.conditions, table);
    return { table, reader, batch: createRecordBatch(used.schema, 1) };
  };
  const [learning, parsing] = [make(), make()];
  const decode = createJsonDecoder({ ...used, limits, readConditions: learning.reader });
  const write = createObjectWriter({ ...used, limits, readConditions: parsing.reader });
  const said = (of: typeof learning, act: (batch: typeof learning.batch) => void) => {
    try {
      act(of.batch);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return `${error.reason}: ${error.message}`;
    }
    const { keys, timestamps, values, conditions } = of.batch;
    return { key: keys[0], timestamp: timestamps[0], values: [...values], conditions: [...conditions] };
  };
  return (value: Buffer) => ({
    learned: said(learning, (batch) => decode(messageOf(value), batch, 0, now)),
    parsed: said(parsing, (batch) => write(messageOf(value), parseObject(value), batch, 0, now)),
  });
}

const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer().map(String),
  fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.nat(999)).map(([whole, part]) => `${whole}.${part}`),
  fc.constantFrom('-0', '0', '-0.0', '1e3', '1E-7', '0.1', '123456789012345', '1234567890123456', '01', '1.'),
  fc.constantFrom('null', 'true', '"1.5"', '[]', '{"flow":1}', '-', '0.000000000000001'),
);
const keyText = fc.oneof(
  fc.constantFrom('"pump-1"', '"pump-2"', '"насос"', '"a\\u0062"', '""', '7', 'null', '"a\tb"'),
  fc.string({ maxLength: 8, unit: codePoint }).map((text) => JSON.stringify(text)),
);
const timeText = fc.oneof(
  fc.date({ min: new Date('1000-01-01'), max: new Date('2027-01-01'), noInvalidDate: true }).map((date) => {
    return JSON.stringify(date);
  }),
  fc.integer({ min: -1e13, max: now }).map(String),
  fc.integer({ min: 1e12, max: now }).map(String),
  fc.integer({ min: 1e9, max: now / 1000 }).map(String),
  fc.integer({ min: 1e12, max: now }).map((ms) => `"${ms / 1000}"`),
  fc.constantFrom(
    '"2026-02-28T23:59:59Z"',
    '"2026-02-29T00:00:00Z"',
    '"2026-02-30T00:00:00.5Z"',
    '"2026-01-01T24:00:00Z"',
    '"2026-01-01T00:00:60Z"',
    '"2026-01-01T00:00:00.12Z"',
    '"2026-01-01T00:00:00.1234Z"',
    '"2026-01-01T00:00:00+01:00"',
    '"2026-01-01T00:00:00"',
    '"2026-13-01T00:00:00Z"',
    '"2026-1a-01T00:00:00Z"',
    '"0099-01-01T00:00:00Z"',
    '"2026-01-01t00:00:00z"',
    '"2026-01-31T12:00:00.000Z"',
    '"2026-01-31 12:00:00+00:00"',
    '"2026-01-31T12:00:00,5Z"',
    '"2025-04-31T12:00:00.000Z"',
    '"2024-02-29T12:00:00.000Z"',
  ),
);
const anyText = fc.oneof(keyText, fc.constantFrom('1', '{"a":[1,"x"]}', '[]', 'true', 'null'));

/** Records of a few layouts, so that each repeats often, with all kinds of values in each place. */
const recordText = fc
  .record({
    shape: fc.nat(9),
    key: keyText,
    at: timeText,
    flow: numberText,
    pressure: numberText,
    load: numberText,
    other: anyText,
  })
  .map(({ shape, key, at, flow, pressure, load, other }) => {
    switch (shape) {
      case 0:
        return `{"key":${key},"at":${at},"values":[${flow},${pressure}],"meta":{"load":${load}}}`;
      case 1:
        return `{ "at": ${at},\n "values": {"pressure":${pressure}}, "key": ${key} }`;
      case 2:
        return `{"key":${key},"at":${at},"values":{"flow":${flow},"flow":${pressure},"x":${other}}}`;
      case 3:
        return `{"key":${key},"at":${at},"values":{"0":${flow},"__proto__":${pressure}},"meta":{"__proto__":${other}}}`;
      case 4:
        return `{"key":${key},"values":{"flow":${flow}},"other":${other}}`;
      default:
        return `{"key":${key},"at":${at},"values":{"flow":${flow},"pressure":${pressure}},"meta":{"load":${load},"__proto__":${key}},"x":${other}}`;
    }
  });

describe('repeated layouts are read as JSON.parse reads them', () => {
  test.each([
    ['by their fields', fields],
    ['with the key of the message', { ...fields, key: '' }],
    ['with the time of the message', { ...fields, timestamp: '' }],
    ['with the values at the top', { ...fields, values: '', conditions: 'meta' }],
    ['with a set unit', { ...fields, timestampFormat: 's' } as const],
    ['with a field for two things', { ...fields, timestamp: 'values.flow' }],
  ])('are read as JSON.parse reads them, %s', (_, used) => {
    fc.assert(
      fc.property(fc.array(recordText, { minLength: 2, maxLength: 40 }), (texts) => {
        const decode = createPair({ fields: used, schema });
        const decoded = texts.map((text) => decode(Buffer.from(text)));
        expect(decoded.map(({ learned }) => learned)).toEqual(decoded.map(({ parsed }) => parsed));
      }),
      { numRuns: 100 },
    );
  });

  test('with altered bytes anywhere', () => {
    const strict: RecordSchema = { ...schema, missingChannels: 'reject', extraChannels: 'reject' };
    const example = `{"key":"pump-3","at":"2026-02-28T12:00:00.250Z","values":{"flow":1.25,"pressure":-2,"__proto__":3}}`;
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: example.length - 1 }),
        fc.nat(255),
        fc.constantFrom('replace', 'insert', 'remove', 'cut'),
        (at, byte, way) => {
          const decode = createPair({ fields, schema: strict });
          const bytes = Buffer.from(example);
          decode(bytes);
          const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + (way === 'insert' ? 0 : 1))];
          const middle = way === 'remove' || way === 'cut' ? [] : [Buffer.from([byte])];
          const { learned, parsed } = decode(
            Buffer.concat([before, ...middle, ...(way === 'cut' ? [] : [after])]),
          );
          expect(learned).toEqual(parsed);
        },
      ),
      { numRuns: 1500 },
    );
  });
});

test.each([
  ['nest deeper than the stack goes', '['.repeat(200_000) + ']'.repeat(200_000)],
  ['have very many values', `[${'1,'.repeat(200_000)}1]`],
])('records that %s are read by JSON.parse', (_, strange) => {
  const decode = createPair({ fields, schema });
  const text = `{"x":${strange},"key":"pump-3","at":${now},"values":{"flow":1}}`;
  const { learned, parsed } = decode(Buffer.from(text));
  expect(learned).toEqual(parsed);
  expect(learned).toMatchObject({ key: 'pump-3' });
});

describe('templates', () => {
  const roles: Roles = {
    at: (path) => (path[0] === 'v' ? { kind: 'number', index: 0 } : undefined),
    numbers: 2,
  };
  const shape = (i: number): Buffer => Buffer.from(`{"shape${i}":"x","v":${i}.5}`);

  test('exist for several layouts at the same time', () => {
    const templates = createTemplates(roles);
    for (let i = 0; i < 4; i++) templates.learn(shape(i));
    for (const i of [3, 0, 2, 1, 1, 0]) {
      expect(templates.read(shape(i))?.numbers).toEqual([i + 0.5, NaN]);
    }
    expect(templates.read(shape(5))).toBeUndefined();
  });

  test('are replaced by a layout that repeats', () => {
    const templates = createTemplates(roles);
    for (let i = 0; i < 4; i++) templates.learn(shape(i));
    let read = 0;
    for (let i = 0; i < 1000; i++) {
      if (templates.read(shape(7)) === undefined) templates.learn(shape(7));
      else read++;
    }
    expect(read).toBeGreaterThan(900);
  });

  test('read records at any position in a buffer', () => {
    const templates = createTemplates(roles);
    templates.learn(shape(1));
    const all = Buffer.concat([Buffer.from('abc'), shape(1), Buffer.from('"}')]);
    expect(templates.read(all.subarray(3, 3 + shape(1).length))?.numbers[0]).toBe(1.5);
    expect(templates.read(all.subarray(3))).toBeUndefined();
    expect(templates.read(all.subarray(3, all.length - 3))).toBeUndefined();
  });

  test('are not made of deeply nested records or of very many values', () => {
    const templates = createTemplates(roles);
    const deep = Buffer.from(`{"v":1,"x":${'['.repeat(40)}${']'.repeat(40)}}`);
    const wide = Buffer.from(`{"v":1,"x":[${Array<number>(5000).fill(7).join()}]}`);
    for (const bytes of [deep, wide]) {
      templates.learn(bytes);
      expect(templates.read(bytes)).toBeUndefined();
    }
  });

  test('do not depend on the buffer that they were made from', () => {
    const templates = createTemplates(roles);
    const bytes = shape(1);
    templates.learn(bytes);
    bytes.fill(0);
    expect(templates.read(shape(1))?.numbers[0]).toBe(1.5);
  });
});
