import { withoutRepeats } from '../src/logger';
import { createRecordedLog } from './runtime/recorded-log';

test('a problem that occurs again is logged at debug, until its time is over', () => {
  const recorded = createRecordedLog();
  let time = 0;
  const log = withoutRepeats(recorded, 1000, () => time);
  const fail = (at: number, text: string, waitMs = at): void => {
    time = at;
    log.warn('no model yet', { reason: text, waitMs });
  };
  fail(0, 'a');
  fail(1, 'a');
  fail(2, 'b');
  fail(999, 'a');
  fail(1001, 'a');
  expect(recorded.entries.map(({ level, fields }) => `${level} ${String(fields['reason'])}`)).toEqual([
    'warn a',
    'debug a',
    'warn b',
    'debug a',
    'warn a',
  ]);
});

test('errors are compared with their causes, and lines without a problem are all logged', () => {
  const recorded = createRecordedLog();
  const log = withoutRepeats(recorded, 1000, () => 0);
  const error = (cause: string) => new Error('failed', { cause: new Error(cause) });
  for (const cause of ['x', 'x', 'y']) log.error('source error', { err: error(cause) });
  for (const key of ['p', 'p']) log.warn('event opened', { key });
  expect(recorded.entries.map(({ level }) => level)).toEqual(['error', 'debug', 'error', 'warn', 'warn']);
});

test('a clock that goes back does not silence a problem for ever', () => {
  const recorded = createRecordedLog();
  let time = 1e9;
  const log = withoutRepeats(recorded, 1000, () => time);
  log.warn('w', { reason: 'a' });
  time = 0;
  log.warn('w', { reason: 'a' });
  expect(recorded.entries.map(({ level }) => level)).toEqual(['warn', 'warn']);
});
