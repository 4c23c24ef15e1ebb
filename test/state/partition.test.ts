import type { Detection } from '../../src/domain/detection';
import {
  createMemoryStore,
  createPartition,
  createProcess,
  createSimpleDetector,
  createStream,
  deliver,
  offsetsOf,
  type Process,
  type ProcessOptions,
} from './harness';
import { testInterruptions, testMarks, uninterrupted } from './interruptions';

test('the stream exercises windows, baselines, events and dead letters', async () => {
  const { detections, events, deadLetters } = await uninterrupted(createStream(800, 1));
  expect(detections.length).toBeGreaterThan(400);
  expect(detections.filter(({ baseline }) => baseline!.rise > 0).length).toBeGreaterThan(100);
  expect(new Set(deadLetters.map(({ reason }) => reason))).toEqual(
    new Set(['not_json', 'duplicate', 'out_of_order']),
  );
  expect(new Set(events.map(({ status, closedBy }) => closedBy ?? status))).toEqual(
    new Set(['open', 'quiet', 'silence', 'accepted']),
  );
  // Some devices pause so long that they are dropped, or start a new window.
  const { detections: roomy } = await uninterrupted(createStream(800, 1), {
    windows: { maxKeys: 100, ttlMs: 1e9 },
  });
  expect(roomy.length).toBeGreaterThan(detections.length);
});

test('the stream has devices that fall silent', async () => {
  const { events } = await uninterrupted(createStream(800, 1), { silence: true });
  const silent = events.filter(({ kind }) => kind === 'silent');
  expect(new Set(silent.map(({ status, closedBy }) => closedBy ?? status))).toEqual(
    new Set(['open', 'resumed']),
  );
});

testInterruptions([['baselines', { baselines: true }]], 8);
testMarks(6, 4);

test('a new consumer group lacks nothing, however far it reads back', async () => {
  const partition = createPartition(createStream(300, 1), { warmUpRecords: 10, low: 50 });
  const one = createProcess({ baselines: false, windows: { padding: 'missing' } });
  const deliverNext = await partition.assign(one);
  while (await deliverNext(50));
  expect(one.detections.filter(({ incomplete }) => incomplete !== undefined)).toEqual([]);
  expect(one.counted.incomplete).toBe(0);
});

test('the state is saved only after the source has committed, and at most every saveEvery offsets', async () => {
  const store = createMemoryStore();
  const partition = createPartition(createStream(600, 3));
  const deliverNext = await partition.assign(createProcess({ store, saveEvery: 150 }));
  for (let i = 0; i < 5; i++) await deliverNext(50, false);
  expect(offsetsOf(store)).toEqual([-1]);
  while (await deliverNext(50));
  expect(offsetsOf(store)).toEqual([-1, 149, 349, 499]);
});

test('the beginning of a partition is saved as soon as the disk accepts it', async () => {
  const store = createMemoryStore();
  const one = createProcess({ store, saveEvery: 1000 });
  const deliverNext = await createPartition(createStream(600, 3)).assign(one);
  store.refuse = true;
  for (let i = 0; i < 3; i++) await deliverNext(50);
  expect(store.saves).toEqual([]);
  expect(one.errors).toEqual(['unsaved', 'unsaved', 'unsaved']);
  store.refuse = false;
  while (await deliverNext(50));
  expect(offsetsOf(store)).toEqual([-1]);
  expect(store.saves[0]!.content).toMatchObject({ baselines: { version: 'v1', from: '-1', keys: [] } });
});

