/** The formats of keys. A key rejects values that do not have its format. */
import { isIP } from 'node:net';
import { CronPattern, Cron } from 'croner';
import type { FalseAlarmTarget } from '../calibration/threshold';
import { formatDuration, parseDuration } from './durations';
import type { Key, Section, Variants } from './key';

/** Documentation and default of a key. Without `default` the key is required. */
export interface About {
  doc: string;
  default?: unknown;
  /** A change is applied while the daemon runs. */
  reloads?: true;
}

interface Format<T> {
  /** The valid values as a noun with its article. */
  type: string;
  /** The setting, or undefined for an invalid value. May throw an Error with a more specific message. */
  read(value: unknown): T | undefined;
  print?(setting: T): unknown;
}

/** Changes are applied while the daemon runs, but for those from or to nothing. */
export function reloadedWhileSet(about: Key<string>): Key<string> {
  return { ...about, reloads: (before, after) => before !== '' && after !== '' };
}

/** A value as text for a message. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

/** A key with this format. */
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

/** Numbers of the environment and of arguments are text. `parseFloat` would read `10x` as 10. */
function readNumber(value: unknown): number | undefined {
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

/** A list of words out of `choices`, at least one and each once. */
export function choices<const T extends string>(about: About, all: readonly T[]): Key<readonly T[]> {
  return list(about, `a list of ${oneOf(all)}, at least one`, {
    min: 1,
    item: (value) => all.find((word) => word === value),
  });
}

/** The same, or one word for a choice that follows from other keys. */
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

/** Text of a form that `type` describes. */
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

/** Address of an HTTP service, or empty. Credentials have keys of their own, which are hidden. */
export function url(about: About): Key<string> {
  const type = 'a URL that begins with `http://` or `https://`, or empty';
  return key(about, {
    type,
    read(value) {
      if (value === '') return value;
      // The value is not repeated: it may contain a password.
      if (typeof value === 'string' && value.includes('@'))
        throw new Error('must not contain a user or a password: they have keys of their own');
      const isUrl = typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value);
      return isUrl ? value : undefined;
    },
  });
}

/** Addresses of HTTP services, each once. */
export function urls(about: About): Key<readonly string[]> {
  const one = url(about);
  return list(about, 'a list of URLs that begin with `http://` or `https://`', {
    item(value) {
      if (typeof value === 'string' && value.includes('@')) return one.parse(value);
      try {
        return value === '' ? undefined : one.parse(value);
      } catch {
        return undefined;
      }
    },
  });
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

/** Name of a Kafka topic, or empty. */
export function topic(about: About): Key<string> {
  return text(
    about,
    'a topic name (letters, digits, `.`, `_` and `-`, at most 249), or empty',
    (value) => value === '' || (/^[A-Za-z0-9._-]{1,249}$/.test(value) && !/^\.\.?$/.test(value)),
  );
}

/** An id in the logs and metrics of brokers. */
export function identifier(about: About, { empty = false } = {}): Key<string> {
  return text(
    about,
    `a name of letters, digits, \`.\`, \`_\` and \`-\`${empty ? ', or empty' : ''}`,
    (value) => (empty && value === '') || /^[A-Za-z0-9._-]{1,249}$/.test(value),
  );
}

const hostName =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$/;

/** An invalid IPv4 address such as `300.1.1.1` is not accepted as a host name. */
function isHost(value: string): boolean {
  return isIP(value) !== 0 || (hostName.test(value) && !/^[\d.]+$/.test(value));
}

/** Host name or address to listen on. */
export function host(about: About): Key<string> {
  return text(about, 'a host name or an IP address', isHost);
}

function isBroker(value: string): boolean {
  const parts = /^(?:\[(?<address>[^\]]+)\]|(?<name>[^:]+)):(?<port>\d{1,5})$/.exec(value)?.groups;
  if (parts === undefined) return false;
  const { address, name = '', port } = parts;
  const hostFits = address === undefined ? isHost(name) : isIP(address) === 6;
  return hostFits && Number(port) >= 1 && Number(port) <= 65535;
}

