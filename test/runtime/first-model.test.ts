import { ModelVersionError, TrainingError } from '../../src/errors';
import { endColdStart, obtainFirstModel, type FirstModelOptions } from '../../src/runtime/first-model';
import { ModelSlot } from '../../src/runtime/model-slot';
import type { TrainingOutcome } from '../../src/runtime/training-outcome';
import { createModel } from './model';
import { createRecordedLog } from './recorded-log';

const [v1, v2, v3] = [1, 2, 3].map((day) => `2026010${String(day)}T000000.000Z`) as [string, string, string];
const failed = (reason: 'lease' | 'too_few_records'): TrainingOutcome => ({
  result: 'failed',
  reason,
  error: new TrainingError(reason, `because of ${reason}`),
});

/** A store of these versions, the newest one current, of which some are damaged. */
function create(
  overrides: Partial<FirstModelOptions> & { stored?: string[]; damaged?: string[]; current?: string } = {},
) {
  const { stored = [], damaged = [], current = stored.at(-1), ...options } = overrides;
  const slot = new ModelSlot({ modelLoaded: () => undefined, coldStart: () => undefined });
  const log = createRecordedLog();
  const stop = new AbortController();
  const pointed: string[] = [];
  const waiting: string[] = [];
  let trainings = 0;
  const train = (): Promise<TrainingOutcome> => {
    trainings++;
    slot.use(createModel(v3).model);
    return Promise.resolve({ result: 'swapped', version: v3 });
  };
  const obtained = obtainFirstModel({
    detector: 'pump',
    role: 'all',
    atStart: 'if-missing',
    sourceGrows: true,
    store: {
      current: () => Promise.resolve(current),
      list: () =>
        Promise.resolve(
          stored.map((version) => ({ version, createdAt: '', current: version === current })).reverse(),
        ),
      setCurrent: (version) => Promise.resolve(void pointed.push(version)),
    },
    load: (version) =>
      damaged.includes(version)
        ? Promise.reject(new ModelVersionError(version, 'checksum', 'damaged'))
        : Promise.resolve(createModel(version).model),
    slot,
    refused: () => Promise.resolve([]),
    train,
    onWaiting: (reason) => void waiting.push(reason),
    stopping: stop.signal,
    maxRetryMs: 1,
    log,
    ...options,
  });
  return { obtained, slot, log, stop, pointed, waiting, trainings: () => trainings };
}

describe('the stored model', () => {
  test('is used without a training', async () => {
    const { obtained, slot, pointed, trainings } = create({ stored: [v1, v2] });
    await obtained;
    expect(slot.version()).toBe(v2);
    expect(trainings()).toBe(0);
    expect(pointed).toEqual([]);
  });

  test('is the newest usable one if the current one is damaged, and the pointer moves to it', async () => {
    const { obtained, slot, pointed, log } = create({ stored: [v1, v2, v3], damaged: [v2, v3] });
    await obtained;
    expect(slot.version()).toBe(v1);
    expect(pointed).toEqual([v1]);
    expect(
      log.entries.filter(({ level }) => level === 'error').map(({ fields }) => fields['version']),
    ).toEqual([v3, v2]);
  });

  test('is the current one even if there is a newer one', async () => {
    const { obtained, slot } = create({ stored: [v1, v2], current: v1 });
    await obtained;
    expect(slot.version()).toBe(v1);
  });

  test('is found although the pointer is unreadable', async () => {
    const { obtained, slot, log } = create({
      store: {
        current: () => Promise.reject(new Error('EIO')),
        list: () => Promise.resolve([{ version: v1, createdAt: '', current: false }]),
        setCurrent: () => Promise.resolve(),
      },
    });
    await obtained;
    expect(slot.version()).toBe(v1);
    expect(log.entries[0]).toMatchObject({ level: 'error' });
  });

  test('leaves the pointer to the processes that train', async () => {
    const { obtained, slot, pointed } = create({ role: 'score', stored: [v1, v2], damaged: [v2] });
    await obtained;
    expect(slot.version()).toBe(v1);
    expect(pointed).toEqual([]);
  });

  test('waits for a new one that is trained at each start', async () => {
    const { obtained, slot, waiting } = create({ atStart: 'always', stored: [v1] });
    await obtained;
    expect(slot.version()).toBe(v3);
    expect(waiting).toEqual(['training the first model']);
  });

  test('is used if the training at the start fails', async () => {
    const { obtained, slot } = create({
      atStart: 'always',
      stored: [v1],
      train: () => Promise.resolve(failed('too_few_records')),
    });
    await obtained;
    expect(slot.version()).toBe(v1);
  });
});