test('a new version begins with its own baselines, also if the process crashes right after', async () => {
  const messages = createStream(800, 4);
  const run = async (crashAfter: number | undefined): Promise<Map<string, Detection[]>> => {
    const store = createMemoryStore();
    const partition = createPartition(messages);
    let one = createProcess({ store, saveEvery: 90 });
    const all = [one];
    let deliverNext = await partition.assign(one);
    for (let i = 0; i < 6; i++) await deliverNext(50, i < 5);
    one.active.detector = createSimpleDetector('v2', one.table);
    if (crashAfter !== undefined) {
      for (let i = 0; i < crashAfter; i++) await deliverNext(50, i > 1);
      all.push((one = createProcess({ store, saveEvery: 90 })));
      one.active.detector = createSimpleDetector('v2', one.table);
      deliverNext = await partition.assign(one);
    }
    while (await deliverNext(50));
    return group(all.flatMap(({ detections }) => detections));
  };
  const calm = await run(undefined);
  const byVersion = (version: string) => [...calm.keys()].filter((what) => what.startsWith(version));
  expect(calm.get(byVersion('v2')[0]!)).toMatchObject([{ baseline: { rise: 0 } }]);
  expect(calm.get(byVersion('v2').at(-1)!)![0]!.baseline!.rise).toBeGreaterThan(0);
  for (const crashAfter of [1, 2, 3, 5]) {
    for (const [what, detections] of await run(crashAfter)) {
      const expected = calm.get(what);
      // Records that v1 scored before the crash have no detection of v2 to compare with.
      if (expected !== undefined) for (const one of detections) expect(one).toEqual(expected[0]);
    }
  }
});
function group(detections: readonly Detection[]): Map<string, Detection[]> {
  const groups = new Map<string, Detection[]>();
  for (const one of detections) {
    const what = `${one.modelVersion}/${one.origin.offset}`;
    groups.set(what, [...(groups.get(what) ?? []), one]);
  }
  return groups;
}

describe('a partition that cannot be continued starts empty, which is reported and marked', () => {
  async function restartedAfter(
    spoil: (store: ReturnType<typeof createMemoryStore>) => unknown,
    next: ProcessOptions = {},
  ) {
    const store = createMemoryStore();
    const messages = createStream(800, 5);
    const partition = createPartition(messages, { warmUpRecords: 100 });
    const first = createProcess({ store, saveEvery: 100 });
    const deliverNext = await partition.assign(first);
    for (let i = 0; i < 8; i++) await deliverNext(50);
    await spoil(store);
    return { store, messages, partition, first, next: createProcess({ store, saveEvery: 100, ...next }) };
  }
  const marksOf = ({ detections }: Process) =>
    new Set(detections.flatMap(({ incomplete = [] }) => incomplete));

  test.each([
    ['a damaged state', (store: ReturnType<typeof createMemoryStore>) => store.damage(), {}, 'unreadable'],
    ['other settings', () => undefined, { fingerprint: 'other' }, 'other_settings'],
    ['a state that is too old', () => undefined, { maxReplay: 20 }, 'too_old'],
  ] as const)('%s', async (_, spoil, options, reason) => {
    const { partition, next, store } = await restartedAfter(spoil, options);
    const deliverNext = await partition.assign(next);
    while (await deliverNext(50));
    expect(next.errors).toEqual([reason]);
    expect(next.detections[0]).toMatchObject({ baseline: { rise: 0 }, incomplete: ['baselines'] });
    expect(store.saves.at(-1)!.offset).toBeGreaterThan(400n);
    // After enough records, the baselines of a device depend only on records that were read since.
    expect(next.detections.findLast(({ key }) => key === 'k0')).not.toHaveProperty('incomplete');
    const marked = next.detections.filter(({ incomplete }) => incomplete !== undefined);
    expect(next.counted.incomplete).toBeGreaterThanOrEqual(marked.length);
  });

  test('a state ahead of the committed offset, as after a reset of the group', async () => {
    const { partition, next, messages } = await restartedAfter(() => undefined);
    partition.commitTo(6);
    const deliverNext = await partition.assign(next);
    while (await deliverNext(50));
    expect(next.errors).toEqual(['ahead']);
    const control = createProcess({});
    const warmUp = messages.slice(0, 6).map((message) => ({ ...message, warmUp: true }));
    await deliver(control.handle, [...warmUp, ...messages.slice(6)]);
    // Read from the first message of the topic, nothing is missing, so nothing is marked.
    expect(next.detections).toEqual(control.detections);
  });

  test('baselines of other statistics, while the windows continue', async () => {
    const { partition, next } = await restartedAfter((store) => {
      const state = store.saves.at(-1)!;
      const baselinesStatistics = Int32Array.from([2]);
      const baselinesSizes = Int32Array.from([1, 1]);
      return store.save('t', 0, {
        ...state,
        content: {
          ...(state.content as object),
          baselines: { version: 'v1', from: '-1', afterLoss: false, keys: ['k0'] },
        },
        columns: {
          ...state.columns,
          baselinesSeen: Float64Array.from([1]),
          baselinesStatistics,
          baselinesSizes,
          baselinesSamples: Float64Array.from([1, 2]),
        },
      });
    });
    const deliverNext = await partition.assign(next);
    while (await deliverNext(50));
    expect(next.errors).toEqual(['unreadable']);
    expect(next.detections[0]).toMatchObject({ baseline: { rise: 0 }, incomplete: ['baselines'] });
    expect([...marksOf(next)]).toEqual(['baselines']);
  });

  test('records that retention deleted before they were read again are missing in every window', async () => {
    const { partition, next } = await restartedAfter(() => undefined);
    // The stored state is at 349 or later; records after it are gone up to 390.
    const deliverNext = await partition.assign(next, 390);
    while (await deliverNext(50));
    expect(next.errors).toEqual(['records_missing']);
    expect(marksOf(next)).toEqual(new Set(['window']));
    expect(next.detections.at(-1)).not.toHaveProperty('incomplete');
  });
});

