import { setTimeout as sleep } from 'node:timers/promises';
import { ModelVersionError, TrainingError } from '../../src/errors';
import { createRetrainer, type RetrainerOptions, type RetrainerSettings } from '../../src/runtime/retrainer';
import { createRecordedLog } from './recorded-log';

/** A store in memory: names and a pointer. */
function createMemoryStore(...published: string[]) {
  const versions = [...published];
  let pointer = versions.at(-1);
  return {
    versions,
    publish(version: string) {
      versions.push(version);
      pointer = version;
      return version;
    },
    current: jest.fn(() => Promise.resolve(pointer)),
    setCurrent: jest.fn((version: string) => {
      pointer = version;
      return Promise.resolve();
    }),
    list: jest.fn(() =>
      Promise.resolve(
        versions.map((version) => ({ version, createdAt: '', current: version === pointer })).reverse(),
      ),
    ),
    pinned: jest.fn(() => Promise.resolve(undefined as string | undefined)),
    prune: jest.fn((keep: number) => {
      const removed = versions.slice(0, -keep).filter((version) => version !== pointer);
      for (const version of removed) versions.splice(versions.indexOf(version), 1);
      return Promise.resolve(removed);
    }),
  };
}

/** A retrainer beside a store that holds v1; its training publishes v2. */
function create(
  options: Partial<Omit<RetrainerOptions<string>, 'settings'>> & {
    settings?: Partial<RetrainerSettings>;
    store?: ReturnType<typeof createMemoryStore>;
  } = {},
) {
  const store = options.store ?? createMemoryStore('v1');
  const log = createRecordedLog();
  const inUse: string[] = [];
  const observed: unknown[][] = [];
  const retrainer = createRetrainer<string>({
    runTraining: () => Promise.resolve(store.publish('v2')),
    trial: {
      isWanted: () => false,
      pending: () => undefined,
      begin: () => Promise.reject(new Error('no trial')),
      versions: () => Promise.resolve([]),
    },
    load: (version) => Promise.resolve(`model of ${version}`),
    onSwap: (model) => {
      inUse.push(model);
    },
    observer: {
      trainingStarted: () => void observed.push(['started']),
      trainingEnded: (...args) => void observed.push(['ended', ...args]),
    },
    log,
    ...options,
    settings: () => ({ timeoutMs: 60_000, keepVersions: 3, ...options.settings }),
    store,
  });
  return { retrainer, store, log, inUse, observed };
}

/** A training that lasts until it is aborted, and rejects then as a training process does. */
const untilAborted = (signal: AbortSignal) =>
  new Promise<string>((_, reject) =>
    signal.addEventListener('abort', () => {
      reject(new TrainingError('killed', 'training was stopped', { cause: signal.reason }));
    }),
  );

// Counts the timers; fake time advances with real time.
beforeEach(() =>
  jest.useFakeTimers({
    advanceTimers: true,
    doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'],
  }),
);
afterEach(() => {
  const left = jest.getTimerCount();
  jest.useRealTimers();
  expect(left).toBe(0);
});

it('trains, loads what was published, swaps it in and prunes', async () => {
  const { retrainer, store, inUse, observed, log } = create({
    store: createMemoryStore('v0', 'v1'),
    settings: { keepVersions: 2 },
  });
  expect(await retrainer.train('schedule')).toEqual({ result: 'swapped', version: 'v2' });
  expect(inUse).toEqual(['model of v2']);
  expect(store.versions).toEqual(['v1', 'v2']);
  expect(observed).toEqual([['started'], ['ended', 'ok', expect.any(Number)]]);
  expect(log.entries.map(({ level, message }) => `${level}: ${message}`)).toEqual([
    'info: training started',
    'info: old model versions removed',
    'info: new model in use',
  ]);
});

it('swaps before it prunes, and only a model that has loaded', async () => {
  const order: string[] = [];
  const store = createMemoryStore('v1');
  const prune = store.prune.getMockImplementation()!;
  store.prune.mockImplementation((keep) => {
    order.push('prune');
    return prune(keep);
  });
  const { retrainer } = create({
    store,
    load: async () => {
      await sleep(5);
      order.push('load');
      return 'model';
    },
    onSwap: async () => {
      await sleep(5);
      order.push('swap');
    },
  });
  await retrainer.train('request');
  expect(order).toEqual(['load', 'swap', 'prune']);
});

it('trains one at a time', async () => {
  let end: (version: string) => void = () => undefined;
  const runTraining = jest.fn(() => new Promise<string>((resolve) => (end = resolve)));
  const { retrainer, observed } = create({ runTraining });
  const first = retrainer.train('start');
  expect(retrainer.running()).toBe(true);
  expect(await retrainer.train('request')).toEqual({ result: 'refused', because: 'running' });
  await sleep(5);
  end('v2');
  expect(await first).toEqual({ result: 'swapped', version: 'v2' });
  expect(retrainer.running()).toBe(false);
  expect(runTraining).toHaveBeenCalledTimes(1);
  expect(observed.length).toBe(2);
});

