/** Formats of times, durations and rates. */
import { CronPattern, Cron } from 'croner';
import type { FalseAlarmTarget } from '../calibration/threshold';
import { formatDuration, parseDuration } from './durations';
import { key, oneOf, readNumber, show, text, type About, type Format } from './formats';
import type { Key } from './key';

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
        // CronPattern rejects a date, which Cron would accept as a time that comes due once.
        new CronPattern(value);
      } catch (cause) {
        // The reason quotes the value, line breaks included.
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
  // Fast path for the default of most keys: formatters take a fifth of the time that reading a configuration takes.
  if (value === 'UTC') return true;
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

/** The target as written in a configuration. */
export function printFalseAlarmTarget(target: FalseAlarmTarget): number | string {
  if (target.kind === 'ratio') return target.ratio;
  const period = Object.entries(periodMs).find(([, ms]) => ms === target.perMs)?.[0];
  return `${target.count} per ${period ?? formatDuration(target.perMs)}`;
}
