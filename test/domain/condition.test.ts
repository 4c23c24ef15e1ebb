import {
  createCategoryTable,
  createConditionEncoder,
  joinConditions,
  createConditionReader,
  fitConditions,
  unknownCategory,
  type ConditionState,
} from '../../src/domain/condition';
import type { ConditionSpec } from '../../src/domain/record';

const mode = { name: 'mode', kind: 'category', maxValues: 2, missing: 'unknown' } as const;
const load = { name: 'load', kind: 'number', missing: 'unknown' } as const;
const hour = { name: 'hour', kind: 'hour-of-day', timeZone: 'UTC' } as const;

function read(spec: ConditionSpec, raw: Record<string, unknown>, table = createCategoryTable()): number {
  const out = new Float64Array(1);
  createConditionReader([spec], table)(raw, out, 0);
  return out[0]!;
}

describe('reading', () => {
  test('a category gives one code to one value, whatever its JSON type', () => {
    const table = createCategoryTable();
    const codes = ['idle', 'full', 'idle', 3, '3', true, 'true'].map((value) =>
      read(mode, { mode: value }, table),
    );
    expect(codes).toEqual([1, 2, 1, 3, 3, 4, 4]);
    expect(table.value(2)).toBe('full');
  });

  test('a number stays what it is, and may be text, as in a CSV file', () => {
    expect(read(load, { load: -2.5 })).toBe(-2.5);
    expect(read(load, { load: '-2.50' })).toBe(-2.5);
  });

  test.each([undefined, null])('a missing condition (%s) is unknown where that is allowed', (value) => {
    expect(read(mode, { mode: value })).toBe(unknownCategory);
    expect(read(load, { load: value })).toBeNaN();
  });

  test.each([mode, load])('a missing $kind is refused where it is required', (spec) => {
    const required: ConditionSpec = { ...spec, missing: 'reject' };
    expect(() => read(required, {})).toThrow(
      expect.objectContaining({
        reason: 'missing_condition',
        message: `condition "${spec.name}" is missing`,
      }) as Error,
    );
  });

  test.each([
    [mode, ['idle']],
    [mode, { a: 1 }],
    [mode, Infinity],
    [load, 'much'],
    [load, ''],
    [load, ' '],
    [load, 'NaN'],
    [load, '1e999'],
    [load, true],
    [load, [1]],
    [load, Infinity],
  ])('for %j the value %j is refused', (spec, value) => {
    expect(() => read(spec, { [spec.name]: value })).toThrow(
      expect.objectContaining({
        reason: 'bad_condition',
        message: expect.stringContaining(`"${spec.name}"`),
      }) as Error,
    );
  });

  test('a long value is cut in the message', () => {
    expect(() => read(load, { load: 'x'.repeat(10_000) })).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^.{1,120}$/) }) as Error,
    );
  });

  test.each(['constructor', 'toString', '__proto__'])(
    'a condition called "%s" is missing unless the record has it',
    (name) => {
      expect(read({ ...mode, name }, JSON.parse('{}') as Record<string, unknown>)).toBe(unknownCategory);
      const given = JSON.parse(`{"${name}": "idle"}`) as Record<string, unknown>;
      expect(read({ ...mode, name }, given)).toBe(1);
    },
  );

  test('given conditions are written side by side and conditions of time take no room', () => {
    const out = new Float64Array(4).fill(9);
    createConditionReader([hour, load, mode], createCategoryTable())({ load: 5, mode: 'idle' }, out, 1);
    expect([...out]).toEqual([9, 5, 1, 9]);
  });

  test('ever new categories fill no memory: beyond 65,535 they are unknown, and the known ones stay', () => {
    const table = createCategoryTable();
    for (let i = 0; i < 65_535; i++) table.code(`value ${i}`);
    expect(table.code('one more')).toBe(unknownCategory);
    expect(table.code('value 65534')).toBe(65_535);
    expect(table.value(65_536)).toBeUndefined();
  });
});

describe('fitting', () => {
  test('keeps the most frequent categories, and never the unknown one', () => {
    const table = createCategoryTable();
    const rows = ['rare', 'full', '', 'full', 'idle', '', 'idle', 'idle', ''].map((value) =>
      value === '' ? unknownCategory : table.code(value),
    );
    const state = fitConditions([mode], table, Float64Array.from(rows), rows.length);
    expect(state.categories).toEqual({ mode: ['idle', 'full'] });
  });

  test('orders categories of one frequency by name, so that the order of records does not matter', () => {
    const table = createCategoryTable();
    const rows = Float64Array.of(table.code('b'), table.code('a'));
    expect(fitConditions([mode], table, rows, 2).categories).toEqual({ mode: ['a', 'b'] });
  });

  test('learns mean and standard deviation of the numbers that are there', () => {
    const rows = Float64Array.of(1, NaN, 3);
    expect(fitConditions([load], createCategoryTable(), rows, 3).numbers).toEqual({
      load: { mean: 2, std: 1 },
    });
  });

  test.each([
    ['never moves', [5, 5], 5],
    ['is never there', [NaN, NaN], 0],
  ])('gives a number that %s a deviation of 1', (_, rows, mean) => {
    const state = fitConditions([load], createCategoryTable(), Float64Array.from(rows), rows.length);
    expect(state.numbers).toEqual({ load: { mean, std: 1 } });
  });

  test('finds each condition in its own column', () => {
    const table = createCategoryTable();
    const rows = Float64Array.of(table.code('idle'), 10, table.code('idle'), 20);
    expect(fitConditions([hour, mode, load], table, rows, 2)).toMatchObject({
      categories: { mode: ['idle'] },
      numbers: { load: { mean: 15, std: 5 } },
    });
  });
});