it.each([
  ['its own reason', new TrainingError('too_few_records', '12 records'), 'too_few_records'],
  ['being killed', new TrainingError('killed', 'SIGKILL'), 'killed'],
  ['anything else', new Error('boom'), 'failed'],
  ['what is no error', 'boom', 'failed'],
])('keeps the model in use when the training fails for %s, counts and logs it', async (_, error, reason) => {
  const { retrainer, store, inUse, observed, log } = create({
    runTraining: jest.fn<Promise<string>, []>().mockRejectedValue(error),
  });
  expect(await retrainer.train('schedule')).toEqual({ result: 'failed', reason, error });
  expect(inUse).toEqual([]);
  expect(await store.current()).toBe('v1');
  expect(store.setCurrent).not.toHaveBeenCalled();
  expect(observed.slice(1)).toEqual([['ended', reason, expect.any(Number)]]);
  expect(log.entries.at(-1)).toEqual({
    level: 'error',
    message: 'training failed',
    fields: { trigger: 'schedule', seconds: expect.any(Number), reason, err: error },
  });
  // The remains of an interrupted publication are removed after a failure, too.
  expect(store.prune).toHaveBeenCalledTimes(1);
  // The next training can start.
  expect(retrainer.running()).toBe(false);
});

it('does not swap in a version that cannot be loaded, and points back to the one before', async () => {
  const damaged = new ModelVersionError('v2', 'checksum', 'weights.safetensors is damaged');
  const { retrainer, store, inUse, observed, log } = create({ load: () => Promise.reject(damaged) });
  expect(await retrainer.train('schedule')).toEqual({ result: 'failed', reason: 'load', error: damaged });
  expect(inUse).toEqual([]);
  expect(await store.current()).toBe('v1');
  expect(observed).toContainEqual(['ended', 'load', expect.any(Number)]);
  expect(log.entries).toContainEqual({
    level: 'warn',
    message: 'model version discarded; the previous one stays in use',
    fields: { version: 'v2', current: 'v1' },
  });
});

it('does the same if the swap fails', async () => {
  const { retrainer, store } = create({ onSwap: () => Promise.reject(new Error('other channels')) });
  expect(await retrainer.train('schedule')).toMatchObject({ result: 'failed', reason: 'load' });
  expect(await store.current()).toBe('v1');
});

it('points back when the training was killed after it had published', async () => {
  const store = createMemoryStore('v1');
  const { retrainer } = create({
    store,
    runTraining: () => {
      store.publish('v2');
      return Promise.reject(new TrainingError('killed', 'SIGKILL'));
    },
  });
  await retrainer.train('schedule');
  expect(await store.current()).toBe('v1');
});

it('leaves a pointer alone that was moved in the meantime', async () => {
  const store = createMemoryStore('v0', 'v1');
  const { retrainer } = create({
    store,
    runTraining: async () => {
      await store.setCurrent('v0');
      throw new TrainingError('diverged', 'NaN');
    },
  });
  await retrainer.train('schedule');
  expect(await store.current()).toBe('v0');
});

it('has nothing to point back to at the first training', async () => {
  const { retrainer, store } = create({
    store: createMemoryStore(),
    load: () => Promise.reject(new Error('no')),
  });
  expect(await retrainer.train('start')).toMatchObject({ result: 'failed', reason: 'load' });
  expect(store.setCurrent).not.toHaveBeenCalled();
});

it('trains although the store cannot be read or pruned, and logs that', async () => {
  const store = createMemoryStore('v1');
  const broken = new Error('EIO');
  store.current.mockRejectedValue(broken);
  store.prune.mockRejectedValue(broken);
  const { retrainer, inUse, log } = create({ store });
  expect(await retrainer.train('schedule')).toEqual({ result: 'swapped', version: 'v2' });
  expect(inUse).toEqual(['model of v2']);
  expect(log.entries.filter(({ level }) => level === 'warn').map(({ fields }) => fields['err'])).toEqual([
    broken,
    broken,
  ]);
});

it('survives a store that cannot be pointed back', async () => {
  const store = createMemoryStore('v1');
  store.setCurrent.mockRejectedValue(new Error('ENOSPC'));
  const { retrainer, log } = create({ store, load: () => Promise.reject(new Error('no')) });
  expect(await retrainer.train('schedule')).toMatchObject({ reason: 'load' });
  expect(log.entries).toContainEqual(
    expect.objectContaining({
      level: 'error',
      message: 'pointer could not be moved back to the previous model version',
    }),
  );
});

