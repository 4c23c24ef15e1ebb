/** The formats of keys; formats of the network and of time are in separate files. A key rejects values in another format. */
import type { Key, Section, Variants } from './key';

/** Documentation and default of a key. Without `default` the key is required. */
export interface About {
  doc: string;
  default?: unknown;
  /** Set if a change is applied while the daemon runs. */
  reloads?: true;
}

export interface Format<T> {
  /** The valid values as a noun with its article. */
  type: string;
  /** Returns the setting, or undefined for an invalid value. May throw an Error with a more specific message. */
  read(value: unknown): T | undefined;
  print?(setting: T): unknown;
}

/** A change from one value to another is applied while the daemon runs; a change from or to an empty value needs a restart. */
export function reloadedWhileSet(about: Key<string>): Key<string> {
  return { ...about, reloads: (before, after) => before !== '' && after !== '' };
}

/** A value as text for a message. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

/** Creates a key with this format. */
export function key<T>({ doc, default: standard = null, reloads }: About, format: Format<T>): Key<T> {
  return {
    doc,
    format: 'vaemon',
    default: standard,
    type: format.type,
    ...(reloads === true && { reloads: () => true }),
    parse(value) {
      if (standard === null && (value === null || value === undefined)) {
        throw new Error(`is required: ${format.type}`);
      }
      const setting = format.read(value);
      if (setting === undefined) throw new Error(`must be ${format.type} (got ${show(value)})`);
      return setting;
    },
    print: (setting) => (format.print === undefined ? setting : format.print(setting)),
  };
}

/** Parses a number. Values of the environment and of arguments are text; `parseFloat` would read `10x` as 10. */
export function readNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value)) return undefined;
  return Number(value);
}

/** A whole number within bounds, both included. */
export function whole(about: About, { min = 1, max }: { min?: number; max?: number } = {}): Key<number> {
  return key(about, {
    type: max === undefined ? `a whole number of at least ${min}` : `a whole number from ${min} to ${max}`,
    read(value) {
      const number = readNumber(value);
      if (number === undefined || !Number.isSafeInteger(number)) return undefined;
      return number >= min && number <= (max ?? Number.MAX_SAFE_INTEGER) ? number : undefined;
    },
  });
}

/** A finite number of at least 0. */
export function amount(about: About): Key<number> {
  return key(about, {
    type: 'a number of at least 0',
    read: (value) => within(readNumber(value), (number) => number >= 0),
  });
}

/** A finite number above 0. */
export function positive(about: About): Key<number> {
  return key(about, {
    type: 'a number above 0',
    read: (value) => within(readNumber(value), (number) => number > 0),
  });
}

/** A share, 0 and 1 excluded. */
export function ratio(about: About): Key<number> {
  return key(about, {
    type: 'a ratio above 0 and below 1',
    read: (value) => within(readNumber(value), (number) => number > 0 && number < 1),
  });
}

/** A share, 0 included and 1 excluded. */
export function shareOrNone(about: About): Key<number> {
  return key(about, {
    type: 'a ratio from 0 to below 1',
    read: (value) => within(readNumber(value), (number) => number >= 0 && number < 1),
  });
}

function within(number: number | undefined, fits: (number: number) => boolean): number | undefined {
  return number !== undefined && Number.isFinite(number) && fits(number) ? number : undefined;
}

/** `true` or `false` only: YAML 1.2 reads `no` and `off` as text. */
export function flag(about: About): Key<boolean> {
  return key(about, {
    type: '`true` or `false`',
    read(value) {
      if (value === true || value === 'true') return true;
      return value === false || value === 'false' ? false : undefined;
    },
  });
}

/** One of a few words. */
export function choice<const T extends string>(about: About, choices: readonly T[]): Key<T> {
  return key(about, {
    type: oneOf(choices),
    read: (value) => choices.find((word) => word === value),
  });
}

/** Sections of which one is in use, and the key `kind` that names it. */
export function variants<V extends Readonly<Record<string, Section>>>(
  about: About,
  sections: V,
): Variants<V> {
  const kind = choice(about, Object.keys(sections) as (keyof V & string)[]);
  return { kind: { ...kind, selects: true }, ...sections };
}

/** A list of distinct words out of `choices`, with at least one. */
export function choices<const T extends string>(about: About, all: readonly T[]): Key<readonly T[]> {
  return list(about, `a list of ${oneOf(all)}, at least one`, {
    min: 1,
    item: (value) => all.find((word) => word === value),
  });
}

/** As `choices`, or a single word for a choice that depends on other keys. */
export function choicesOr<const W extends string, const T extends string>(
  about: About,
  word: W,
  all: readonly T[],
): Key<W | readonly T[]> {
  const type = `\`${word}\`, or a list of ${oneOf(all)}, at least one`;
  const chosen = list(about, type, { min: 1, item: (value) => all.find((one) => one === value) });
  return key<W | readonly T[]>(about, {
    type,
    read: (value) => (value === word ? word : chosen.parse(value)),
  });
}