function list<T extends string | number>(
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
export function names(about: About, { min = 0 } = {}): Key<readonly string[]> {
  return list(about, min === 0 ? 'a list of names' : 'a list of names, at least one', {
    min,
    item: (value) =>
      typeof value === 'string' && value !== '' && value.trim() === value ? value : undefined,
  });
}

/** A map from names to texts, none of them empty, in the order of the file. */
export function textByName(about: About, type: string): Key<readonly { name: string; text: string }[]> {
  return key(about, {
    type,
    read(value) {
      if (typeof value !== 'object' || value === null) return undefined;
      // A map comes as its entries (evaluate.ts).
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

/** Addresses of brokers, each once. */
export function brokers(about: About): Key<readonly string[]> {
  return list(about, 'a list of brokers, each `host:port`', {
    item: (value) => (typeof value === 'string' && isBroker(value) ? value : undefined),
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

/** Longest delay of a Node timer, ms: a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** A duration with its unit, parsed to ms. A number without a unit is ambiguous and rejected. */
export function duration(
  about: About,
  { min = 0, timer = false }: { min?: number; timer?: boolean } = {},
): Key<number> & { suffix: 'Ms' } {
  const bounds = [...(min > 0 ? [`at least ${formatDuration(min)}`] : []), ...(timer ? ['at most 24d'] : [])];
  const format: Format<number> = {
    type: `a duration such as \`30s\`, \`5m\` or \`24h\`${bounds.length > 0 ? `, ${bounds.join(', ')}` : ''}`,
    read(value) {
      const ms = parseDuration(value);
      return ms !== undefined && ms >= min && (!timer || ms <= maxTimerMs) ? ms : undefined;
    },
    print: formatDuration,
  };
  return { ...key(about, format), suffix: 'Ms' };
}

/** A cron expression that comes due at some time, or empty for never. */
export function cron(about: About): Key<string> {
  return key(about, {
    type: 'a cron expression of 5 or 6 fields (seconds first), or empty',
    read(value) {
      if (typeof value !== 'string') return undefined;
      if (value === '') return value;
      try {
        // CronPattern rejects a date, which Cron accepts as a time that comes due once.
        new CronPattern(value);
      } catch (cause) {
        // The reason quotes the value, with its line breaks.
        const reason = (cause as Error).message.replace(/^CronPattern: /, '').replace(/[\p{Cc}\s]+/gu, ' ');
        throw new Error(`is not a cron expression (got ${show(value)}): ${reason.slice(0, 120)}`, { cause });
      }
      if (new Cron(value, { paused: true }).nextRun() !== null) return value;
      throw new Error(`never comes due (got ${show(value)})`);
    },
  });
}

/** Whether Intl supports the time zone. Offsets are rejected: only newer versions of Node support them. */
export function isTimeZone(value: unknown): value is string {
  if (typeof value !== 'string' || !/^[A-Za-z]/.test(value)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
    return true;
  } catch {
    return false;
  }
}

export const timeZoneType = 'an IANA time zone such as `UTC` or `Europe/Berlin`';

/** A time zone by its IANA name. */
export function timeZone(about: About): Key<string> {
  return text(about, timeZoneType, isTimeZone);
}

const periodMs = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
  year: 31_536_000_000,
} as const;

const rateType = 'a rate such as `2 per day` (minute, hour, day, week, year)';

function readRate(value: unknown): Extract<FalseAlarmTarget, { kind: 'rate' }> | undefined {
  const parts = /^(?<count>\d+(?:\.\d+)?) (?:per|an?) (?<period>minute|hour|day|week|year)$/.exec(
    String(value),
  );
  if (parts?.groups === undefined) return undefined;
  const count = Number(parts.groups.count);
  const perMs = periodMs[parts.groups.period as keyof typeof periodMs];
  return count > 0 ? { kind: 'rate', count, perMs } : undefined;
}

/** Acceptable false alarms: a ratio of normal records, or a number per period. */
export function falseAlarmTarget(about: About): Key<FalseAlarmTarget> {
  return key<FalseAlarmTarget>(about, {
    type: `a ratio above 0 and below 1 such as \`0.001\`, or ${rateType}`,
    read(value) {
      const number = readNumber(value);
      if (number !== undefined) {
        return number > 0 && number < 1 ? { kind: 'ratio', ratio: number } : undefined;
      }
      return readRate(value);
    },
    print: printFalseAlarmTarget,
  });
}

/** A number per period, or one of the words. */
export function rateOr<const T extends string>(
  about: About,
  words: readonly T[],
): Key<Extract<FalseAlarmTarget, { kind: 'rate' }> | T> {
  return key(about, {
    type: `${rateType}, ${oneOf(words)}`,
    read: (value) => words.find((word) => word === value) ?? readRate(value),
    print: (setting) => (typeof setting === 'string' ? setting : printFalseAlarmTarget(setting)),
  });
}

/** As it is written in a configuration. */
export function printFalseAlarmTarget(target: FalseAlarmTarget): number | string {
  if (target.kind === 'ratio') return target.ratio;
  const period = Object.entries(periodMs).find(([, ms]) => ms === target.perMs)?.[0];
  return `${target.count} per ${period ?? formatDuration(target.perMs)}`;
}
