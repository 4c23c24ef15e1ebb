/**
 * Conditions: values that a score is conditioned on, read from records as numbers and encoded for the model.
 *
 * A category is one-hot, with an additional slot for unknown values. A number is standardised. Hour of day and day of week are
 * sine and cosine, so that 23:59 and 00:00 are neighbours.
 */
import { DecodeError } from '../errors';
import { createConditionTerms, type ConditionSlot } from './condition-terms';
import { isExact } from './exact';
import { createUtcOffset } from './time-zone';
import {
  givenConditions,
  type ConditionSpec,
  type GivenConditionSpec,
  type TimeConditionSpec,
} from './record';

/** The code of a missing category, or of one that exceeds the table. */
export const unknownCategory = 0;

/**
 * Maximum number of codes; further categories are unknown. This bounds the memory of a stream that always brings new values.
 */
const maxCodes = 65_536;

/** Longer values are rejected, as the table keeps every value. */
const maxCategoryLength = 1024;

export type CategoryTable = ReturnType<typeof createCategoryTable>;

/**
 * Maps category values to small integers and back.
 * @param most codes; further values are unknown, unless a model has learned them
 */
export function createCategoryTable(most = maxCodes) {
  const codes = new Map<string, number>();
  const values: (string | undefined)[] = [undefined];

  function add(value: string): number {
    codes.set(value, values.length);
    values.push(value);
    return values.length - 1;
  }

  return {
    code: (value: string): number =>
      codes.get(value) ?? (values.length >= most ? unknownCategory : add(value)),
    /** The code of a category of the training data, even if live records have filled the table. */
    learnedCode: (value: string): number => codes.get(value) ?? add(value),
    value: (code: number): string | undefined => values[code],
  };
}

/** Reads the given conditions of one record: a category as its code, a missing number as NaN. */
export type ReadConditions = (
  raw: Readonly<Record<string, unknown>>,
  out: Float64Array,
  offset: number,
) => void;

/** @throws DecodeError (when reading) naming a condition that is missing or has the wrong type */
export function createConditionReader(specs: readonly ConditionSpec[], table: CategoryTable): ReadConditions {
  const given = givenConditions(specs);
  return (raw, out, offset) => {
    for (let i = 0; i < given.length; i++) {
      const spec = given[i]!;
      // Only own properties: every object inherits a "constructor".
      const value = Object.hasOwn(raw, spec.name) ? raw[spec.name] : undefined;
      out[offset + i] = readCondition(spec, value, table);
    }
  };
}

function readCondition(spec: GivenConditionSpec, value: unknown, table: CategoryTable): number {
  if (value === undefined || value === null) {
    if (spec.missing === 'reject')
      throw new DecodeError('missing_condition', `condition "${spec.name}" is missing`);
    return spec.kind === 'category' ? unknownCategory : NaN;
  }
  if (spec.kind === 'number') {
    // Numbers of CSV files are text.
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number === 'number' && Number.isFinite(number)) return number;
    throw badCondition(spec, 'a finite number', value);
  }
  if (typeof value === 'boolean' || (typeof value === 'string' && value.length <= maxCategoryLength))
    return table.code(String(value));
  if (typeof value === 'number' && isExact(value)) return table.code(String(value));
  if (typeof value === 'number' && Number.isFinite(value))
    throw badCondition(
      spec,
      'a category with its exact digits, which large numbers have only as text',
      value,
    );
  throw badCondition(spec, `a category of at most ${maxCategoryLength} characters`, value);
}

function badCondition({ name }: GivenConditionSpec, expected: string, value: unknown): DecodeError {
  return new DecodeError('bad_condition', `condition "${name}" must be ${expected}, got ${describe(value)}`);
}

