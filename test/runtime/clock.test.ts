import { createReplayClock } from '../../src/runtime/replay-clock';
import { createSchedule } from '../../src/runtime/schedule';

const minute = 60_000;
const start = Date.UTC(2026, 0, 1);

/** A training that ends when it is told to. */
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

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const turn = new Promise((resolve) => setImmediate(() => resolve(pending)));
  return (await Promise.race([promise.then(() => undefined), turn])) !== pending;
}

test('a schedule goes by the times of records', async () => {
  const replay = createReplayClock(0);
  await replay.advance([start]);
  const calls: number[] = [];
  const schedule = createSchedule({
    cron: '*/10 * * * *',
    timeZone: 'UTC',
    jitterMs: 0,
    random: Math.random,
    onDue: () => {
      calls.push(replay.timers.now() - start);
      return Promise.resolve();
    },
    onSkipped: () => undefined,
    onError: (error) => {
      throw error;
    },
    timers: replay.timers,
  });
  for (let i = 1; i <= 100; i++) await replay.advance([start + i * 0.25 * minute]);
  expect(calls).toEqual([10 * minute, 20 * minute]);
  // A gap in which it was due several times is one call; time does not go back.
  await replay.advance([start + 75 * minute, NaN, start + 2 * minute]);
  expect(calls).toEqual([10 * minute, 20 * minute, 75 * minute]);
  schedule.stop();
  await replay.advance([start + 1000 * minute]);
  expect(calls).toHaveLength(3);
});

describe('a training', () => {
  test('holds the records back until it is settled what it learns from', async () => {
    const replay = createReplayClock(3);
    const training = createTraining();
    replay.follow(training.outcome);
    const going = replay.advance([start]);
    expect(await isSettled(going)).toBe(false);
    replay.begun();
    await going;
    training.end();
  });

  test('comes into use a fixed number of records later, however soon it is done', async () => {
    const replay = createReplayClock(3);
    await replay.advance([start, start]);
    const training = createTraining();
    replay.follow(training.outcome);
    replay.begun();
    const due = replay.due();
    await replay.advance([start]);
    await replay.advance([start]);
    expect(await isSettled(due)).toBe(false);
    const third = replay.advance([start]);
    await due;
    // The next record is scored by the new model.
    expect(await isSettled(third)).toBe(false);
    training.end();
    await third;
    await replay.advance([start]);
  });

  test('is waited for where it takes longer, and a failure is an end, too', async () => {
    const replay = createReplayClock(1);
    const training = createTraining();
    replay.follow(training.outcome);
    replay.begun();
    const first = replay.advance([start]);
    expect(await isSettled(first)).toBe(false);
    training.end(new Error('killed'));
    await first;
  });

  test('keeps nobody waiting after the end of the replay', async () => {
    const replay = createReplayClock(1);
    replay.follow(createTraining().outcome);
    const [held, due] = [replay.advance([start]), replay.due()];
    replay.end();
    await Promise.all([held, due]);
    replay.follow(createTraining().outcome);
    await Promise.all([replay.advance([start]), replay.due()]);
  });
});

test('a model that nobody waits for, as that of the start, comes into use at once', async () => {
  await createReplayClock(10).due();
});
