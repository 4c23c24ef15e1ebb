import fc from 'fast-check';
import { createCategoryTable, createConditionReader } from '../src/domain/condition';
import { createEventTracker } from '../src/domain/event';
import type { RecordSchema } from '../src/domain/record';
import { createLimitCheck } from '../src/domain/signal';
import { createWindowStore, type WindowShape } from '../src/domain/window';
import type { LevelProblem } from '../src/levels';
import { createMetrics } from '../src/metrics';
import { createPipeline, type ActiveDetector } from '../src/pipeline';
import type { Detector } from '../src/scoring/detector';
import { decodeEach } from '../src/sources/decode/batch';
import { createJsonDecoder } from '../src/sources/decode/json';
import { planStart } from '../src/sources/kafka-offsets';
import type { Assignment, HandleBatch, Message } from '../src/sources/source';
import type { LevelStore, StoredLevels } from '../src/store/level-store';
import { createFakeDetector } from './fake-detector';

const schema: RecordSchema = {
  channels: ['value'],
  missingChannels: 'reject',
  extraChannels: 'reject',
  conditions: [],
};
const shape: WindowShape = { length: 2, channels: 1, conditions: 0 };
const keys = ['a', 'b', 'c'];
const rewindRecords = keys.length * shape.length;
const base = Array.from({ length: 100 }, (_, i) => i / 100);

/** Finds a window as surprising as its newest value lies above the level of its device. */
function createSimpleDetector(version: string): Detector {
  return createFakeDetector({
    version,
    shape,
    bases: [base],
    judge(batch, levelsOf) {
      const lowered = new Float64Array(batch.count);
      const surprise = Float64Array.from({ length: batch.count }, (_, i) => {
        const value = batch.values[i * shape.length + shape.length - 1]!;
        const levels = levelsOf?.(i);
        lowered[i] = levels?.above[0] ?? 0;
        levels?.observe([value]);
        return value - lowered[i];
      });
      return {
        count: batch.count,
        surprise,
        extrapolated: new Uint8Array(batch.count),
        statistics: {},
        ...(levelsOf && { levels: { statistic: lowered } }),
        unknownConditions: 0,
        contributions: () => [],
        explain: () => ({ contributions: [], nearestNormal: { reconstruction: 0, leftOut: [], latent: [] } }),
      };
    },
  });
}

/** What a disk would keep, and may refuse to. */
function createMemoryStore() {
  const files = new Map<string, string>();
  const store: LevelStore & { refuse: boolean; saves: StoredLevels[]; damage(): void } = {
    refuse: false,
    saves: [],
    damage() {
      files.set('t-0', '{"schema":');
    },
    load(topic, partition) {
      const text = files.get(`${topic}-${partition}`);
      if (text === undefined) return Promise.resolve(undefined);
      // eslint-disable-next-line @typescript-eslint/require-await -- a damaged file rejects
      return (async () => {
        const content = JSON.parse(text) as Omit<StoredLevels, 'offset'> & { offset: string };
        return { ...content, offset: BigInt(content.offset) };
      })();
    },
    save(topic, partition, levels) {
      if (store.refuse) return Promise.reject(new Error('disk is full'));
      store.saves.push(levels);
      files.set(`${topic}-${partition}`, JSON.stringify({ ...levels, offset: String(levels.offset) }));
      return Promise.resolve();
    },
  };
  return store;
}

interface Verdict {
  offset: number;
  surprise: number;
  lowered: number | undefined;
  version: string;
}

