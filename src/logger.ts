/** Logging by winston, behind a small interface: a constant sentence and fields, one line each. */
import winston from 'winston';
import { errorChain } from './system/error-text';

export type Fields = Readonly<Record<string, unknown>>;

export interface Logger {
  /** Someone must look. */
  error(message: string, fields?: Fields): void;
  /** Survived, but not expected. */
  warn(message: string, fields?: Fields): void;
  /** What an operator would want in a quiet week: state that changed. */
  info(message: string, fields?: Fields): void;
  /** What a developer would want. */
  debug(message: string, fields?: Fields): void;
  /** A logger that adds these fields to every line, `component` above all. */
  child(fields: Fields): Logger;
}

export type LogStream = NodeJS.WritableStream & { isTTY?: boolean };

/** `auto`: text on a terminal, else JSON. */
export interface LogSettings {
  level: 'error' | 'warn' | 'info' | 'debug';
  format: 'auto' | 'json' | 'text';
}

export interface LoggerOptions extends Partial<LogSettings> {
  /** Standard output unless given; `auto` is text when this is a terminal. */
  stream?: LogStream;
}

type Level = LogSettings['level'];

/** What is left of an error in JSON, where it would be `{}`. Causes are followed. */
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

/** Errors among the fields, made plain. */
const plainErrors = winston.format((info) => {
  for (const [name, value] of Object.entries(info))
    if (value instanceof Error) info[name] = plainError(value);
  return info;
});

/** Bare where that is unambiguous; else as JSON, so that no key of a device can bring a line break or an escape code. */
function textValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(errorChain(value));
  if (typeof value === 'bigint' || typeof value === 'number') return value.toString();
  if (typeof value === 'string' && /^[\p{L}\p{N}_.:/@%+-]+$/u.test(value)) return value;
  try {
    return value === undefined ? 'undefined' : JSON.stringify(value);
  } catch {
    return '[unprintable]';
  }
}

const colours: Readonly<Record<string, number>> = { error: 31, warn: 33, info: 32, debug: 90 };

function textLine(coloured: boolean): winston.Logform.Format {
  const paint = (code: number, text: string): string => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text);
  return winston.format.printf(({ timestamp, level, message, component, ...fields }) => {
    const time = String(timestamp).slice(11, 23);
    const rest = Object.entries(fields).map(([name, value]) => `${paint(90, `${name}=`)}${textValue(value)}`);
    const from = typeof component === 'string' ? [paint(36, component)] : [];
    const tag = paint(colours[level] ?? 0, level.toUpperCase().padEnd(5));
    return [paint(90, time), tag, ...from, String(message), ...rest].join(' ');
  });
}

/** Logs to a stream, standard output unless given; JSON keeps the order: timestamp, level, message, component, fields. */
export function createLogger({
  level = 'info',
  format = 'auto',
  stream = process.stdout,
}: LoggerOptions): Logger {
  const { combine, json } = winston.format;
  const isText = format === 'text' || (format === 'auto' && stream.isTTY === true);
  const coloured = stream.isTTY === true && (process.env.NO_COLOR ?? '') === '';
  const out = winston.createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: isText ? textLine(coloured) : combine(plainErrors(), json({ deterministic: false })),
    // winston declares its transports as instances that can be constructed, which the rule takes for a mistake.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
    transports: [new winston.transports.Stream({ stream })],
  });

  function withContext(context: Fields): Logger {
    const log = (at: Level, message: string, fields: Fields = {}): void => {
      if (!out.isLevelEnabled(at)) return;
      // Ours come first for their place in the line, and again for their value, should a field have one of these names.
      const own = { timestamp: new Date().toISOString(), level: at, message };
      out.log({ ...own, ...context, ...fields, ...own });
    };
    return {
      error: (message, fields) => log('error', message, fields),
      warn: (message, fields) => log('warn', message, fields),
      info: (message, fields) => log('info', message, fields),
      debug: (message, fields) => log('debug', message, fields),
      child: (fields) => withContext({ ...context, ...fields }),
    };
  }
  return withContext({});
}

/** Says nothing; for tests. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLogger,
};