test('messages that are missing between two batches are missing in every window', async () => {
  const messages = createStream(400, 6);
  const one = createProcess({ baselines: false, windows: { maxKeys: 100 } });
  await deliver(one.handle, messages.slice(0, 200));
  await one.handle({ topic: 't', partition: 0, messages: messages.slice(250), lag: 0, gap: true });
  const later = one.detections.filter(({ origin }) => Number(origin.offset) >= 250);
  expect(later[0]).toMatchObject({ incomplete: ['window'] });
  expect(later.at(-1)).not.toHaveProperty('incomplete');
  expect(one.errors).toEqual(['records_missing']);
});

test('without a store, baselines begin with the first live record', async () => {
  const messages = createStream(600, 6);
  const { handle, detections } = createProcess({});
  await deliver(
    handle,
    messages.map((message, i) => ({ ...message, warmUp: i < 300 })),
  );
  expect(Number(detections[0]!.origin.offset)).toBeGreaterThanOrEqual(300);
  expect(detections[0]).toMatchObject({ baseline: { rise: 0 } });
  expect(detections.some(({ baseline }) => baseline!.rise > 0)).toBe(true);
});

test('a version that comes into use while the state is saved scores the batch', async () => {
  const store = createMemoryStore();
  const process = createProcess({ store });
  const save = store.save.bind(store);
  store.save = (topic, partition, state) => {
    if (process.active.detector.version === 'v1') process.active.detector = createSimpleDetector('v2');
    return save(topic, partition, state);
  };
  const deliverNext = await createPartition(createStream(100, 7)).assign(process);
  await deliverNext(100);
  expect(new Set(process.detections.map(({ modelVersion }) => modelVersion))).toEqual(new Set(['v2']));
});