/** Words as a phrase: "`a`, `b` or `c`". */
export function oneOf(words: readonly string[]): string {
  const quoted = words.map((word) => `\`${word}\``);
  const last = quoted.pop() ?? '';
  return quoted.length === 0 ? last : `${quoted.join(', ')} or ${last}`;
}

/** A text whose form `type` describes. */
export function text(about: About, type: string, fits: (value: string) => boolean = () => true): Key<string> {
  return key(about, {
    type,
    read: (value) => (typeof value === 'string' && fits(value) ? value : undefined),
  });
}

/** Path of a file or folder; relative to the working directory. */
export function path(about: About, { empty = false } = {}): Key<string> {
  const fits = (value: string): boolean => (empty || value !== '') && !value.includes('\0');
  return text(about, empty ? 'a path, or empty' : 'a path', fits);
}

/**
 * A secret. It is read from its environment variable only (evaluate.ts), and no message or page repeats it.
 */
export function secret(about: Omit<About, 'default'>): Key<string> {
  const type = 'text that its variable holds, or empty';
  return {
    ...key<string>({ ...about, default: '' }, { type, read: (value) => value as string }),
    secret: true,
    parse(value) {
      if (typeof value === 'string') return value;
      throw new Error(`must be ${type}`);
    },
  };
}

/** Name of a column of a CSV file. */
export function column(about: About, { empty = false } = {}): Key<string> {
  const type = empty ? 'the name of a column, or empty' : 'the name of a column';
  return text(about, type, (value) => (empty && value === '') || value.trim() !== '');
}

/** Name of a condition, or none. */
export function conditionName(about: About): Key<string> {
  return text(about, 'the name of a condition, or empty', (value) => value.trim() === value);
}

/** Dotted path of a field in a JSON record. */
export function field(about: About, { empty = false } = {}): Key<string> {
  const type = empty ? 'a dotted path of fields, or empty' : 'a dotted path of fields';
  return text(about, type, (value) => (empty && value === '') || /^[^.\s]+(\.[^.\s]+)*$/.test(value));
}

/** Name of a detector, which is also a metric label and the name of a folder. */
export function detectorName(about: About): Key<string> {
  return text(
    about,
    'a name of up to 63 lower-case letters, digits, `-` and `_` that begins with a letter or a digit',
    (value) => /^[a-z0-9][a-z0-9_-]{0,62}$/.test(value),
  );
}

export function list<T extends string | number>(
  about: About,
  type: string,
  { min = 0, item }: { min?: number; item: (value: unknown) => T | undefined },
): Key<readonly T[]> {
  return key(about, {
    type,
    read(value) {
      // Lists in the environment and in arguments are text: a,b,c.
      const items = typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value;
      if (!Array.isArray(items)) return undefined;
      const given = value === '' ? [] : (items as unknown[]);
      const read = given.map(item);
      const bad = read.findIndex((one) => one === undefined);
      if (bad !== -1) throw new Error(`must be ${type} (item ${bad + 1} is ${show(given[bad])})`);
      const twice = read.find((one, index) => read.indexOf(one) !== index);
      if (twice !== undefined && typeof twice === 'string') {
        throw new Error(`must not name anything twice (got ${show(twice)} twice)`);
      }
      return read.length < min ? undefined : (read as T[]);
    },
  });
}

/** Names, each once. */
export function names(about: About): Key<readonly string[]> {
  return list(about, 'a list of names', {
    item: (value) =>
      typeof value === 'string' && value !== '' && value.trim() === value ? value : undefined,
  });
}

/** A map from names to texts that are not empty, in the order of the file. */
export function textByName(about: About, type: string): Key<readonly { name: string; text: string }[]> {
  return key(about, {
    type,
    read(value) {
      if (typeof value !== 'object' || value === null) return undefined;
      // A map arrives as a list of entries (evaluate.ts).
      const entries = (Array.isArray(value) ? value : Object.entries(value)) as unknown[];
      const read = entries.map((entry) => {
        const [name, content] = Array.isArray(entry) ? (entry as unknown[]) : [];
        const fits = typeof name === 'string' && name.trim() === name && name !== '';
        if (!fits || typeof content !== 'string' || content.trim() === '')
          throw new Error(`must be ${type} (got ${show(entry)})`);
        return { name, text: content.trim() };
      });
      return read;
    },
    print: (all) => Object.fromEntries(all.map(({ name, text: content }) => [name, content])),
  });
}

/** Any count of numbers of at least 0. */
export function amounts(about: About): Key<readonly number[]> {
  return list(about, 'a list of numbers of at least 0', {
    item: (value) => within(readNumber(value), (number) => number >= 0),
  });
}

/** Widths of layers. */
export function widths(about: About): Key<readonly number[]> {
  return list(about, 'a list of whole numbers from 1 to 8192, at least one', {
    min: 1,
    item(value) {
      const width = readNumber(value);
      return width !== undefined && Number.isInteger(width) && width >= 1 && width <= 8192
        ? width
        : undefined;
    },
  });
}
