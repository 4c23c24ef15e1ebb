/** Key `record.conditions`: a map from the name of a condition to its specification. */
import type { ConditionSpec } from '../domain/record';
import { key, oneOf, show, type About } from '../schema/formats';
import { isTimeZone, timeZoneType } from '../schema/time-formats';
import type { Key } from '../schema/key';
import { didYouMean, nearest } from '../schema/suggest';

const keysOf: Record<ConditionSpec['kind'], readonly string[]> = {
  category: ['kind', 'missing', 'maxValues'],
  number: ['kind', 'missing'],
  'hour-of-day': ['kind', 'timeZone'],
  'day-of-week': ['kind', 'timeZone'],
};
const kinds = Object.keys(keysOf) as ConditionSpec['kind'][];
const missingWords = ['reject', 'unknown'] as const;

interface Spec {
  kind?: unknown;
  missing?: unknown;
  maxValues?: unknown;
  timeZone?: unknown;
}

/** Reads one condition, and adds its problems to `problems`. */
function readCondition(name: string, spec: unknown, problems: string[]): ConditionSpec | undefined {
  const known = problems.length;
  const wrong = (what: string, type: string, value: unknown): void => {
    problems.push(`${name}.${what} must be ${type} (got ${show(value)})`);
  };
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) {
    problems.push(`${name} must be a map such as {kind: category} (got ${show(spec)})`);
    return undefined;
  }
  if (name === '' || name.trim() !== name) problems.push(`${show(name)} is not a valid name of a condition`);
  const { kind: kindWord, missing: missingWord = 'reject', maxValues = 64, timeZone = 'UTC' } = spec as Spec;
  const kind = kinds.find((word) => word === kindWord);
  if (kind === undefined) {
    wrong('kind', oneOf(kinds), kindWord);
    return undefined;
  }
  for (const given of Object.keys(spec)) {
    if (keysOf[kind].includes(given)) continue;
    problems.push(`${name}.${given} is no key of a ${kind}${didYouMean(nearest(given, keysOf[kind]))}`);
  }
  const missing = missingWords.find((word) => word === missingWord);
  if (missing === undefined) wrong('missing', oneOf(missingWords), missingWord);
  const valuesFit = Number.isInteger(maxValues) && Number(maxValues) >= 1 && Number(maxValues) <= 4096;
  if (!valuesFit) wrong('maxValues', 'a whole number from 1 to 4096', maxValues);
  if (!isTimeZone(timeZone)) wrong('timeZone', timeZoneType, timeZone);
  if (problems.length > known) return undefined;

  if (kind === 'category') return { name, kind, maxValues: maxValues as number, missing: missing! };
  if (kind === 'number') return { name, kind, missing: missing! };
  return { name, kind, timeZone: timeZone as string };
}

/** The conditions of a detector. Several problems are reported in one message. */
export function conditions(about: About): Key<readonly ConditionSpec[]> {
  return key<readonly ConditionSpec[]>(about, {
    type: `a map \`name: {kind, missing, maxValues, timeZone}\`; kind is ${oneOf(kinds)}`,
    read(value) {
      if (typeof value !== 'object' || value === null) return undefined;
      // A map arrives as a list of entries (evaluate.ts).
      const entries: readonly unknown[] = Array.isArray(value) ? value : Object.entries(value);
      if (!entries.every((entry) => Array.isArray(entry) && typeof entry[0] === 'string')) return undefined;
      const problems: string[] = [];
      const specs = (entries as [string, unknown][]).map(([name, spec]) =>
        readCondition(name, spec, problems),
      );
      if (problems.length > 0) throw new Error(problems.join('; '));
      return specs as ConditionSpec[];
    },
    print: (specs) => Object.fromEntries(specs.map(({ name, ...spec }) => [name, spec])),
  });
}