/** Text of a value for an error. Does not descend into objects, which may be nested deeper than the stack. */
function describe(value: unknown): string {
  if (typeof value === 'object') return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(typeof value === 'string' ? value.slice(0, 40) : value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** Categories and scales that were learned from the training records, stored in the model version. */
export interface ConditionState {
  specs: readonly ConditionSpec[];
  /** Known values by category, most frequent first. */
  categories: Readonly<Record<string, readonly string[]>>;
  /** Mean and standard deviation by number. */
  numbers: Readonly<Record<string, { mean: number; std: number }>>;
}

/**
 * Learns vocabularies and scales from training records.
 * @param rows given conditions as numbers, shape [count, given conditions]
 */
export function fitConditions(
  specs: readonly ConditionSpec[],
  table: CategoryTable,
  rows: Float64Array,
  count: number,
): ConditionState {
  const given = givenConditions(specs);
  const categories: Record<string, string[]> = {};
  const numbers: Record<string, { mean: number; std: number }> = {};
  given.forEach((spec, column) => {
    const at = (row: number): number => rows[row * given.length + column]!;
    if (spec.kind === 'category') {
      const seen = new Map<number, number>();
      for (let row = 0; row < count; row++) seen.set(at(row), (seen.get(at(row)) ?? 0) + 1);
      seen.delete(unknownCategory);
      categories[spec.name] = [...seen]
        .map(([code, n]) => ({ value: table.value(code) ?? '', n }))
        .sort((a, b) => b.n - a.n || (a.value < b.value ? -1 : 1))
        .slice(0, spec.maxValues)
        .map(({ value }) => value);
    } else {
      let n = 0;
      let mean = 0;
      let squares = 0;
      for (let row = 0; row < count; row++) {
        if (Number.isNaN(at(row))) continue;
        n++;
        const delta = at(row) - mean;
        mean += delta / n;
        squares += delta * (at(row) - mean);
      }
      numbers[spec.name] = { mean, std: n > 1 && squares > 0 ? Math.sqrt(squares / n) : 1 };
    }
  });
  return { specs, categories, numbers };
}

export type ConditionEncoder = ReturnType<typeof createConditionEncoder>;

/**
 * Encodes one record, or one condition of it; `out` gets the numbers from `at` on.
 * @returns number of unknown conditions
 */
type Encode = (
  given: Float64Array,
  offset: number,
  timestamp: number,
  out: Float32Array,
  at: number,
) => number;

/** Numbers are clipped at this many standard deviations. */
const maxDeviations = 5;

export function createConditionEncoder(state: ConditionState, table: CategoryTable) {
  let dim = 0;
  const slots: ConditionSlot[] = [];
  let column = 0;
  const add = (kind: ConditionSlot['kind'], size: number): void => {
    slots.push({ kind, at: dim, size });
    dim += size;
  };
  const encoders = state.specs.map((spec): Encode => {
    const slot = dim;
    switch (spec.kind) {
      case 'category': {
        const known = state.categories[spec.name] ?? [];
        const indexByCode = new Map(known.map((value, i) => [table.learnedCode(value), i + 1]));
        const source = column++;
        add(spec.kind, known.length + 1);
        return (given, offset, _time, out, at) => {
          const index = indexByCode.get(given[offset + source]!) ?? 0;
          out[at + slot + index] = 1;
          return index === 0 ? 1 : 0;
        };
      }
      case 'number': {
        const { mean, std } = state.numbers[spec.name] ?? { mean: 0, std: 1 };
        const source = column++;
        add(spec.kind, spec.missing === 'unknown' ? 2 : 1);
        return (given, offset, _time, out, at) => {
          const value = given[offset + source]!;
          if (Number.isNaN(value)) {
            out[at + slot + 1] = 1;
            return 1;
          }
          out[at + slot] = Math.max(-maxDeviations, Math.min(maxDeviations, (value - mean) / std));
          return 0;
        };
      }
      default: {
        const phase = createPhase(spec);
        add(spec.kind, 2);
        return (_given, _offset, time, out, at) => {
          const angle = 2 * Math.PI * phase(time);
          out[at + slot] = Math.sin(angle);
          out[at + slot + 1] = Math.cos(angle);
          return 0;
        };
      }
    }
  });
  const encode: Encode = (given, offset, timestamp, out, at) => {
    let unknown = 0;
    for (let i = 0; i < dim; i++) out[at + i] = 0;
    for (const encodeOne of encoders) unknown += encodeOne(given, offset, timestamp, out, at);
    return unknown;
  };
  return {
    /** Length of one encoding. */
    dim,
    /** Terms for the regression of a linear model. */
    terms: createConditionTerms(slots, dim),
    encode,
    /** Condition dropout: replaces every category of one encoding by the unknown one, with the same weight. */
    forgetCategories(out: Float32Array, at: number): void {
      for (const slot of slots) {
        if (slot.kind !== 'category') continue;
        let total = 0;
        for (let i = 0; i < slot.size; i++) {
          total += out[at + slot.at + i]!;
          out[at + slot.at + i] = 0;
        }
        out[at + slot.at] = total;
      }
    },
  };
}

const dayMs = 86_400_000;
/** Position of a time in the local day or week, in [0, 1). */
export function createPhase(spec: TimeConditionSpec): (timestamp: number) => number {
  const offsetAt = createUtcOffset(spec.timeZone);
  const period = spec.kind === 'hour-of-day' ? dayMs : 7 * dayMs;
  // 1970-01-01 was a Thursday; three days earlier the week began on Monday.
  const origin = spec.kind === 'hour-of-day' ? 0 : 3 * dayMs;
  return (timestamp) => {
    const local = timestamp + offsetAt(timestamp) + origin;
    return (((local % period) + period) % period) / period;
  };
}

/**
 * The conditions of a window: those of its newest record, and the mean over all its records.
 * @param rows encoded records, in a ring whose oldest is row `first`. Shape [length, dim]
 * @param out receives 2 × dim numbers as row `at`
 */
export function joinConditions(
  rows: Float32Array,
  first: number,
  length: number,
  dim: number,
  out: Float32Array,
  at: number,
): void {
  const newest = ((first + length - 1) % length) * dim;
  const to = at * 2 * dim;
  for (let d = 0; d < dim; d++) {
    let sum = 0;
    // In the order of time: the order of a sum changes its last digits.
    for (let i = first * dim + d; i < length * dim; i += dim) sum += rows[i]!;
    for (let i = d; i < first * dim; i += dim) sum += rows[i]!;
    out[to + d] = rows[newest + d]!;
    out[to + dim + d] = sum / length;
  }
}