describe('encoding', () => {
  const table = createCategoryTable();
  const codes = { idle: table.code('idle'), full: table.code('full'), other: table.code('other') };

  function encode(specs: readonly ConditionSpec[], given: number[], timestamp = 0) {
    const state: ConditionState = {
      specs,
      categories: { mode: ['idle', 'full'] },
      numbers: { load: { mean: 10, std: 2 } },
    };
    const encoder = createConditionEncoder(state, table);
    const out = new Float32Array(encoder.dim);
    const unknown = encoder.encode(Float64Array.from(given), 0, timestamp, out, 0);
    return { encoder, out, unknown };
  }
  const at = (specs: readonly ConditionSpec[], given: number[], timestamp = 0) => [
    ...encode(specs, given, timestamp).out,
  ];

  test('a category is one-hot, its first place for what the model does not know', () => {
    expect(at([mode], [codes.idle])).toEqual([0, 1, 0]);
    expect(at([mode], [codes.full])).toEqual([0, 0, 1]);
    expect(at([mode], [codes.other])).toEqual([1, 0, 0]);
    expect(at([mode], [unknownCategory])).toEqual([1, 0, 0]);
  });

  test('says how many conditions the model does not know', () => {
    expect(encode([mode, load], [codes.idle, 3]).unknown).toBe(0);
    expect(encode([mode, load], [codes.other, 3]).unknown).toBe(1);
    expect(encode([mode, load], [unknownCategory, NaN]).unknown).toBe(2);
  });

  test('a number is standardised, held within five deviations, and has a place for being missing', () => {
    expect(at([load], [13])).toEqual([1.5, 0]);
    expect(at([load], [1e300])).toEqual([5, 0]);
    expect(at([load], [-1e300])).toEqual([-5, 0]);
    expect(at([load], [NaN])).toEqual([0, 1]);
  });

  test('a number that must be there has no place for being missing', () => {
    expect(at([{ ...load, missing: 'reject' }], [12])).toEqual([1]);
  });

  test('the hour lies on a circle: midnight, six, noon', () => {
    const circle = (iso: string) => at([hour], [], Date.parse(iso)).map((v) => Math.round(v * 1e6) / 1e6 + 0);
    expect(circle('2026-03-01T00:00:00Z')).toEqual([0, 1]);
    expect(circle('2026-03-01T06:00:00Z')).toEqual([1, 0]);
    expect(circle('2026-03-01T12:00:00Z')).toEqual([0, -1]);
    expect(circle('1969-12-31T18:00:00Z')).toEqual([-1, 0]);
  });

  test('the week begins on Monday', () => {
    const week = { name: 'day', kind: 'day-of-week', timeZone: 'UTC' } as const;
    const [sin, cos] = at([week], [], Date.parse('2026-03-02T00:00:00Z'));
    expect(sin).toBeCloseTo(0, 6);
    expect(cos).toBeCloseTo(1, 6);
    const thursdayNoon = at([week], [], Date.parse('2026-03-05T12:00:00Z'));
    expect(thursdayNoon[0]).toBeCloseTo(0, 6);
    expect(thursdayNoon[1]).toBeCloseTo(-1, 6);
  });

  test.each([
    ['in winter', '2026-01-15T05:00:00Z'],
    ['in summer', '2026-07-15T04:00:00Z'],
    ['on the day on which the clocks go forward', '2026-03-29T04:00:00Z'],
  ])('six in the morning is six in the morning %s', (_, iso) => {
    const berlin = { ...hour, timeZone: 'Europe/Berlin' };
    const [sin, cos] = at([berlin], [], Date.parse(iso));
    expect(sin).toBeCloseTo(1, 6);
    expect(cos).toBeCloseTo(0, 6);
  });

  test('conditions lie one behind the other, and those of the record before leave nothing behind', () => {
    const specs = [mode, load, hour];
    const { encoder, out } = encode(specs, [codes.full, NaN]);
    expect([...out]).toEqual([0, 0, 1, 0, 1, 0, 1]);
    encoder.encode(Float64Array.of(codes.idle, 12), 0, 0, out, 0);
    expect([...out]).toEqual([0, 1, 0, 1, 0, 0, 1]);
  });

  test('of a window they are those of its newest record and the mean, wherever its ring begins', () => {
    const rows = Float32Array.of(1, 10, 2, 20, 6, 30);
    const out = new Float32Array(8);
    joinConditions(rows, 1, 3, 2, out, 1);
    expect([...out]).toEqual([0, 0, 0, 0, 1, 10, 3, 20]);
    joinConditions(rows, 0, 3, 2, out, 0);
    expect([...out.subarray(0, 4)]).toEqual([6, 30, 3, 20]);
  });

  test('forgetting turns every category into the unknown one, keeps its weight and touches nothing else', () => {
    const { encoder, out } = encode([mode, load], [codes.full, 14]);
    out.forEach((value, i) => (out[i] = value / 2));
    encoder.forgetCategories(out, 0);
    expect([...out]).toEqual([0.5, 0, 0, 1, 0]);
  });
});

test('a table that is full of values that occur once still learns the categories of a model', () => {
  const table = createCategoryTable(10);
  const spec: ConditionSpec = { name: 'mode', kind: 'category', maxValues: 4, missing: 'unknown' };
  for (let i = 0; i < 50; i++) read(spec, { mode: `garbage ${i}` }, table);
  expect(read(spec, { mode: 'idle' }, table)).toBe(0);
  const state = { specs: [spec], categories: { mode: ['idle'] }, numbers: {} };
  const { dim, encode } = createConditionEncoder(state, table);
  const out = new Float32Array(dim);
  const unknown = encode(Float64Array.of(read(spec, { mode: 'idle' }, table)), 0, 0, out, 0);
  expect([unknown, ...out]).toEqual([0, 0, 1]);
});
