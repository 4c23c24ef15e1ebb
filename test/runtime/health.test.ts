import { createHealth, type ThreadHealth } from '../../src/runtime/health';
import { createRecordedLog } from './recorded-log';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function start(thread?: ThreadHealth) {
  const log = createRecordedLog();
  let now = 0;
  const health = createHealth({
    scoringThread: thread && (() => thread),
    log,
    intervalMs: 500,
    now: () => now,
  });
  /** Lets the timer fire, late by this many seconds. */
  const tick = (lateSeconds = 0): void => {
    now += 500 + 1000 * lateSeconds;
    jest.advanceTimersByTime(500);
  };
  return { health, log, tick };
}

test('the longest delay of the event loop within a minute is reported, and a long one is logged', () => {
  const { health, log, tick } = start();
  tick();
  expect(health.report()).toEqual({ ok: true, details: { eventLoopDelaySeconds: 0 } });
  tick(6);
  tick(0.2);
  expect(health.report()).toEqual({ ok: true, details: { eventLoopDelaySeconds: 6 } });
  expect(log.entries).toEqual([{ level: 'warn', message: 'event loop was blocked', fields: { seconds: 6 } }]);
  for (let i = 0; i < 125; i++) tick(0.01);
  expect(health.report().details['eventLoopDelaySeconds']).toBeLessThan(1);
  health.stop();
});

test('a scoring thread that has ended or does not answer is not healthy', () => {
  const thread: ThreadHealth = { ended: undefined, oldestRequestSeconds: 59 };
  const { health } = start(thread);
  expect(health.report()).toMatchObject({ ok: true, details: { scoringThreadSeconds: 59 } });
  thread.oldestRequestSeconds = 61.5;
  expect(health.report()).toMatchObject({
    ok: false,
    details: { reason: 'the scoring thread has not answered for 61 s' },
  });
  Object.assign(thread, { oldestRequestSeconds: 0, ended: 'the scoring thread failed' });
  expect(health.report()).toMatchObject({ ok: false, details: { reason: 'the scoring thread failed' } });
  health.stop();
});