/** A process that scores, until it is killed by being forgotten. */
function createProcess({ store, saveEvery }: { store?: LevelStore; saveEvery?: number }) {
  const verdicts: Verdict[] = [];
  const problems: LevelProblem[] = [];
  const table = createCategoryTable();
  const active: ActiveDetector = { detector: createSimpleDetector('v1'), threshold: 1e9 };
  const state = { refuse: false };
  const handle = createPipeline({
    detectorName: 'plant',
    decode: decodeEach(
      schema,
      createJsonDecoder(
        { key: 'key', timestamp: 'time', values: 'values', conditions: 'conditions' },
        schema,
        { maxBytes: 1000, maxAheadMs: 1e9 },
        createConditionReader(schema.conditions, table),
      ),
    ),
    windows: createWindowStore(shape, {
      ttlMs: 1e9,
      intervalMs: 0,
      gaps: 'ignore',
      padding: 'none',
      maxKeys: 100,
    }),
    limits: createLimitCheck(schema.channels, []),
    stale: { duplicate: 'reject', out_of_order: 'reject' },
    current: () => ({ ...active }),
    events: createEventTracker({
      openRecords: 2,
      openWindow: 3,
      minRecords: 1,
      minLengthMs: 0,
      closeAfter: 2,
      silenceMs: 1e9,
      suppressForMs: 0,
    }),
    levels: {
      policy: { records: 64, maxKeys: 10 },
      ...(store && { store }),
      ...(saveEvery !== undefined && { saveEvery }),
      onProblem: (problem) => problems.push(problem),
    },
    sinks: [
      {
        name: 'test',
        write({ detections }) {
          if (state.refuse) {
            state.refuse = false;
            return Promise.reject(new Error('the sink is full'));
          }
          for (const { origin, surprise, levels, modelVersion } of detections)
            verdicts.push({
              offset: Number(origin.offset),
              surprise,
              lowered: levels?.['statistic'],
              version: modelVersion,
            });
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      },
    ],
    metrics: createMetrics({ version: '', engine: '', process: false }).forDetector('plant', {
      topics: [],
      sinks: [],
    }),
    now: () => 0,
    onBroken: (error) => {
      throw error;
    },
  });
  return { handle, verdicts, problems, active, state, position: undefined as bigint | undefined };
}
type Process = ReturnType<typeof createProcess>;

/** Devices that rise and fall, in turn. */
function createStream(count: number, seed: number): Message[] {
  const random = (i: number) => Math.abs(Math.sin((i + 1) * 12.9898 + seed) * 43758.5453) % 1;
  return Array.from({ length: count }, (_, i) => ({
    key: null,
    value: Buffer.from(
      JSON.stringify({
        key: keys[i % keys.length],
        time: i,
        values: [random(i) + 5 * Math.floor(4 * random(Math.floor(i / 150)))],
      }),
    ),
    timestamp: 0,
    origin: { topic: 't', partition: 0, offset: String(i) },
    refill: false,
  }));
}

/** A partition with its group's offset, handed out to one process after another as the Kafka source does it. */
function createPartition(messages: readonly Message[], store: LevelStore) {
  let committed = -1n;
  return {
    committed: () => Number(committed),
    commitTo: (offset: number) => (committed = BigInt(offset)),
    async assign(to: Process) {
      const stored = await store.load('t', 0).catch(() => undefined);
      const plan = planStart(
        {
          low: 0n,
          high: BigInt(messages.length),
          committed,
          position: to.position,
          stored: stored?.version === to.active.detector.version ? stored.offset : undefined,
        },
        { startFrom: 'earliest', rewindRecords },
      );
      let assignment: Assignment | undefined = plan;
      let next = Number(plan.from);
      let confirmed = committed;
      /** Hands over one batch; returns whether there are more. */
      return async (size: number, commit = true): Promise<boolean> => {
        const batch = messages
          .slice(next, next + size)
          .map((message, i) => ({ ...message, refill: BigInt(next + i) < plan.liveFrom }));
        if (batch.length === 0) return false;
        await to.handle({
          topic: 't',
          partition: 0,
          messages: batch,
          lag: 0,
          assignment,
          committed: confirmed,
        });
        assignment = undefined;
        next += batch.length;
        if (next >= plan.liveFrom) to.position = BigInt(next);
        if (commit && next > plan.liveFrom) committed = confirmed = BigInt(next);
        return next < messages.length;
      };
    },
  };
}

/** Of each record what an undisturbed process says, by offset. */
async function uninterrupted(messages: readonly Message[]): Promise<Map<number, Verdict>> {
  const alone = createProcess({});
  await alone.handle({ topic: 't', partition: 0, messages, lag: 0 });
  return new Map(alone.verdicts.map((verdict) => [verdict.offset, verdict]));
}
const byOffset = (verdicts: readonly Verdict[]) => new Map(verdicts.map((one) => [one.offset, one]));

const deliverAll = (handle: HandleBatch, messages: readonly Message[]) =>
  handle({ topic: 't', partition: 0, messages, lag: 0 });

test('levels are part of a verdict, and it says by how much they lowered it', async () => {
  const verdicts = [...(await uninterrupted(createStream(600, 1))).values()];
  expect(verdicts.filter(({ lowered }) => lowered! > 0).length).toBeGreaterThan(200);
});

test('however often a partition is lost, and to whom, each record has one score, bit for bit', async () => {
  const batch = fc.record({
    size: fc.integer({ min: 1, max: 80 }),
    commit: fc.boolean(),
    refuse: fc.boolean(),
    full: fc.boolean(),
  });
  const life = fc.record({
    process: fc.constantFrom(0, 1),
    restart: fc.boolean(),
    batches: fc.array(batch, { minLength: 1, maxLength: 12 }),
  });
  let restored = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.nat(1000),
      fc.integer({ min: 1, max: 200 }),
      fc.array(life, { maxLength: 8 }),
      async (seed, saveEvery, lives) => {
        const messages = createStream(600, seed);
        const expected = await uninterrupted(messages);
        const store = createMemoryStore();
        const start = () => createProcess({ store, saveEvery });
        const processes = [start(), start()];
        const all = [...processes];
        const partition = createPartition(messages, store);
        for (const { process, restart, batches } of lives) {
          if (restart) all.push((processes[process] = start()));
          const deliver = await partition.assign(processes[process]!);
          for (const { size, commit, refuse, full } of batches) {
            // What has not even been said to begin cannot be continued.
            store.refuse = full && store.saves.length > 0;
            processes[process]!.state.refuse = refuse;
            await deliver(size, commit).catch(() => undefined);
          }
        }
        store.refuse = false;
        // Whoever is last has nothing but what is stored.
        const last = start();
        const deliver = await partition.assign(last);
        while (await deliver(50));
        const verdicts = [...all, last].flatMap((one) => one.verdicts);
        for (const verdict of verdicts) expect(verdict).toEqual(expected.get(verdict.offset));
        expect(byOffset(verdicts).size).toBe(expected.size);
        restored += store.saves.filter(({ devices }) => devices.length > 0).length;
        expect(
          [...all, last].flatMap(({ problems }) => problems).filter((problem) => problem !== 'unsaved'),
        ).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
  expect(restored).toBeGreaterThan(60);
}, 120_000);

test('nothing is stored before the source has committed it, and then no oftener than asked', async () => {
  const store = createMemoryStore();
  const messages = createStream(600, 3);
  const partition = createPartition(messages, store);
  const deliver = await partition.assign(createProcess({ store, saveEvery: 100 }));
  for (let i = 0; i < 5; i++) await deliver(50, false);
  expect(store.saves.map(({ offset }) => offset)).toEqual([-1n]);
  while (await deliver(50));
  expect(store.saves.map(({ offset }) => Number(offset))).toEqual([-1, 99, 349, 449, 549]);
});

test('where levels begin is saved as soon as the disk takes it', async () => {
  const store = createMemoryStore();
  const one = createProcess({ store, saveEvery: 1000 });
  const deliver = await createPartition(createStream(600, 3), store).assign(one);
  store.refuse = true;
  for (let i = 0; i < 3; i++) await deliver(50);
  expect(store.saves).toEqual([]);
  expect(one.problems).toEqual(['unsaved', 'unsaved', 'unsaved']);
  store.refuse = false;
  while (await deliver(50));
  expect(store.saves).toEqual([{ version: 'v1', offset: -1n, devices: [] }]);
  expect(one.verdicts).toHaveLength(597);
});

test('a version that comes into use begins with levels of its own, also over a crash right behind it', async () => {
  const messages = createStream(600, 4);
  const run = async (crashAfter: number | undefined): Promise<Map<string, Verdict[]>> => {
    const store = createMemoryStore();
    const partition = createPartition(messages, store);
    let one = createProcess({ store, saveEvery: 50 });
    const all = [one];
    let deliver = await partition.assign(one);
    for (let i = 0; i < 6; i++) await deliver(50, i < 5);
    one.active.detector = createSimpleDetector('v2');
    if (crashAfter !== undefined) {
      for (let i = 0; i < crashAfter; i++) await deliver(50, i > 1);
      all.push((one = createProcess({ store, saveEvery: 50 })));
      one.active.detector = createSimpleDetector('v2');
      deliver = await partition.assign(one);
    }
    while (await deliver(50));
    return group(all.flatMap(({ verdicts }) => verdicts));
  };
  const calm = await run(undefined);
  expect(calm.get('v2/300')).toMatchObject([{ lowered: 0 }]);
  expect(calm.get('v2/599')![0]!.lowered).toBeGreaterThan(0);
  for (const crashAfter of [1, 2, 3, 5]) {
    for (const [what, verdicts] of await run(crashAfter)) {
      const expected = calm.get(what);
      // What was scored by v1 and comes again has no verdict of v2 to be the same as.
      if (expected !== undefined) for (const verdict of verdicts) expect(verdict).toEqual(expected[0]);
    }
  }
});
function group(verdicts: readonly Verdict[]): Map<string, Verdict[]> {
  const groups = new Map<string, Verdict[]>();
  for (const verdict of verdicts) {
    const what = `${verdict.version}/${verdict.offset}`;
    groups.set(what, [...(groups.get(what) ?? []), verdict]);
  }
  return groups;
}

describe('levels that cannot be continued', () => {
  async function restartedAfter(
    spoil: (store: ReturnType<typeof createMemoryStore>) => Promise<void> | void,
  ) {
    const store = createMemoryStore();
    const messages = createStream(600, 5);
    const partition = createPartition(messages, store);
    const first = await partition.assign(createProcess({ store, saveEvery: 100 }));
    for (let i = 0; i < 8; i++) await first(50);
    await spoil(store);
    return { store, messages, partition, next: createProcess({ store, saveEvery: 100 }) };
  }

  test('because their file is damaged begin anew, and that is said', async () => {
    const { partition, next, store } = await restartedAfter((given) => given.damage());
    const deliver = await partition.assign(next);
    while (await deliver(50));
    expect(next.problems).toEqual(['unreadable']);
    expect(next.verdicts[0]).toMatchObject({ offset: 400, lowered: 0 });
    expect(next.verdicts.length).toBe(200);
    expect(store.saves.at(-1)!.offset).toBeGreaterThan(400n);
  });

  test('because they are of other statistics begin anew', async () => {
    const { partition, next } = await restartedAfter((store) =>
      store.save('t', 0, {
        version: 'v1',
        offset: 300n,
        devices: [['a', { seen: 1, samples: [[1], [2]] }]],
      }),
    );
    const deliver = await partition.assign(next);
    while (await deliver(50));
    expect(next.problems).toEqual(['unreadable']);
    expect(next.verdicts[0]).toMatchObject({ offset: 400, lowered: 0 });
  });

  test('because the group was set back begin anew: they are of records that are yet to come', async () => {
    const { partition, next, messages } = await restartedAfter(() => undefined);
    partition.commitTo(6);
    const deliver = await partition.assign(next);
    while (await deliver(50));
    expect(next.problems).toEqual(['ahead']);
    // Their first two windows were seen, but not taken in.
    const control = createProcess({});
    const refill = messages.slice(0, 6).map((message) => ({ ...message, refill: true }));
    await deliverAll(control.handle, [...refill, ...messages.slice(6)]);
    expect(next.verdicts).toEqual(control.verdicts);
  });

  test('because records are gone go on with a gap, and that is said', async () => {
    const { next, messages } = await restartedAfter(() => undefined);
    await next.handle({
      topic: 't',
      partition: 0,
      messages: messages.slice(450),
      lag: 0,
      assignment: { from: 450n, liveFrom: 450n },
      committed: 450n,
    });
    expect(next.problems).toEqual(['records_missing']);
    expect(next.verdicts.at(-1)!.lowered).toBeGreaterThan(0);
  });
});

test('without a store levels are followed, and begin with the first record that is no refill', async () => {
  const messages = createStream(600, 6);
  const { handle, verdicts } = createProcess({});
  await deliverAll(
    handle,
    messages.map((message, i) => ({ ...message, refill: i < 300 })),
  );
  expect(verdicts[0]).toMatchObject({ offset: 300, lowered: 0 });
  expect(verdicts.at(-1)!.lowered).toBeGreaterThan(0);
});

test('a version that comes into use while levels are read is the one that scores', async () => {
  const store = createMemoryStore();
  const process = createProcess({ store });
  const load = store.load.bind(store);
  store.load = (topic, partition) => {
    if (process.active.detector.version === 'v1') process.active.detector = createSimpleDetector('v2');
    return load(topic, partition);
  };
  const messages = createStream(100, 7);
  const deliver = await createPartition(messages, createMemoryStore()).assign(process);
  await deliver(100);
  expect(new Set(process.verdicts.map(({ version }) => version))).toEqual(new Set(['v2']));
  expect(store.saves.map(({ version }) => version)).toEqual(['v1', 'v2']);
});
