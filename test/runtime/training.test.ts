import { TrainingError } from '../../src/errors';
import { createRecordClock, wallClock, type Clock } from '../../src/runtime/clock';
import type { TrainingOutcome, TrainingTrigger } from '../../src/runtime/training-outcome';
import { createTraining, type TrainingOptions } from '../../src/runtime/training';
import { createModel } from './model';
import { createRecordedLog } from './recorded-log';

const v1 = '20260101T000000.000Z';
const swapped: TrainingOutcome = { result: 'swapped', version: 'v2' };
const leftToOthers: TrainingOutcome = {
  result: 'failed',
  reason: 'lease',
  error: new TrainingError('lease', 'another process trains'),
};

function create({
  outcome = swapped,
  settings = {},
  ...options
}: Partial<Omit<TrainingOptions, 'settings'>> & {
  outcome?: TrainingOutcome;
  settings?: Partial<ReturnType<TrainingOptions['settings']>>;
} = {}) {
  const log = createRecordedLog();
  const stop = new AbortController();
  const triggers: TrainingTrigger[] = [];
  const requested: string[] = [];
  const state = {
    running: false,
    pending: undefined as string | undefined,
    byPerson: false,
    current: v1,
    drifts: 0,
  };
  const ended: TrainingOutcome[] = [];
  const training = createTraining({
    role: 'all',
    settings: () => ({
      schedule: '',
      timeZone: 'UTC',
      jitterMs: 0,
      onDrift: true,
      onDriftAfterMs: 60_000,
      ...settings,
    }),
    retrainer: {
      train(trigger) {
        triggers.push(trigger);
        return Promise.resolve(outcome);
      },
      running: () => state.running,
      stop: () => Promise.resolve(),
    },
    clock: wallClock,
    requests: {
      request: (version) => Promise.resolve(void requested.push(version)),
      take() {
        const { pending } = state;
        state.pending = undefined;
        return Promise.resolve(
          pending === undefined ? undefined : { version: pending, byPerson: state.byPerson },
        );
      },
    },
    store: { current: () => Promise.resolve(state.current) },
    metrics: {
      driftStarted() {
        state.drifts++;
      },
    },
    onEnd: (one) => void ended.push(one),
    stopping: stop.signal,
    log,
    ...options,
  });
  return { training, triggers, requested, state, ended, log, stop };
}

const settled = () => new Promise(setImmediate);

/** A wall clock that stands still until a test moves it. */
function createManualClock(): Clock & { time: number } {
  const clock = { ...wallClock, time: 0, now: () => clock.time };
  return clock;
}

test('the first training is reported, and the record clock does not follow it', async () => {
  const clock = createRecordClock(0);
  const { training, triggers, ended } = create({ clock });
  expect(await training.trainFirst()).toBe(swapped);
  expect(await training.trainColdStart()).toBe(swapped);
  expect(triggers).toEqual(['start', 'cold start']);
  expect(ended).toEqual([swapped, swapped]);
  await clock.modelDue();
});

describe('the schedule', () => {
  const noon = Date.UTC(2026, 0, 1, 12);
  const at = (...minutes: number[]) => minutes.map((minute) => ({ timestamp: noon + minute * 60_000 }));

  test('starts with the clock and trains when it is due', async () => {
    const clock = createRecordClock(0);
    const { training, triggers, ended, stop } = create({ clock, settings: { schedule: '*/10 * * * *' } });
    training.startSchedule();
    await clock.advance(at(1));
    expect(triggers).toEqual([]);
    await clock.advance(at(11));
    expect(triggers).toEqual(['schedule']);
    expect(ended).toEqual([swapped]);
    stop.abort();
    await clock.advance(at(21));
    expect(triggers).toEqual(['schedule']);
  });

  test('does not start in a process that only scores, or after a stop', async () => {
    const clock = createRecordClock(0);
    const scoring = create({ clock, role: 'score', settings: { schedule: '*/10 * * * *' } });
    const stopped = create({ clock, settings: { schedule: '*/10 * * * *' } });
    for (const { training } of [scoring, stopped]) training.startSchedule();
    stopped.stop.abort();
    await clock.advance(at(1));
    await clock.advance(at(11));
    expect([scoring.triggers, stopped.triggers]).toEqual([[], []]);
  });
});