it('ends a training that takes too long, and counts that as timeout', async () => {
  const { retrainer, observed, log } = create({ runTraining: untilAborted, settings: { timeoutMs: 20 } });
  expect(await retrainer.train('schedule')).toMatchObject({ result: 'failed', reason: 'timeout' });
  expect(observed).toContainEqual(['ended', 'timeout', expect.any(Number)]);
  const err = log.entries.at(-1)!.fields['err'] as Error;
  expect(String(err.cause)).toMatch(/longer than 20 ms \(training\.timeoutMs\)/);
});

it('supports a timeout of years', async () => {
  const { retrainer } = create({
    settings: { timeoutMs: 1e12 },
    runTraining: (signal) => sleep(50, 'v2', { signal }),
  });
  expect(await retrainer.train('schedule')).toMatchObject({ result: 'swapped' });
});

describe('stop', () => {
  it('aborts a running training, waits for its end and starts no other', async () => {
    let ended = false;
    const { retrainer, observed, log } = create({
      runTraining: async (signal) => {
        try {
          return await untilAborted(signal);
        } finally {
          await sleep(20);
          ended = true;
        }
      },
    });
    const training = retrainer.train('schedule');
    await sleep(5);
    await retrainer.stop();
    expect(ended).toBe(true);
    expect(await training).toMatchObject({ result: 'failed', reason: 'stopped' });
    expect(observed).toContainEqual(['ended', 'stopped', expect.any(Number)]);
    expect(log.entries.filter(({ level }) => level === 'error')).toEqual([]);
    expect(await retrainer.train('request')).toEqual({ result: 'refused', because: 'stopped' });
    await retrainer.stop();
  });

  it('reaches a training that is about to begin', async () => {
    const runTraining = jest.fn((signal: AbortSignal) => {
      signal.throwIfAborted();
      return Promise.resolve('v2');
    });
    const { retrainer, inUse } = create({ runTraining });
    const training = retrainer.train('schedule');
    await retrainer.stop();
    expect(await training).toMatchObject({ reason: 'stopped' });
    expect(inUse).toEqual([]);
  });
});

test('while a version is pinned, nothing is trained', async () => {
  const store = createMemoryStore('v1');
  store.pinned.mockResolvedValue('v1');
  const { retrainer, observed, inUse } = create({ store });
  expect(await retrainer.train('schedule')).toEqual({ result: 'refused', because: 'pinned' });
  expect([observed, inUse, store.versions]).toEqual([[], [], ['v1']]);
  store.pinned.mockResolvedValue(undefined);
  expect(await retrainer.train('schedule')).toMatchObject({ result: 'swapped' });
});

describe('a version on trial', () => {
  const trial = { pending: () => undefined, versions: () => Promise.resolve(['v1', 'v2']) };

  it('does not come into use, and what the trial needs is not pruned', async () => {
    const begun: string[] = [];
    const onTrials: boolean[] = [];
    const { retrainer, store, inUse, observed, log } = create({
      trial: {
        ...trial,
        isWanted: (trigger) => trigger === 'schedule',
        begin: (version) => Promise.resolve(void begun.push(version)),
      },
      runTraining(_, __, onTrial) {
        onTrials.push(onTrial);
        return Promise.resolve('v2');
      },
    });
    expect(await retrainer.train('schedule')).toEqual({ result: 'on trial', version: 'v2' });
    expect(begun).toEqual(['v2']);
    expect(onTrials).toEqual([true]);
    expect(inUse).toEqual([]);
    expect(store.setCurrent).not.toHaveBeenCalled();
    expect(store.prune).toHaveBeenCalledWith(3, ['v1', 'v2'], Infinity);
    expect(observed.at(-1)).toEqual(['ended', 'ok', expect.any(Number)]);
    expect(log.entries.at(-1)).toMatchObject({ level: 'info', message: 'training ended' });
    expect(await retrainer.train('start')).toMatchObject({ result: 'swapped' });
  });

  it('is not replaced by a scheduled one before its time is over, but by one that a person wants', async () => {
    const { retrainer, log } = create({
      trial: { ...trial, isWanted: () => true, pending: () => 'v2', begin: () => Promise.resolve() },
    });
    for (const trigger of ['schedule', 'drift'] as const)
      expect(await retrainer.train(trigger)).toEqual({ result: 'refused', because: 'on trial' });
    expect(log.entries).toMatchObject([
      { message: 'training skipped: a model version is on trial' },
      { message: 'training skipped: a model version is on trial' },
    ]);
    expect(await retrainer.train('request')).toMatchObject({ result: 'on trial' });
  });

  it('that cannot be put on trial is a failure', async () => {
    const { retrainer, inUse } = create({
      trial: { ...trial, isWanted: () => true, begin: () => Promise.reject(new Error('disk full')) },
    });
    expect(await retrainer.train('schedule')).toMatchObject({ result: 'failed', reason: 'load' });
    expect(inUse).toEqual([]);
  });
});
