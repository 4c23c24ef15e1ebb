import { Writable } from 'node:stream';
import { createLogger, type LogSettings } from '../src/logger';
import { errorChain } from '../src/system/error-text';

/** What a line of JSON has; `err` is there when an error was logged. */
interface Line {
  timestamp: string;
  level: string;
  message: string;
  err: { errors?: unknown };
}

function capture(options: Partial<LogSettings>, isTTY = false) {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const log = createLogger({ ...options, stream: Object.assign(sink, { isTTY }) });
  return { log, lines, json: () => lines.map((line) => JSON.parse(line) as Line) };
}

test('a line of JSON has time, level, message, component and fields, in this order', () => {
  const { log, lines, json } = capture({});
  log.child({ component: 'source' }).info('partition assigned', { topic: 'plant', partition: 3 });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/\n$/);
  const line = json()[0]!;
  expect(Object.keys(line)).toEqual(['timestamp', 'level', 'message', 'component', 'topic', 'partition']);
  expect(line).toMatchObject({
    level: 'info',
    message: 'partition assigned',
    component: 'source',
    partition: 3,
  });
  expect(new Date(line.timestamp).toISOString()).toBe(line.timestamp);
});

test('an error keeps name, message, stack and causes', () => {
  const { log, json } = capture({});
  const cause = new TypeError('no such host');
  log.error('cannot connect', { err: new Error('connection failed', { cause }) });
  expect(json()[0]!.err).toEqual({
    name: 'Error',
    message: 'connection failed',
    stack: expect.stringContaining('logger.test.ts'),
    cause: expect.objectContaining({ name: 'TypeError', message: 'no such host' }),
  });
});

test('a cause that is its own cause comes to an end', () => {
  const { log, lines } = capture({});
  const circle = new Error('round');
  circle.cause = circle;
  log.error('in a circle', { err: circle });
  expect(lines).toHaveLength(1);
  expect(errorChain(circle)).toMatch(/^round ← round/);
});

test('the errors of an AggregateError are kept, in JSON and as text', () => {
  const { log, json } = capture({});
  const err = new AggregateError([new Error('a'), new Error('b')], 'two failed');
  log.error('not released', { err });
  expect(json()[0]!.err.errors).toMatchObject([{ message: 'a' }, { message: 'b' }]);
  expect(errorChain(err)).toBe('two failed ← a; b');
});

test('levels below the chosen one are left out, for children as well', () => {
  const { log, json } = capture({ level: 'warn' });
  const child = log.child({ component: 'x' });
  child.debug('no');
  child.info('no');
  child.warn('yes');
  child.error('yes');
  expect(json().map((line) => line.level)).toEqual(['warn', 'error']);
});

test('a field cannot take the place of the message or the level', () => {
  const { log, json } = capture({});
  log.info('really', { message: 'forged', level: 'error', timestamp: 'never' });
  expect(json()[0]).toMatchObject({ level: 'info', message: 'really' });
});

test('fields of a child are added to those of its parent', () => {
  const { log, json } = capture({});
  log.child({ component: 'daemon' }).child({ detector: 'pump' }).info('ready', { ms: 5n });
  expect(json()[0]).toMatchObject({ component: 'daemon', detector: 'pump', ms: '5' });
});

test('text is one readable line without colour where there is no terminal', () => {
  const { log, lines } = capture({ format: 'text' });
  const err = new Error('refused', { cause: new Error('ECONNREFUSED') });
  log.child({ component: 'source' }).warn('broker not there', { broker: 'k:9092', tries: 3, lag: NaN, err });
  expect(lines[0]!.slice(13)).toBe(
    'WARN  source broker not there broker=k:9092 tries=3 lag=NaN err="refused ← ECONNREFUSED"\n',
  );
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} /);
});

test('a device cannot write line breaks or escape codes into the text', () => {
  const { log, lines } = capture({ format: 'text' });
  log.info('seen', { key: 'a\n\x1b[2Jb' });
  expect(lines[0]).toContain('key="a\\n\\u001b[2Jb"\n');
});

test('auto is coloured text on a terminal and JSON elsewhere', () => {
  delete process.env['NO_COLOR'];
  const terminal = capture({ format: 'auto' }, true);
  terminal.log.info('hello');
  expect(terminal.lines[0]).toContain('\x1b[32mINFO \x1b[0m hello');
  const pipe = capture({ format: 'auto' });
  pipe.log.info('hello');
  expect(pipe.json()[0]!.message).toBe('hello');
});

test('the text of a line replaces sentence and fields in text format, and JSON leaves it out', () => {
  const text = capture({ format: 'text' });
  text.log.warn('event opened', { key: 'a' }, '13:15:40 plant/a flow 9, expected 1');
  expect(text.lines).toEqual(['13:15:40 plant/a flow 9, expected 1\n']);
  const json = capture({});
  json.log.warn('event opened', { key: 'a' }, 'unused');
  expect(Object.keys(json.json()[0]!)).toEqual(['timestamp', 'level', 'message', 'key']);
});

test('the detector is not repeated in text format if it is the component', () => {
  const { log, lines } = capture({ format: 'text' });
  log.child({ component: 'pump', detector: 'pump' }).info('model loaded');
  log.child({ component: 'store', detector: 'pump' }).info('model loaded');
  expect(lines.map((line) => line.slice(13))).toEqual([
    'INFO  pump model loaded\n',
    'INFO  store model loaded detector=pump\n',
  ]);
});