describe('a partition that is given back', () => {
  const messages = createStream(300, 10);
  const lastSaved = (store: ReturnType<typeof createMemoryStore>) => offsetsOf(store).at(-1);

  async function startedWith(store: ReturnType<typeof createMemoryStore>) {
    const partition = createPartition(messages);
    const one = createProcess({ store });
    const deliverNext = await partition.assign(one);
    for (let i = 0; i < 4; i++) await deliverNext(30);
    const save = () => one.states.of('t', 0).save(BigInt(partition.committed()));
    return { partition, one, deliverNext, save };
  }

  test('is saved, so that the next process reads nothing again', async () => {
    const store = createMemoryStore();
    const { partition, one, save } = await startedWith(store);
    expect(lastSaved(store)).toBe(-1);
    await save();
    expect(lastSaved(store)).toBe(119);
    await save();
    expect(store.saves).toHaveLength(2);
    const other = createProcess({ store });
    expect(await other.states.of('t', 0).restorePoint(120n)).toBe(119n);
    const deliverNext = await partition.assign(other);
    while (await deliverNext(30));
    const alone = createProcess({});
    await deliver(alone.handle, messages);
    expect([...one.detections, ...other.detections]).toEqual(alone.detections);
  });

  test('is not saved ahead of the committed offset', async () => {
    const store = createMemoryStore();
    const { deliverNext, save } = await startedWith(store);
    await deliverNext(30, false);
    await save();
    expect(lastSaved(store)).toBe(-1);
  });

  test('is not saved over the state of the process that has it since', async () => {
    const store = createMemoryStore();
    const { partition, save } = await startedWith(store);
    const other = createProcess({ store, saveEvery: 50 });
    const deliverNext = await partition.assign(other);
    while (await deliverNext(30));
    const after = lastSaved(store);
    expect(after).toBeGreaterThan(119);
    await save();
    expect(lastSaved(store)).toBe(after);
  });
});

describe('a partition that stays in a process', () => {
  const messages = createStream(600, 9);
  const options = { saveEvery: 100, labels: () => [] };

  test('continues without its stored state being read, until another process has replaced that', async () => {
    const store = createMemoryStore();
    const partition = createPartition(messages);
    const one = createProcess({ ...options, store });
    for (let i = 0; i < 5; i++) {
      const deliverNext = await partition.assign(one);
      for (let j = 0; j < 4; j++) await deliverNext(20);
    }
    expect(store.saves.length).toBeGreaterThan(2);
    expect(store.loads).toBe(0);
    const other = createProcess({ ...options, store });
    const deliverOther = await partition.assign(other);
    for (let j = 0; j < 8; j++) await deliverOther(20);
    expect(store.loads).toBe(1);
    const deliverNext = await partition.assign(one);
    expect(store.loads).toBe(2);
    while (await deliverNext(20));
    const alone = createProcess({});
    await deliver(alone.handle, messages);
    const written = [...one.detections, ...other.detections];
    const byOffset = new Map(written.map((detection) => [detection.origin.offset, detection]));
    expect([...byOffset.values()]).toHaveLength(alone.detections.length);
    for (const detection of alone.detections)
      expect(byOffset.get(detection.origin.offset)).toEqual(detection);
  });

  test('reads the state again that it has loaded in vain', async () => {
    const store = createMemoryStore();
    const partition = createPartition(messages);
    const [one, other] = [createProcess({ ...options, store }), createProcess({ ...options, store })];
    for (const process of [one, other]) {
      const deliverNext = await partition.assign(process);
      for (let j = 0; j < 8; j++) await deliverNext(20);
    }
    const before = store.loads;
    // The first assignment is followed by another one before a record.
    await partition.assign(one);
    const deliverNext = await partition.assign(one);
    expect(store.loads).toBe(before + 2);
    await deliverNext(20);
    expect(one.errors).toEqual([]);
  });
});

test('a partition that is assigned to another process is dropped, and no other', async () => {
  const one = createProcess({});
  const messages = createStream(100, 8);
  for (const partition of [0, 1, 2])
    await one.handle({ topic: 't', partition, messages: messages.slice(0, 60), lag: 0 });
  expect(one.states.partitions).toHaveLength(3);
  one.states.keepOnly('t', [1, 2]);
  one.states.keepOnly('another', []);
  expect(one.states.partitions).toHaveLength(2);
  const windows = one.states.of('t', 1).windows.size;
  expect(windows).toBeGreaterThan(0);
  expect(one.states.of('t', 0).windows.size).toBe(0);
});