describe('without a usable model', () => {
  test('one is trained', async () => {
    const { obtained, slot, trainings } = create({ stored: [v1], damaged: [v1] });
    await obtained;
    expect(slot.version()).toBe(v3);
    expect(trainings()).toBe(1);
  });

  test('a failed training is repeated, and the reason is reported', async () => {
    const outcomes = [failed('too_few_records'), failed('too_few_records')];
    const { obtained, waiting, log } = create({
      train: () => Promise.resolve(outcomes.shift() ?? { result: 'swapped', version: v3 }),
    });
    await obtained;
    expect(outcomes).toEqual([]);
    expect(waiting).toEqual([
      'training the first model',
      'no model yet: because of too_few_records',
      'training the first model again; no model yet: because of too_few_records',
      'no model yet: because of too_few_records',
      'training the first model again; no model yet: because of too_few_records',
    ]);
    expect(log.entries.map(({ message }) => message)).toEqual([
      'no model yet, will try again',
      'no model yet, will try again',
    ]);
  });

  test('a file is given no second training, as it does not grow', async () => {
    const { obtained } = create({
      sourceGrows: false,
      train: () => Promise.resolve(failed('too_few_records')),
    });
    await expect(obtained).rejects.toThrow('detector "pump" has no model: because of too_few_records');
  });

  test('a process that finds another one training uses the version of that one', async () => {
    const { obtained, slot } = create({
      atStart: 'always',
      stored: [v2],
      train: () => Promise.resolve(failed('lease')),
    });
    await obtained;
    expect(slot.version()).toBe(v2);
  });

  test('the pause between two trainings ends when another process has published a model', async () => {
    const { obtained, slot, waiting } = create({
      maxRetryMs: 3_600_000,
      train: () => {
        // During the pause.
        setImmediate(() => slot.use(createModel(v2).model));
        return Promise.resolve(failed('lease'));
      },
    });
    await obtained;
    expect(slot.version()).toBe(v2);
    expect(waiting).toHaveLength(2);
  });

  test('a process that only scores waits until one is published', async () => {
    const { obtained, slot, waiting, trainings } = create({ role: 'score' });
    await new Promise(setImmediate);
    expect(waiting).toEqual(['no model yet: waiting for the process that trains']);
    slot.use(createModel(v1).model);
    await obtained;
    expect(trainings()).toBe(0);
  });

  test.each(['score', 'all'] as const)('a stop ends the wait (role %s)', async (role) => {
    const { obtained, stop, slot } = create({
      role,
      maxRetryMs: 3_600_000,
      train: () => Promise.resolve(failed('too_few_records')),
    });
    await new Promise(setImmediate);
    stop.abort();
    await obtained;
    expect(slot.current()).toBeUndefined();
  });
});

describe('a cold start', () => {
  /** Trainings of a topic that has this many records more at each. */
  function createTopic({
    needed = 300,
    perTraining = 60,
    ...options
  }: {
    needed?: number;
    perTraining?: number;
  } & Partial<FirstModelOptions> = {}) {
    let records = 0;
    const trained: string[] = [];
    const waiting: string[] = [];
    let use: ModelSlot['use'] = () => undefined;
    const trainFrom =
      (kind: 'cold start' | 'model', least: number, version: string) => (): Promise<TrainingOutcome> => {
        records += perTraining;
        trained.push(`${kind} from ${records}`);
        if (records < least) return Promise.resolve(failed('too_few_records'));
        use({ ...createModel(version).model, coldStart: kind === 'cold start' });
        return Promise.resolve({ result: 'swapped', version });
      };
    const train = trainFrom('model', needed, v3);
    const created = create({
      train,
      trainColdStart: trainFrom('cold start', 100, v1),
      onWaiting: (reason) => void waiting.push(reason),
      ...options,
    });
    const { slot, stop } = created;
    use = (model) => slot.use(model);
    const ended = (maxRetryMs = 1) =>
      endColdStart({
        role: 'all',
        sourceGrows: true,
        slot,
        train,
        onWaiting: (reason) => void waiting.push(reason),
        stopping: stop.signal,
        maxRetryMs,
      });
    return { ...created, trained, waiting, ended };
  }

  test('scores a topic as soon as it has a hundred records, and gives way to the configured model', async () => {
    const { obtained, slot, trained, waiting, ended } = createTopic();
    await obtained;
    expect(trained).toEqual(['cold start from 60', 'cold start from 120']);
    expect(waiting).toContain('no model yet: because of too_few_records');
    expect([slot.version(), slot.isColdStart()]).toEqual([v1, true]);
    waiting.length = 0;
    await ended();
    expect(trained.slice(2)).toEqual(['model from 180', 'model from 240', 'model from 300']);
    expect(waiting).toEqual([
      'training the first model',
      'no other model yet: because of too_few_records',
      'training the first model',
      'no other model yet: because of too_few_records',
      'training the first model',
    ]);
    expect([slot.version(), slot.isColdStart()]).toEqual([v3, false]);
  });

  test('that fails for another reason than too few records does not keep the configured model from its training', async () => {
    const { obtained, slot, trained } = createTopic({
      needed: 0,
      trainColdStart: () =>
        Promise.resolve({ result: 'failed', reason: 'load', error: new Error('refused') }),
    });
    await obtained;
    expect(trained).toEqual(['model from 60']);
    expect(slot.version()).toBe(v3);
  });

  test('comes second for a file, which waits for its model, and is final if the file is too short for one', async () => {
    const long = createTopic({ sourceGrows: false, needed: 0 });
    await long.obtained;
    expect(long.trained).toEqual(['model from 60']);
    const short = createTopic({ sourceGrows: false });
    await short.obtained;
    expect(short.trained).toEqual(['model from 60', 'cold start from 120']);
    expect(short.slot.isColdStart()).toBe(true);
    const tooShort = createTopic({ sourceGrows: false, perTraining: 10 });
    await expect(tooShort.obtained).rejects.toThrow(
      'detector "pump" has no model: because of too_few_records',
    );
  });

  test('replaces no stored model, and the one of another process is used', async () => {
    const always = createTopic({ atStart: 'always', stored: [v2] } as Partial<FirstModelOptions>);
    await always.obtained;
    expect(always.trained).toEqual(['model from 60']);
    expect(always.slot.version()).toBe(v2);
  });

  test('ends at once when another process has published a model, and with the daemon', async () => {
    const { obtained, slot, ended, stop, trained } = createTopic({ perTraining: 100 });
    await obtained;
    const waits = ended(3_600_000);
    await new Promise(setImmediate);
    expect(trained).toEqual(['cold start from 100', 'model from 200']);
    stop.abort();
    await waits;
    slot.use(createModel(v2).model);
    await ended();
    expect(trained).toHaveLength(2);
  });
});
