import { createRecordClock, wallClock } from '../../src/runtime/clock';
import { createSchedule } from '../../src/runtime/schedule';

const minute = 60_000;
const start = Date.UTC(2026, 0, 1);

/** A training that ends on demand. */
function createTraining() {
  let end: (failed?: Error) => void = () => undefined;
  const outcome = new Promise<void>((resolve, reject) => {
    end = (failed) => {
      if (failed === undefined) resolve();
      else reject(failed);
    };
  });
  return { outcome, end };
}

/** Records of these times. */
const at = (...timestamps: number[]) => timestamps.map((timestamp) => ({ timestamp }));

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const turn = new Promise((resolve) => setImmediate(() => resolve(pending)));
  return (await Promise.race([promise.then(() => undefined), turn])) !== pending;
}

test('a schedule follows the times of the records', async () => {
  const clock = createRecordClock(0);
  await clock.advance(at(start));
  const calls: number[] = [];
  const schedule = createSchedule({
    cron: '*/10 * * * *',
    timeZone: 'UTC',
    jitterMs: 0,
    onDue: () => {
      calls.push(clock.now() - start);
      return Promise.resolve();
    },
    onSkipped: () => undefined,
    onError: (error) => {
      throw error;
    },
    clock,
  });
  for (let i = 1; i <= 100; i++) await clock.advance(at(start + i * 0.25 * minute));
  expect(calls).toEqual([10 * minute, 20 * minute]);
  // A gap with several due times is one call; time does not go back.
  await clock.advance(at(start + 75 * minute, NaN, start + 2 * minute));
  expect(calls).toEqual([10 * minute, 20 * minute, 75 * minute]);
  schedule.stop();
  await clock.advance(at(start + 1000 * minute));
  expect(calls).toHaveLength(3);
});

describe('a training', () => {
  test('makes the records wait until it is settled which records it reads', async () => {
    const clock = createRecordClock(3);
    const training = createTraining();
    clock.trainingRequested(training.outcome);
    const going = clock.advance(at(start));
    expect(await isSettled(going)).toBe(false);
    clock.trainingStarted();
    await going;
    training.end();
  });

  test('has its model in use a fixed number of records later, however fast it is', async () => {
    const clock = createRecordClock(3);
    await clock.advance(at(start, start));
    const training = createTraining();
    clock.trainingRequested(training.outcome);
    clock.trainingStarted();
    const due = clock.modelDue();
    await clock.advance(at(start));
    await clock.advance(at(start));
    expect(await isSettled(due)).toBe(false);
    const third = clock.advance(at(start));
    await due;
    // The next record is scored by the new model.
    expect(await isSettled(third)).toBe(false);
    training.end();
    await third;
    await clock.advance(at(start));
  });

  test('makes the records wait if it takes longer, until it ends or fails', async () => {
    const clock = createRecordClock(1);
    const training = createTraining();
    clock.trainingRequested(training.outcome);
    clock.trainingStarted();
    const first = clock.advance(at(start));
    expect(await isSettled(first)).toBe(false);
    training.end(new Error('killed'));
    await first;
  });

  test('makes nothing wait after the end of the records', async () => {
    const clock = createRecordClock(1);
    clock.trainingRequested(createTraining().outcome);
    const [held, due] = [clock.advance(at(start)), clock.modelDue()];
    clock.end();
    await Promise.all([held, due]);
    clock.trainingRequested(createTraining().outcome);
    await Promise.all([clock.advance(at(start)), clock.modelDue()]);
  });
});

test('the first model comes into use at once', async () => {
  await createRecordClock(10).modelDue();
});

test('what waits for the start is called with the first record that has a time, before its timers', async () => {
  const clock = createRecordClock(0);
  const calls: string[] = [];
  clock.onStart(() => {
    calls.push(`start at ${clock.now() - start}`);
    clock.after(0, () => calls.push('timer'));
  });
  await clock.advance(at(NaN));
  expect(calls).toEqual([]);
  await clock.advance(at(start, start + 5));
  await clock.advance(at(start + 6));
  expect(calls).toEqual(['start at 5', 'timer']);
  clock.onStart(() => calls.push('at once'));
  expect(calls).toHaveLength(3);
});

test('the wall clock has started, has timers that can be cancelled, and makes nothing wait', async () => {
  const calls: string[] = [];
  wallClock.onStart(() => calls.push('start'));
  expect(calls).toEqual(['start']);
  const before = Date.now();
  const now = wallClock.now();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(Date.now());
  const cancel = wallClock.after(1, () => calls.push('cancelled'));
  cancel();
  await new Promise<void>((resolve) => wallClock.after(5, resolve));
  expect(calls).toEqual(['start']);
  wallClock.trainingRequested(createTraining().outcome);
  await Promise.all([wallClock.modelDue(), wallClock.advance(at(start))]);
});
