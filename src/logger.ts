/** Logging with winston: one line with a constant sentence and fields. */
import winston from 'winston';
import { errorChain } from './system/error-text';
import { printable } from './system/printable';

export type Fields = Readonly<Record<string, unknown>>;

/** Writes a line. In text format, `text` replaces sentence and fields; JSON leaves it out. */
export type LogLine = (message: string, fields?: Fields, text?: string) => void;

export interface Logger {
  /** A problem that needs action. */
  error: LogLine;
  /** An unexpected condition that was handled. */
  warn: LogLine;
  /** A change of state of interest to an operator. */
  info: LogLine;
  /** Details for developers. */
  debug: LogLine;
  /** A logger that adds these fields to every line, such as `component`. */
  child(fields: Fields): Logger;
}

/** The logger of the process, whose level can be changed. */
export interface RootLogger extends Logger {
  /** Sets the level of this logger and its children. */
  setLevel(level: LogSettings['level']): void;
}

export type LogStream = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

/** Settings of the log. `auto` is text on a terminal, and JSON otherwise. */
export interface LogSettings {
  level: 'error' | 'warn' | 'info' | 'debug';
  format: 'auto' | 'json' | 'text';
}

/** An error with its causes as plain data: JSON would print `{}`. */
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

/** A value as text: bare if unambiguous, otherwise as JSON, so that data cannot insert a line break or an escape code. */
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

/** Key for the `text` of a line; JSON ignores it, as it is a symbol. */
const textKey = Symbol('text');

const colours: Readonly<Record<string, number>> = { error: 31, warn: 33, info: 32, debug: 90 };

function textLine(coloured: boolean): winston.Logform.Format {
  const paint = (code: number, text: string): string => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text);
  return winston.format.printf(({ timestamp, level, message, component, detector, ...fields }) => {
    const text = fields[textKey];
    if (typeof text === 'string') return paint(colours[level] ?? 0, text);
    const time = String(timestamp).slice(11, 23);
    // The component of a detector is its own name, so the field `detector` is left out.
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
      // Spread first for the order in the line, and again last so that fields cannot replace them.
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

/** Maximum number of distinct problems that are stored to recognise repetitions. */
const maxProblems = 100;

/**
 * A logger for work that is repeated: a warning or error is logged at debug level if the same problem (`err` or `reason`)
 * occurred within `quietMs`.
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
