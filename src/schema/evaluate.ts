/** Checks one document together with the environment and the arguments. The layering is done by convict. */
import convict from 'convict';
import type { ConfigProblem } from '../errors';
import { show } from './formats';
import { isKey, listKeys, nodesInUse, settingName, type Key, type Parsed, type Section } from './key';
import type { Rule } from './rule';
import { didYouMean, nearest } from './suggest';

/** Other origins of values than files. Arguments take precedence over the environment, and the environment over files. */
export interface Layers {
  /** Defaults for keys that the file leaves out, in the shape of a document; later ones take precedence. */
  assumed?: readonly unknown[];
  /** Environment variables; empty ones count as absent. */
  env: Readonly<Record<string, string | undefined>>;
  /** Values of arguments by dotted key. Keys that are not in the schema are ignored here; the caller reports them. */
  overrides: Readonly<Record<string, string>>;
}

/** Shown instead of a file name for a problem of an argument. */
export const argumentOrigin = '--set';

// convict needs the name of every format; the values are checked by `parse`.
convict.addFormat({ name: 'vaemon', validate: () => undefined });

type Document = Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The part of a document that fits the schema; the rest is reported as problems. convict itself reports unknown leaves without
 * a hint, and fails if a value is in the place of a section.
 */
function fitShape(
  schema: Section,
  document: unknown,
  report: (key: string, message: string) => void,
  all: readonly string[],
  prefix = '',
): Document {
  if (document === null || document === undefined) return {};
  if (!isMap(document)) {
    const got = hasSecret(schema) ? '' : ` (got ${show(document)})`;
    report(prefix, `must be a map with keys such as ${Object.keys(schema)[0] ?? ''}${got}`);
    return {};
  }
  const fitting: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(document)) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    // An empty key would mean the whole file in a problem.
    const key = path === '' ? '""' : path;
    const node = Object.hasOwn(schema, name) ? schema[name] : undefined;
    if (node === undefined && prefix === '' && all.includes(name)) {
      report(key, 'must be nested here, not dotted');
    } else if (node === undefined) {
      report(key, `is not a known key${didYouMean(meant(name, Object.keys(schema), all))}`);
    } else if (!isKey(node)) {
      fitting[name] = fitShape(node, value, report, all, key);
    } else if (isOutOfPlace(node, value)) {
      report(key, outOfPlace(node));
    } else if (isMap(value)) {
      // convict treats a map as a section, so for a key with a map it gets a list of entries.
      const problem = problemOf(() => node.parse(value));
      if (problem === undefined) fitting[name] = Object.entries(value);
      else report(key, problem);
    } else {
      fitting[name] = value;
    }
  }
  return fitting;
}

/** Whether a secret is in a file or an argument, where only an empty value is allowed. */
function isOutOfPlace({ secret }: Key<unknown>, value: unknown): boolean {
  return secret === true && value !== '' && value !== null;
}

function outOfPlace({ env }: Key<unknown>): string {
  return `is a secret and must not stand in files or arguments: set ${env ?? 'its variable'}, or name a file with it`;
}

/** Whether a value in the place of this section could be a secret, so that an error must not quote it. */
function hasSecret(schema: Section): boolean {
  return Object.values(schema).some((node) => isKey(node) && node.secret === true);
}

function problemOf(attempt: () => void): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The key of this or another section that is most similar to an unknown name. */
function meant(name: string, siblings: readonly string[], all: readonly string[]): string | undefined {
  const elsewhere = (): string | undefined => {
    const same = all.filter((path) => path.endsWith(`.${name}`));
    return same.length === 1 ? same[0] : undefined;
  };
  return nearest(name, siblings) ?? elsewhere();
}

/** The settings of a section, without those of invalid keys. */
function nest(schema: Section, parsed: ReadonlyMap<string, unknown>, prefix = ''): object {
  const pathOf = (name: string): string => (prefix === '' ? name : `${prefix}.${name}`);
  return Object.fromEntries(
    nodesInUse(schema, (name) => parsed.get(pathOf(name))).map(([name, node]) => {
      const path = pathOf(name);
      return isKey(node) ? [settingName(name, node), parsed.get(path)] : [name, nest(node, parsed, path)];
    }),
  );
}

export interface Evaluation<S> {
  /** The settings; complete only if there are no problems. */
  settings: S;
  problems: readonly ConfigProblem[];
}

/** The beginning of a message that quotes many or long values. */
function shorten(message: string): string {
  return message.length > 1500 ? `${message.slice(0, 1500)}…` : message;
}

/** Checks one document against its schema and the rules between its keys. `file` is its name in problems. */
export function evaluate<S extends Section>(
  schema: S,
  rules: readonly Rule<Parsed<S>>[],
  file: string,
  document: unknown,
  { env, overrides, assumed }: Layers,
): Evaluation<Parsed<S>> {
  const keys = listKeys(schema);
  const problems: ConfigProblem[] = [];
  const wrong = new Set<string>();
  const given = Object.entries(env).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '');
  const variables = Object.fromEntries(given);

  function origin(key: string): string {
    if (Object.hasOwn(overrides, key)) return argumentOrigin;
    const variable = keys.get(key)?.env;
    return variable !== undefined && Object.hasOwn(variables, variable) ? variable : file;
  }
  function report(key: string, message: string): void {
    wrong.add(key);
    problems.push({ file: origin(key), key, message: shorten(message) });
  }

  const config = convict(schema as convict.Schema<Document>, { env: variables, args: [] });
  for (const layer of assumed ?? []) config.load(fitShape(schema, layer, report, [...keys.keys()]));
  config.load(fitShape(schema, document, report, [...keys.keys()]));
  for (const [name, value] of Object.entries(overrides)) {
    const key = keys.get(name);
    if (key !== undefined && isOutOfPlace(key, value)) report(name, outOfPlace(key));
    else if (key !== undefined) config.set(name, value);
  }
  // convict's own validate joins all problems into one text, which cannot be split again if values contain line breaks.
  const parsed = new Map<string, unknown>();
  for (const [path, key] of keys) {
    const problem = problemOf(() => parsed.set(path, key.parse(config.get(path))));
    // A value of the wrong shape has been reported already.
    if (problem !== undefined && !wrong.has(path)) report(path, problem);
  }

  const settings = nest(schema, parsed) as Parsed<S>;
  const isWrong = (key: string): boolean =>
    [...wrong].some((one) => one === key || one.startsWith(`${key}.`) || key.startsWith(`${one}.`));
  for (const rule of rules) {
    if (rule.keys.some(isWrong)) continue;
    const message = rule.problem(settings);
    if (message !== undefined) report(rule.keys[0] ?? '', message);
  }
  return { settings, problems };
}
