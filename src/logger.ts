/** Logging with winston: a constant sentence and fields, one line each. */
import winston from 'winston';
import { errorChain } from './system/error-text';
import { printable } from './system/printable';

export type Fields = Readonly<Record<string, unknown>>;

/** `text` replaces sentence and fields in text format; JSON leaves it out. */
export type LogLine = (message: string, fields?: Fields, text?: string) => void;

export interface Logger {
  /** Needs action. */
  error: LogLine;
  /** Unexpected, but handled. */
  warn: LogLine;
  /** Change of state that an operator wants to see. */
  info: LogLine;
  /** For developers. */
  debug: LogLine;
  /** A logger that adds these fields to every line, such as `component`. */
  child(fields: Fields): Logger;
}

/** The logger of the process, whose level can be changed. */
export interface RootLogger extends Logger {
  /** Sets the level of this logger and its children. */
  setLevel(level: LogSettings['level']): void;
}

export type LogStream = NodeJS.WritableStream & { isTTY?: boolean };

/** `auto` is text on a terminal, and JSON otherwise. */
export interface LogSettings {
  level: 'error' | 'warn' | 'info' | 'debug';
  format: 'auto' | 'json' | 'text';
}

/** An error as plain data with its causes: JSON would print `{}`. */
function plainError(error: Error, depth = 0): object {
  const { name, message, stack, cause } = error;
  const errors = error instanceof AggregateError ? (error.errors as unknown[]) : undefined;
  const inner = (value: unknown): unknown =>
    value instanceof Error && depth < 8 ? plainError(value, depth + 1) : value;
  return {
    name,
    message,
    stack,
    ...(cause !== undefined && { cause: inner(cause) }),
    ...(errors && { errors: errors.map(inner) }),
  };
}

/** Replaces errors among the fields by plain data. */
const plainErrors = winston.format((info) => {
  for (const [name, value] of Object.entries(info))
    if (value instanceof Error) info[name] = plainError(value);
  return info;
});

/** Text of a value: bare if unambiguous, else JSON, so that data cannot bring a line break or an escape code. */
export function textValue(value: unknown): string {
  return printable(rawValue(value));
}

function rawValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(errorChain(value));
  if (typeof value === 'bigint' || typeof value === 'number') return value.toString();
  if (typeof value === 'string' && /^[\p{L}\p{N}_.:/@%+-]+$/u.test(value)) return value;
  try {
    return value === undefined ? 'undefined' : JSON.stringify(value);
  } catch {
    return '[unprintable]';
  }
}

/** Key of the `text` of a line, which JSON ignores as it is a symbol. */
const textKey = Symbol('text');

const colours: Readonly<Record<string, number>> = { error: 31, warn: 33, info: 32, debug: 90 };

function textLine(coloured: boolean): winston.Logform.Format {
  const paint = (code: number, text: string): string => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text);
  return winston.format.printf(({ timestamp, level, message, component, detector, ...fields }) => {
    const text = fields[textKey];
    if (typeof text === 'string') return paint(colours[level] ?? 0, text);
    const time = String(timestamp).slice(11, 23);
    // The component of a detector is its name.
    const shown = detector === undefined || detector === component ? fields : { detector, ...fields };
    const rest = Object.entries(shown).map(([name, value]) => `${paint(90, `${name}=`)}${textValue(value)}`);
    const from = typeof component === 'string' ? [paint(36, component)] : [];
    const tag = paint(colours[level] ?? 0, level.toUpperCase().padEnd(5));
    return [paint(90, time), tag, ...from, String(message), ...rest].join(' ');
  });
}

/** Order of a JSON line: timestamp, level, message, component, fields. */
export function createLogger({
  level = 'info',
  format = 'auto',
  stream = process.stdout,
}: Partial<LogSettings> & { stream?: LogStream }): RootLogger {
  const { combine, json } = winston.format;
  const isText = format === 'text' || (format === 'auto' && stream.isTTY === true);
  const coloured = stream.isTTY === true && (process.env.NO_COLOR ?? '') === '';
  const out = winston.createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: isText ? textLine(coloured) : combine(plainErrors(), json({ deterministic: false })),
    // winston declares its transports as constructible instances, which the rule takes for a mistake.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
    transports: [new winston.transports.Stream({ stream })],
  });

  function withContext(context: Fields): Logger {
    const log = (at: LogSettings['level'], message: string, fields: Fields = {}, text?: string): void => {
      if (!out.isLevelEnabled(at)) return;
      // First for the order in the line, and last so that no field replaces them.
      const own = { timestamp: new Date().toISOString(), level: at, message };
      out.log({ ...own, ...context, ...fields, ...own, [textKey]: text });
    };
    return {
      error: (...line) => log('error', ...line),
      warn: (...line) => log('warn', ...line),
      info: (...line) => log('info', ...line),
      debug: (...line) => log('debug', ...line),
      child: (fields) => withContext({ ...context, ...fields }),
    };
  }
  return { ...withContext({}), setLevel: (next) => void (out.level = next) };
}

/** Distinct problems to compare with. */
const maxProblems = 100;

/**
 * A logger for work that is tried again and again: a warning or error with the problem (`err` or `reason`) of one within
 * `quietMs` is logged at debug.
 * @param now Unix ms
 */
export function withoutRepeats(log: Logger, quietMs: number, now: () => number = Date.now): Logger {
  const loggedAt = new Map<string, number>();
  function quiet(level: 'warn' | 'error'): LogLine {
    return (message, fields = {}, text) => {
      const { err, reason } = fields;
      if (err === undefined && reason === undefined) {
        log[level](message, fields, text);
        return;
      }
      const problem = JSON.stringify([message, rawValue(err), rawValue(reason)]);
      const isRepeated = Math.abs(now() - (loggedAt.get(problem) ?? -Infinity)) < quietMs;
      if (isRepeated) {
        log.debug(message, fields, text);
        return;
      }
      if (loggedAt.size >= maxProblems) loggedAt.clear();
      loggedAt.set(problem, now());
      log[level](message, fields, text);
    };
  }
  return {
    ...log,
    warn: quiet('warn'),
    error: quiet('error'),
    child: (fields) => withoutRepeats(log.child(fields), quietMs, now),
  };
}
