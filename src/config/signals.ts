/** Key `record.signals`: a map from the name of a channel to prior knowledge about it. */
import { isDeepStrictEqual } from 'node:util';
import { signalKinds } from '../domain/counter';
import type { SignalSpec } from '../domain/signal';
import { key, oneOf, show, type About } from '../schema/formats';
import type { Key } from '../schema/key';
import { didYouMean, nearest } from '../schema/suggest';

const directions = ['both', 'up', 'down'] as const;
const specKeys = ['kind', 'direction', 'deadband', 'limits'];
const limitKeys = ['min', 'max'];

type AnyMap = Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is AnyMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unknownKeys(path: string, map: AnyMap, known: readonly string[]): string[] {
  return Object.keys(map)
    .filter((name) => !known.includes(name))
    .map((name) => `${path}.${name} is no key of a signal${didYouMean(nearest(name, known))}`);
}

function isFinite(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** Reads one signal, and adds its problems to `problems`. */
function readSignal(channel: string, spec: unknown, problems: string[]): SignalSpec | undefined {
  const known = problems.length;
  const wrong = (what: string, type: string, value: unknown): void => {
    problems.push(`${channel}.${what} must be ${type} (got ${show(value)})`);
  };
  if (!isMap(spec)) {
    problems.push(`${channel} must be a map such as {direction: up} (got ${show(spec)})`);
    return undefined;
  }
  const {
    kind: kindWord = 'auto',
    direction: word = 'both',
    deadband = 0,
    limits: given = {},
  } = spec as Record<string, unknown>;
  problems.push(...unknownKeys(channel, spec, specKeys));
  const kind = signalKinds.find((one) => one === kindWord);
  if (kind === undefined) wrong('kind', oneOf(signalKinds), kindWord);
  const direction = directions.find((one) => one === word);
  if (direction === undefined) wrong('direction', oneOf(directions), word);
  if (!isFinite(deadband) || deadband < 0) wrong('deadband', 'a number of at least 0', deadband);
  const limits = readLimits(channel, given, problems, wrong);
  if (problems.length > known) return undefined;
  return { channel, kind: kind!, direction: direction!, deadband: deadband as number, limits: limits! };
}

function readLimits(
  channel: string,
  given: unknown,
  problems: string[],
  wrong: (what: string, type: string, value: unknown) => void,
): SignalSpec['limits'] | undefined {
  if (!isMap(given)) {
    wrong('limits', 'a map such as {min: 0, max: 10}', given);
    return undefined;
  }
  problems.push(...unknownKeys(`${channel}.limits`, given, limitKeys));
  const limits: SignalSpec['limits'] = {};
  for (const name of ['min', 'max'] as const) {
    const value = given[name];
    if (value === undefined || value === null) continue;
    if (isFinite(value)) limits[name] = value;
    else wrong(`limits.${name}`, 'a number', value);
  }
  const { min, max } = limits;
  if (min !== undefined && max !== undefined && min > max)
    problems.push(`${channel}.limits.min must not be above its max (got ${min}, ${max})`);
  return limits;
}

/** Prior knowledge of channels. Several problems are reported in one message. */
export function signals(about: About): Key<readonly SignalSpec[]> {
  const format = key<readonly SignalSpec[]>(about, {
    type: `a map \`channel: {kind, direction, deadband, limits: {min, max}}\`; kind is ${oneOf(signalKinds)}, direction is ${oneOf(directions)}`,
    read(value) {
      if (typeof value !== 'object' || value === null) return undefined;
      // A map arrives as a list of entries (evaluate.ts).
      const entries: readonly unknown[] = Array.isArray(value) ? value : Object.entries(value);
      if (!entries.every((entry) => Array.isArray(entry) && typeof entry[0] === 'string')) return undefined;
      const problems: string[] = [];
      const specs = (entries as [string, unknown][]).map(([name, spec]) => readSignal(name, spec, problems));
      if (problems.length > 0) throw new Error(problems.join('; '));
      return specs as SignalSpec[];
    },
    print: (specs) => Object.fromEntries(specs.map(({ channel, ...spec }) => [channel, spec])),
  });
  const withoutLimits = (specs: readonly SignalSpec[]): SignalSpec[] =>
    specs
      .map((spec) => ({ ...spec, limits: {} }))
      .filter(({ kind, direction, deadband }) => kind !== 'auto' || direction !== 'both' || deadband !== 0);
  // All other properties affect the model.
  return {
    ...format,
    reloads: (before, after) => isDeepStrictEqual(withoutLimits(before), withoutLimits(after)),
  };
}