describe('drift', () => {
  const { model } = createModel(v1);

  test('is logged and counted once for a model, and starts a training', async () => {
    const { training, triggers, state, log } = create();
    training.reportDrift(model);
    training.reportDrift(model);
    await settled();
    expect(state.drifts).toBe(1);
    expect(log.entries).toEqual([
      {
        level: 'warn',
        message: 'drift detected: records no longer match the calibration',
        fields: { version: v1, training: true },
      },
    ]);
    expect(triggers).toEqual(['drift']);
    training.reportDrift(createModel(v1).model);
    expect(state.drifts).toBe(2);
  });

  test('starts no further training before the configured time has passed', async () => {
    const clock = createManualClock();
    const { training, triggers } = create({ clock });
    for (clock.time = 0; clock.time <= 120_000; clock.time += 30_000) training.reportDrift(model);
    await settled();
    expect(triggers).toEqual(['drift', 'drift', 'drift']);
  });

  test('starts no training if that is not wanted, while one runs, or during a stop', async () => {
    const unwanted = create({ settings: { onDrift: false } });
    const running = create();
    running.state.running = true;
    const stopping = create();
    stopping.stop.abort();
    for (const { training, triggers, state } of [unwanted, running, stopping]) {
      training.reportDrift(model);
      await settled();
      expect(triggers).toEqual([]);
      expect(state.drifts).toBe(1);
    }
  });

  test('in a process that only scores becomes a request', async () => {
    const { training, triggers, requested } = create({ role: 'score' });
    training.reportDrift(model);
    await settled();
    expect(triggers).toEqual([]);
    expect(requested).toEqual([v1]);
  });

  test('becomes a request if another process has the lease', async () => {
    const { training, requested } = create({ outcome: leftToOthers });
    training.reportDrift(model);
    await settled();
    expect(requested).toEqual([v1]);
  });

  test('survives a request that cannot be written', async () => {
    const { training, log } = create({
      role: 'score',
      requests: {
        request: () => Promise.reject(new Error('ENOSPC')),
        take: () => Promise.resolve(undefined),
      },
    });
    training.reportDrift(model);
    await settled();
    expect(log.entries.at(-1)).toMatchObject({ level: 'warn', message: 'training could not be requested' });
  });
});

describe('the request of a scoring process', () => {
  test('is answered by a training', async () => {
    const { training, triggers, state } = create();
    state.pending = v1;
    await training.answerRequests();
    await training.answerRequests();
    await settled();
    expect(triggers).toEqual(['drift']);
  });

  test('is dropped if its version has been replaced, or while a training runs', async () => {
    const replaced = create();
    replaced.state.current = 'v2';
    const running = create();
    running.state.running = true;
    for (const { training, triggers, state } of [replaced, running]) {
      state.pending = v1;
      await training.answerRequests();
      await settled();
      expect(triggers).toEqual([]);
      expect(state.pending).toBeUndefined();
    }
  });

  test('is dropped if this process does not train on drift, unless a person wants it', async () => {
    const { training, triggers, state } = create({ settings: { onDrift: false } });
    state.pending = v1;
    await training.answerRequests();
    await settled();
    expect([triggers, state.pending]).toEqual([[], undefined]);
    state.pending = v1;
    state.byPerson = true;
    await training.answerRequests();
    await settled();
    expect(triggers).toEqual(['request']);
  });

  test('stays while this process stops', async () => {
    const { training, triggers, state, stop } = create();
    stop.abort();
    state.pending = v1;
    await training.answerRequests();
    await settled();
    expect([triggers, state.pending]).toEqual([[], v1]);
  });
});

describe('a training that a person wants', () => {
  test('starts here, whatever the schedule is', async () => {
    const { training, triggers } = create({ settings: { onDrift: false } });
    expect(await training.trainNow(v1)).toBe('started');
    expect(triggers).toEqual(['request']);
  });

  test('is requested if another process has the lease', async () => {
    const { training, requested } = create({ outcome: leftToOthers });
    expect(await training.trainNow(v1)).toBe('started');
    await settled();
    expect(requested).toEqual([v1]);
  });

  test('is requested by a process that only scores', async () => {
    const { training, triggers, requested } = create({ role: 'score' });
    expect(await training.trainNow(v1)).toBe('requested');
    expect([triggers, requested]).toEqual([[], [v1]]);
  });
});
