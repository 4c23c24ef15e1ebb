/**
 * A schema is a tree of sections with keys as leaves. A key is a convict property with functions that parse and print its
 * value, and its documentation. Loading, `config print` and docs/configuration.md are all based on it.
 */

export interface Key<T> {
  doc: string;
  /** The convict format of all keys. */
  format: 'vaemon';
  /** Default in the form of YAML; null = the key is required. */
  default: unknown;
  /** Environment variable, set by `nameVariables`; absent for keys that must differ between detectors. */
  env?: string;
  /** The valid values as a noun with its article: `a whole number of at least 1`. */
  type: string;
  /** Suffix of the name of the setting: a duration `timeout` becomes `timeoutMs`. */
  suffix?: 'Ms';
  /** The value names the sibling section that is in use. The other sections are not part of the settings. */
  selects?: true;
  /** Set for a secret: it is never shown, and read only from the environment, as other people may read files and arguments. */
  secret?: boolean;
  /** Whether a change of the setting is applied while the daemon runs; absent = it needs a restart. */
  reloads?(before: T, after: T): boolean;
  /** Parses a value from YAML, the environment or an argument. @throws Error if it is invalid */
  parse(value: unknown): T;
  /** The setting as a value in YAML: `print` of 90000 ms is `90s`. */
  print(setting: T): unknown;
}

const variablePrefix = 'VAEMON';

/** A section of a schema: keys and further sections. */
export interface Section {
  readonly [name: string]: Section | Key<unknown>;
}

type SettingName<Name, Node> = Node extends { suffix: 'Ms' } ? `${Name & string}Ms` : Name;

/** Sections of which one is in use, and the key `kind` that selects it. */
export type Variants<V extends Readonly<Record<string, Section>>> = V & {
  readonly kind: Key<keyof V & string> & { selects: true };
};

/** The settings of variants: a discriminated union, each member with `kind` and its own section. */
type ParsedVariants<V> = { [Kind in keyof V]: { kind: Kind } & { [Name in Kind]: Parsed<V[Kind]> } }[keyof V];

/** The settings of a section: the parsed value of each key; durations have a name that ends in `Ms`. */
export type Parsed<S> = S extends { kind: { selects: true } }
  ? ParsedVariants<Omit<S, 'kind'>>
  : { [Name in keyof S as SettingName<Name, S[Name]>]: S[Name] extends Key<infer T> ? T : Parsed<S[Name]> };

/** Whether a node of a schema is a key rather than a section. */
export function isKey(node: Section | Key<unknown>): node is Key<unknown> {
  return typeof node.parse === 'function';
}

/** Name of the setting that a YAML key becomes, e.g. `timeout` → `timeoutMs`. */
export function settingName(name: string, key: Key<unknown>): string {
  return `${name}${key.suffix ?? ''}`;
}

/** The nodes of a section that are part of the settings, given the value of each key. */
export function nodesInUse(
  section: Section,
  valueOf: (name: string) => unknown,
): [string, Section | Key<unknown>][] {
  const nodes = Object.entries(section);
  const selector = nodes.find(([, node]) => isKey(node) && node.selects === true)?.[0];
  if (selector === undefined) return nodes;
  const kind = valueOf(selector);
  return nodes.filter(([name, node]) => isKey(node) || name === kind);
}

/** Every key of a section by its dotted path, in the order of the schema. */
export function listKeys(section: Section, prefix = ''): Map<string, Key<unknown>> {
  const keys = new Map<string, Key<unknown>>();
  for (const [name, node] of Object.entries(section)) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    if (isKey(node)) keys.set(path, node);
    else for (const [inner, key] of listKeys(node, path)) keys.set(inner, key);
  }
  return keys;
}

/** Whether a section consists of variants. */
export function isVariants(section: Section): boolean {
  return Object.values(section).some((node) => isKey(node) && node.selects === true);
}

/**
 * The schema with an environment variable for each key: `window.maxKeys` → `VAEMON_WINDOW_MAX_KEYS`. The variable of a key in a
 * variant begins with the name of the variant: `source.kafka.brokers` → `VAEMON_KAFKA_BROKERS`.
 * @param without dotted keys that get no variable
 */
export function nameVariables<S extends Section>(section: S, without: readonly string[] = []): S {
  const name = (part: Section, path: string, prefix: string): Section =>
    Object.fromEntries(
      Object.entries(part).map(([word, node]): [string, Section | Key<unknown>] => {
        const inner = path === '' ? word : `${path}.${word}`;
        const own = `_${word.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()}`;
        if (isKey(node)) return [word, without.includes(inner) ? node : { ...node, env: prefix + own }];
        return [word, name(node, inner, (isVariants(part) ? variablePrefix : prefix) + own)];
      }),
    );
  // The cast is safe, as the result has the same keys.
  return name(section, '', variablePrefix) as S;
}

/**
 * The settings as a YAML document, the inverse of loading.
 * @param hidden text to replace secrets with
 */
export function toDocument(section: Section, settings: object, hidden = '[hidden]'): Record<string, unknown> {
  const values = settings as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    nodesInUse(section, (name) => values[name]).map(([name, node]) => {
      if (!isKey(node)) return [name, toDocument(node, values[name] as object, hidden)];
      const setting = values[settingName(name, node)];
      return [name, node.secret === true && setting !== '' ? hidden : node.print(setting)];
    }),
  );
}
