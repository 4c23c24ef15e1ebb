import { TrainingError } from '../../src/errors';
import { failureOf, interruptAfter, Interruption } from '../../src/runtime/interruption';

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

test('work that takes too long is aborted', async () => {
  const abort = new AbortController();
  const late = interruptAfter(1, abort, untilAborted);
  await expect(late).rejects.toThrow('training took longer than 1 ms (training.timeoutMs)');
  expect(failureOf(new Error('aborted'), abort.signal)).toBe('timeout');
});

test('a time beyond what a timer can wait for does not expire at once', async () => {
  const abort = new AbortController();
  expect(await interruptAfter(2 ** 40, abort, () => new Promise((done) => setTimeout(done, 5, 1)))).toBe(1);
  expect(abort.signal.aborted).toBe(false);
});

test('a failure is named by its interruption, or else by itself', () => {
  const abort = new AbortController();
  expect(failureOf(new TrainingError('lease', ''), abort.signal)).toBe('lease');
  expect(failureOf(new Error('EIO'), abort.signal)).toBe('failed');
  abort.abort(new Interruption('stopped', 'the daemon stops'));
  expect(failureOf(new TrainingError('lease', ''), abort.signal)).toBe('stopped');
});
