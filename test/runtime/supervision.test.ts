import { ConfigError } from '../../src/errors';
import type { DetectorEntry, Supervised } from '../../src/runtime/restarting-detector';
import { createSupervision } from '../../src/runtime/supervision';
import { createRecordedLog } from './recorded-log';

/** A detector whose end a test decides on. */
function createDetector(name: string, isRestartable = true) {
  const runs: { end: () => void; fail: (error: Error) => void; stopped: boolean }[] = [];
  let startError: Error | undefined;
  const entry: DetectorEntry<Supervised> = {
    name,
    isRestartable,
    start() {
      if (startError !== undefined) return Promise.reject(startError);
      const control = {
        end: () => undefined,
        fail: () => undefined,
        stopped: false,
      } as (typeof runs)[number];
      const finished = new Promise<void>((resolve, reject) => {
        control.end = resolve;
        control.fail = reject;
      });
      finished.catch(() => undefined);
      runs.push(control);
      return Promise.resolve({
        readiness: () => ({ ready: true, reason: 'scores' }),
        finished,
        stop() {
          control.stopped = true;
          control.end();
          return Promise.resolve();
        },
      });
    },
  };
  return { entry, runs, failStart: (error?: Error) => (startError = error) };
}

const supervise = (...detectors: ReturnType<typeof createDetector>[]) => {
  const log = createRecordedLog();
  const entries = detectors.map(({ entry }) => entry);
  const supervision = createSupervision(entries, { log, stopTimeoutMs: 100, pauseMs: 20 });
  supervision.finished.catch(() => undefined);
  return { ...supervision, log };
};

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a detector that fails leaves the others at work, says why, and is started again', async () => {
  const [a, b] = [createDetector('a'), createDetector('b')];
  const { start, readiness, stop, log } = supervise(a, b);
  await start();
  expect(readiness().every(({ ready }) => ready)).toBe(true);
  a.failStart(new Error('store is full'));
  a.runs[0]!.fail(new Error('windows are broken', { cause: new Error('a bug') }));
  await until(() => a.runs[0]!.stopped);
  expect(readiness()).toEqual([
    { name: 'a', ready: false, reason: 'cannot continue: windows are broken ← a bug' },
    { name: 'b', ready: true, reason: 'scores' },
  ]);
  await until(() => readiness()[0]!.reason.includes('store is full'));
  a.failStart(undefined);
  await until(() => a.runs.length === 2);
  expect(readiness().every(({ ready }) => ready)).toBe(true);
  expect([b.runs.length, b.runs[0]!.stopped]).toEqual([1, false]);
  const failures = log.entries.filter(({ message }) => message === 'detector cannot continue');
  expect(failures.map(({ fields }) => fields['detector'])).toContain('a');
  await stop();
  expect([a.runs[1]!.stopped, b.runs[0]!.stopped]).toEqual([true, true]);
});

test('the process ends with the failure when no detector is at work', async () => {
  const [a, b] = [createDetector('a'), createDetector('b')];
  const { start, finished, stop } = supervise(a, b);
  await start();
  a.runs[0]!.fail(new Error('first'));
  b.runs[0]!.fail(new Error('second'));
  await expect(finished).rejects.toThrow('first');
  await stop();
});

test('a single detector ends the process as soon as it fails', async () => {
  const a = createDetector('a');
  const { start, finished, stop } = supervise(a);
  await start();
  a.runs[0]!.fail(new Error('gone'));
  await expect(finished).rejects.toThrow('gone');
  await stop();
  expect(a.runs).toHaveLength(1);
});

test('a file is not read again; its failure is the outcome after the others have ended', async () => {
  const [a, b] = [createDetector('a', false), createDetector('b', false)];
  const { start, finished, stop } = supervise(a, b);
  await start();
  a.runs[0]!.fail(new Error('cannot read'));
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(a.runs).toHaveLength(1);
  b.runs[0]!.end();
  await expect(finished).rejects.toThrow('cannot read');
  await stop();
});

test('all sources end: the process ends without a failure', async () => {
  const [a, b] = [createDetector('a'), createDetector('b')];
  const { start, finished, stop } = supervise(a, b);
  await start();
  a.runs[0]!.end();
  b.runs[0]!.end();
  await finished;
  await stop();
});

test('a start fails only if no detector can be started, or for a configuration', async () => {
  const [a, b] = [createDetector('a'), createDetector('b')];
  a.failStart(new Error('no store'));
  const one = supervise(a, b);
  await one.start();
  expect(one.readiness().map(({ ready }) => ready)).toEqual([false, true]);
  await one.stop();
  b.failStart(new Error('no store either'));
  await expect(supervise(a, b).start()).rejects.toThrow('no store');
  b.failStart(new ConfigError([{ file: 'f', key: 'k', message: 'is wrong' }]));
  await expect(supervise(createDetector('c'), b).start()).rejects.toThrow(ConfigError);
});
