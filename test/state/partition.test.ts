import fc from 'fast-check';
import { createCategoryTable, createConditionReader } from '../../src/domain/condition';
import type { Detection } from '../../src/domain/detection';
import type { AnomalyEvent } from '../../src/domain/event';
import type { RecordSchema } from '../../src/domain/record';
import { createLimitCheck } from '../../src/domain/signal';
import type { WindowLimits, WindowShape } from '../../src/domain/window';
import { createPartitionStates, type StateErrorReason, type StateRules } from '../../src/state/partition';
import { createMetrics } from '../../src/metrics/metrics';
import { createPipeline, type ActiveDetector } from '../../src/pipeline/pipeline';
import type { Detector } from '../../src/scoring/detector';
import type { DeadLetter } from '../../src/sinks/sink';
import { decodeEach } from '../../src/codecs/batch';
import { createJsonDecoder } from '../../src/codecs/json/json';
import { beginReading, findPlace, type Progress } from '../../src/sources/kafka/offsets';
import type { Assignment, HandleBatch, Message } from '../../src/sources/source';
import type { StateStore, StoredState } from '../../src/state/store';
import { createFakeDetector } from '../fake-detector';

const schema: RecordSchema = {
  channels: ['value'],
  missingChannels: 'reject',
  extraChannels: 'reject',
  conditions: [{ name: 'mode', kind: 'category', maxValues: 8, missing: 'unknown' }],
};
const shape: WindowShape = { length: 4, channels: 1, conditions: 1 };
const limits: WindowLimits = { ttlMs: 400, intervalMs: 0, gaps: 'ignore', padding: 'none', maxKeys: 7 };
const base = Array.from({ length: 100 }, (_, i) => i / 100);

/** Finds a window as surprising as its values lie above the level of its device, the older ones a little less. */
function createSimpleDetector(version: string, table = createCategoryTable()): Detector {
  return createFakeDetector({
    version,
    shape,
    bases: [base],
    judge(batch, levelsOf) {
      const lowered = new Float64Array(batch.count);
      const surprise = Float64Array.from({ length: batch.count }, (_, i) => {
        let value = 0;
        for (let r = 0; r < shape.length; r++) {
          const at = i * shape.length + r;
          const mode = (table.value(batch.conditions[at]!) ?? '').length;
          const read = Number.isNaN(batch.values[at]!) ? 0.1 : batch.values[at]!;
          value = value / 7 + read + mode / 100 + batch.timestamps[at]! * 1e-7;
        }
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
        ...(levelsOf && { baselines: { statistic: lowered } }),
        unknownConditions: 0,
        contributions: (i) => [
          {
            channel: 'value',
            contribution: surprise[i]!,
            surprise: surprise[i]!,
            actual: NaN,
            expected: 1,
            repeats: 0,
          },
        ],
        explain: () => ({ contributions: [], nearestNormal: { reconstruction: 0, leftOut: [], latent: [] } }),
      };
    },
  });
}

/** What a disk would keep, and may refuse to. */
function createMemoryStore() {
  const files = new Map<string, StoredState>();
  const store: StateStore & { refuse: boolean; saves: StoredState[]; damage(): void } = {
    refuse: false,
    saves: [],
    damage() {
      files.set('t-0', { ...files.get('t-0')!, columns: {} });
    },
    load: (topic, partition) => Promise.resolve(files.get(`${topic}-${partition}`)),
    save(topic, partition, state) {
      if (store.refuse) return Promise.reject(new Error('disk is full'));
      const columns = Object.entries(state.columns).map(([name, column]) => [name, column.slice()] as const);
      const copy = {
        ...state,
        content: structuredClone(state.content),
        columns: Object.fromEntries(columns),
      };
      store.saves.push(copy);
      files.set(`${topic}-${partition}`, copy);
      return Promise.resolve();
    },
  };
  return store;
}
const offsetsOf = (store: { saves: readonly StoredState[] }) =>
  store.saves.map(({ offset }) => Number(offset));

interface ProcessOptions {
  store?: StateStore;
  saveEvery?: number;
  maxReplay?: number;
  levels?: boolean;
  windows?: Partial<WindowLimits>;
  fingerprint?: string;
}

/** A process that scores, until it is killed by being forgotten. */
function createProcess(options: ProcessOptions) {
  const detections: Detection[] = [];
  const events: AnomalyEvent[] = [];
  const deadLetters: DeadLetter[] = [];
  const problems: StateErrorReason[] = [];
  const table = createCategoryTable();
  // Another process has seen other categories before.
  for (let i = Math.floor(Math.random() * 3); i > 0; i--) table.code(`other-${i}`);
  const active: ActiveDetector = { detector: createSimpleDetector('v1', table), threshold: 1.2 };
  const state = { refuse: false };
  const { levels = true, windows, store, saveEvery, maxReplay, fingerprint = 'f' } = options;
  const rules: StateRules = {
    shape,
    windows: { ...limits, ...windows },
    events: {
      openRecords: 2,
      openWindow: 3,
      minRecords: 1,
      minLengthMs: 0,
      closeAfter: 2,
      silenceMs: 60,
      suppressForMs: 20,
    },
    baselines: levels ? { records: 64, maxKeys: 7 } : undefined,
    categories: [true],
    table,
    fingerprint,
    ...(store && { store }),
    ...(saveEvery !== undefined && { saveEvery }),
    ...(maxReplay !== undefined && { maxReplay }),
    onError: (problem) => problems.push(problem),
  };
  const states = createPartitionStates(rules);
  const counted = { incomplete: 0 };
  const metrics = createMetrics({ version: '', engine: '', process: false }).forDetector('plant', {
    topics: [],
    sinks: [],
  });
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
    states,
    limits: createLimitCheck(schema.channels, []),
    stale: { duplicate: 'reject', out_of_order: 'reject' },
    current: () => ({ ...active }),
    sinks: [
      {
        name: 'test',
        write(verdicts) {
          if (state.refuse) {
            state.refuse = false;
            return Promise.reject(new Error('the sink is full'));
          }
          detections.push(...verdicts.detections);
          events.push(...verdicts.events);
          deadLetters.push(...verdicts.deadLetters);
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      },
    ],
    metrics: { ...metrics, incomplete: (records) => void (counted.incomplete += records) },
    now: () => 0,
    onBroken: (error) => {
      throw error;
    },
  });
  return {
    handle,
    states,
    table,
    detections,
    events,
    deadLetters,
    problems,
    active,
    state,
    counted,
    progress: undefined as Progress | undefined,
  };
}
type Process = ReturnType<typeof createProcess>;

/** Devices of very uneven rates, some of which stay away for a while; now and then a record that cannot be used. */
function createStream(count: number, seed: number, { late = true } = {}): Message[] {
  const random = (i: number) => Math.abs(Math.sin((i + 1) * 12.9898 + seed) * 43758.5453) % 1;
  const time = new Map<string, number>();
  return Array.from({ length: count }, (_, i) => {
    const key = `k${Math.floor(12 * random(2 * i) ** 3)}`;
    const stale = late && random(7 * i) > 0.96;
    const at = stale ? (time.get(key) ?? i) - Math.floor(2 * random(i)) : i;
    if (!stale) time.set(key, i);
    const value = random(i) / 2 + Math.floor(3 * random(Math.floor(i / 40))) / 2;
    const text = JSON.stringify({
      key,
      time: at,
      values: [value],
      conditions: random(3 * i) > 0.3 ? { mode: 'm'.repeat(1 + (i % 5)) } : {},
    });
    return {
      key: null,
      value: Buffer.from(random(5 * i) > 0.98 ? 'rubbish' : text),
      timestamp: 0,
      origin: { topic: 't', partition: 0, offset: String(i) },
      warmUp: false,
    };
  });
}

/** A partition with its group's offset, handed out to one process after another as the Kafka source does it. */
function createPartition(messages: readonly Message[], { warmUpRecords = 20, low = 0 } = {}) {
  let committed = -1n;
  return {
    committed: () => Number(committed),
    commitTo: (offset: number) => (committed = BigInt(offset)),
    async assign(to: Process, from = low) {
      const facts = { low: BigInt(from), high: BigInt(messages.length), committed, known: to.progress };
      const place = findPlace(facts, { startFrom: 'earliest' });
      const { liveFrom, processedBefore } = place;
      const state = to.states.of('t', 0);
      const after = processedBefore && !place.restarted ? await state.restorePoint(liveFrom) : undefined;
      const begin = beginReading(liveFrom, facts.low, after, warmUpRecords);
      let assignment: Assignment | undefined = { from: begin, liveFrom, after, processedBefore };
      let next = Number(begin);
      let confirmed = committed;
      /** Hands over one batch; returns whether there are more. */
      return async (size: number, commit = true): Promise<boolean> => {
        const batch = messages
          .slice(next, next + size)
          .map((message, i) => ({ ...message, warmUp: BigInt(next + i) < liveFrom }));
        if (batch.length === 0) return false;
        const given = { topic: 't', partition: 0, messages: batch, lag: 0, committed: confirmed };
        await to.handle({ ...given, assignment });
        assignment = undefined;
        next += batch.length;
        if (next >= liveFrom) to.progress = { position: BigInt(next), committed: true };
        if (commit && next > liveFrom) committed = confirmed = BigInt(next);
        return next < messages.length;
      };
    },
  };
}

const inTurn = (messages: readonly Message[], size = 100): Message[][] =>
  Array.from({ length: Math.ceil(messages.length / size) }, (_, i) =>
    messages.slice(i * size, (i + 1) * size),
  );
const deliver = (handle: HandleBatch, messages: readonly Message[]) =>
  handle({ topic: 't', partition: 0, messages, lag: 0 });

/** What an undisturbed process says. */
async function uninterrupted(messages: readonly Message[], options: ProcessOptions = {}): Promise<Process> {
  const alone = createProcess(options);
  for (const batch of inTurn(messages)) await deliver(alone.handle, batch);
  return alone;
}

/** All that was said, each thing once: what was judged twice was judged the same, or is here twice. */
function saidBy(processes: readonly Process[]): Set<string> {
  const said = processes.flatMap(({ detections, events, deadLetters }) => [
    ...detections,
    ...events,
    ...deadLetters.map(({ reason, origin }) => ({ reason, origin })),
  ]);
  return new Set(said.map((one) => JSON.stringify(one)));
}
/** The first of what is in one and not in the other. */
const differences = (a: ReadonlySet<string>, b: ReadonlySet<string>): string[] =>
  [...a, ...b].filter((one) => a.has(one) !== b.has(one)).slice(0, 4);

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

test('the stream has all that a verdict can rest on', async () => {
  const { detections, events, deadLetters } = await uninterrupted(createStream(800, 1));
  expect(detections.length).toBeGreaterThan(400);
  expect(detections.filter(({ baselines }) => baselines!['statistic']! > 0).length).toBeGreaterThan(100);
  expect(new Set(deadLetters.map(({ reason }) => reason))).toEqual(
    new Set(['not_json', 'duplicate', 'out_of_order']),
  );
  expect(new Set(events.map(({ status, closedBy }) => closedBy ?? status))).toEqual(
    new Set(['open', 'quiet', 'silence']),
  );
  // Some devices stay away so long that they are forgotten, or begin anew.
  const { detections: roomy } = await uninterrupted(createStream(800, 1), {
    windows: { maxKeys: 100, ttlMs: 1e9 },
  });
  expect(roomy.length).toBeGreaterThan(detections.length);
});

describe.each([
  ['levels', { levels: true }],
  ['no levels', { levels: false }],
  ['windows that are padded', { levels: true, windows: { padding: 'missing' } }],
  ['gaps that are filled', { levels: false, windows: { intervalMs: 4, gaps: 'fill' } }],
] as const)('with %s', (_, options) => {
  test('however often a partition is lost, and to whom, the same is said of each record, bit for bit', async () => {
    let continued = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1000),
        fc.integer({ min: 1, max: 200 }),
        fc.array(life, { maxLength: 8 }),
        async (seed, saveEvery, lives) => {
          const messages = createStream(600, seed);
          const expected = saidBy([await uninterrupted(messages, options)]);
          const store = createMemoryStore();
          const start = () => createProcess({ ...options, store, saveEvery });
          const processes = [start(), start()];
          const all = [...processes];
          const partition = createPartition(messages, { warmUpRecords: 0 });
          for (const { process, restart, batches } of lives) {
            if (restart) all.push((processes[process] = start()));
            const deliverNext = await partition.assign(processes[process]!);
            for (const { size, commit, refuse, full } of batches) {
              // What has not even been said to begin cannot be continued.
              store.refuse = full && store.saves.length > 0;
              processes[process]!.state.refuse = refuse;
              await deliverNext(size, commit).catch(() => undefined);
            }
          }
          store.refuse = false;
          // Whoever is last has nothing but what is stored.
          const last = start();
          const deliverNext = await partition.assign(last);
          while (await deliverNext(50));
          expect(differences(saidBy([...all, last]), expected)).toEqual([]);
          const problems = [...all, last].flatMap((one) => one.problems);
          expect(problems.filter((problem) => problem !== 'unsaved')).toEqual([]);
          continued += store.saves.filter(({ offset }) => offset >= 0n).length;
        },
      ),
      { numRuns: 40 },
    );
    expect(continued).toBeGreaterThan(40);
  }, 120_000);
});

test('where nothing is stored, what is said otherwise than without the interruption is marked, or not said and counted', async () => {
  let marked = 0;
  let unsaid = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.nat(1000),
      fc.constantFrom('none', 'missing'),
      fc.integer({ min: 0, max: 60 }),
      fc.array(fc.integer({ min: 100, max: 300 }), { minLength: 1, maxLength: 5 }),
      async (seed, padding, warmUpRecords, lengths) => {
        // Whether the first record that is read of a device comes late cannot be known.
        const messages = createStream(1000, seed, { late: false });
        const options = { levels: false, windows: { padding, maxKeys: 100 } } as const;
        const expected = await uninterrupted(messages, options);
        const partition = createPartition(messages, { warmUpRecords });
        const all: Process[] = [];
        for (const length of [...lengths, messages.length]) {
          all.push(createProcess(options));
          const deliverNext = await partition.assign(all.at(-1)!);
          for (let done = 0; done < length && (await deliverNext(10)); done += 10);
        }
        const judged = new Map(
          all.flatMap(({ detections }) => detections).map((one) => [one.origin.offset, one]),
        );
        let missing = 0;
        for (const detection of expected.detections) {
          const given = judged.get(detection.origin.offset);
          if (given === undefined) missing++;
          else if (given.incomplete === undefined) expect(given).toEqual(detection);
          else marked++;
        }
        const incomplete = all.reduce((sum, { counted }) => sum + counted.incomplete, 0);
        expect(incomplete).toBeGreaterThanOrEqual(missing);
        unsaid += missing;
      },
    ),
    { numRuns: 25 },
  );
  expect(marked).toBeGreaterThan(100);
  expect(unsaid).toBeGreaterThan(100);
}, 120_000);

test('a group that begins lacks nothing, however far it reads back', async () => {
  const partition = createPartition(createStream(300, 1), { warmUpRecords: 10, low: 50 });
  const one = createProcess({ levels: false, windows: { padding: 'missing' } });
  const deliverNext = await partition.assign(one);
  while (await deliverNext(50));
  expect(one.detections.filter(({ incomplete }) => incomplete !== undefined)).toEqual([]);
  expect(one.counted.incomplete).toBe(0);
});

test('nothing is stored before the source has committed it, and then no oftener than asked', async () => {
  const store = createMemoryStore();
  const partition = createPartition(createStream(600, 3));
  const deliverNext = await partition.assign(createProcess({ store, saveEvery: 150 }));
  for (let i = 0; i < 5; i++) await deliverNext(50, false);
  expect(offsetsOf(store)).toEqual([-1]);
  while (await deliverNext(50));
  expect(offsetsOf(store)).toEqual([-1, 149, 349, 499]);
});

test('where a partition begins is saved as soon as the disk takes it', async () => {
  const store = createMemoryStore();
  const one = createProcess({ store, saveEvery: 1000 });
  const deliverNext = await createPartition(createStream(600, 3)).assign(one);
  store.refuse = true;
  for (let i = 0; i < 3; i++) await deliverNext(50);
  expect(store.saves).toEqual([]);
  expect(one.problems).toEqual(['unsaved', 'unsaved', 'unsaved']);
  store.refuse = false;
  while (await deliverNext(50));
  expect(offsetsOf(store)).toEqual([-1]);
  expect(store.saves[0]!.content).toMatchObject({ baselines: { version: 'v1', from: '-1', keys: [] } });
});

test('a version that comes into use begins with levels of its own, also over a crash right behind it', async () => {
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
  expect(calm.get(byVersion('v2')[0]!)).toMatchObject([{ baselines: { statistic: 0 } }]);
  expect(calm.get(byVersion('v2').at(-1)!)![0]!.baselines!['statistic']).toBeGreaterThan(0);
  for (const crashAfter of [1, 2, 3, 5]) {
    for (const [what, detections] of await run(crashAfter)) {
      const expected = calm.get(what);
      // What was scored by v1 and comes again has no verdict of v2 to be the same as.
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

describe('what cannot be continued from begins anew, and that is said and marked', () => {
  async function restartedAfter(
    spoil: (store: ReturnType<typeof createMemoryStore>) => Promise<void> | void,
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
    ['a damaged file', (store: ReturnType<typeof createMemoryStore>) => store.damage(), {}, 'unreadable'],
    ['other settings', () => undefined, { fingerprint: 'other' }, 'other_settings'],
    ['one that is too old', () => undefined, { maxReplay: 20 }, 'too_old'],
  ] as const)('%s', async (_, spoil, options, problem) => {
    const { partition, next, store } = await restartedAfter(spoil, options);
    const deliverNext = await partition.assign(next);
    while (await deliverNext(50));
    expect(next.problems).toEqual([problem]);
    expect(next.detections[0]).toMatchObject({ baselines: { statistic: 0 }, incomplete: ['baselines'] });
    expect(store.saves.at(-1)!.offset).toBeGreaterThan(400n);
    // In time the levels of a device rest on records alone that have been read since.
    expect(next.detections.findLast(({ key }) => key === 'k0')).not.toHaveProperty('incomplete');
    const marked = next.detections.filter(({ incomplete }) => incomplete !== undefined);
    expect(next.counted.incomplete).toBeGreaterThanOrEqual(marked.length);
  });

  test('a group that was set back: what is stored is of records that are yet to come', async () => {
    const { partition, next, messages } = await restartedAfter(() => undefined);
    partition.commitTo(6);
    const deliverNext = await partition.assign(next);
    while (await deliverNext(50));
    expect(next.problems).toEqual(['ahead']);
    const control = createProcess({});
    const warmUp = messages.slice(0, 6).map((message) => ({ ...message, warmUp: true }));
    await deliver(control.handle, [...warmUp, ...messages.slice(6)]);
    // From the first message of the topic on nothing is missing, so nothing is marked.
    expect(next.detections).toEqual(control.detections);
  });

  test('levels of other statistics, while the windows go on', async () => {
    const { partition, next } = await restartedAfter((store) => {
      const state = store.saves.at(-1)!;
      const baselinesStatistics = Int32Array.from([2]);
      const baselinesHeld = Int32Array.from([1, 1]);
      return store.save('t', 0, {
        ...state,
        content: {
          ...(state.content as object),
          baselines: { version: 'v1', from: '-1', anew: false, keys: ['k0'] },
        },
        columns: {
          ...state.columns,
          baselinesSeen: Float64Array.from([1]),
          baselinesStatistics,
          baselinesHeld,
          baselinesSamples: Float64Array.from([1, 2]),
        },
      });
    });
    const deliverNext = await partition.assign(next);
    while (await deliverNext(50));
    expect(next.problems).toEqual(['unreadable']);
    expect(next.detections[0]).toMatchObject({ baselines: { statistic: 0 }, incomplete: ['baselines'] });
    expect([...marksOf(next)]).toEqual(['baselines']);
  });

  test('records that retention took before they could be read again leave a hole in every window', async () => {
    const { partition, next } = await restartedAfter(() => undefined);
    // Stored is 349 at least: those behind it are gone up to 390.
    const deliverNext = await partition.assign(next, 390);
    while (await deliverNext(50));
    expect(next.problems).toEqual(['records_missing']);
    expect(marksOf(next)).toEqual(new Set(['window']));
    expect(next.detections.at(-1)).not.toHaveProperty('incomplete');
  });
});

test('messages that are gone between two batches leave a hole in every window', async () => {
  const messages = createStream(400, 6);
  const one = createProcess({ levels: false, windows: { maxKeys: 100 } });
  await deliver(one.handle, messages.slice(0, 200));
  await one.handle({ topic: 't', partition: 0, messages: messages.slice(250), lag: 0, gap: true });
  const behind = one.detections.filter(({ origin }) => Number(origin.offset) >= 250);
  expect(behind[0]).toMatchObject({ incomplete: ['window'] });
  expect(behind.at(-1)).not.toHaveProperty('incomplete');
  expect(one.problems).toEqual(['records_missing']);
});

test('without a store levels are followed, and begin with the first record that is no warmUp', async () => {
  const messages = createStream(600, 6);
  const { handle, detections } = createProcess({});
  await deliver(
    handle,
    messages.map((message, i) => ({ ...message, warmUp: i < 300 })),
  );
  expect(Number(detections[0]!.origin.offset)).toBeGreaterThanOrEqual(300);
  expect(detections[0]).toMatchObject({ baselines: { statistic: 0 } });
  expect(detections.some(({ baselines }) => baselines!['statistic']! > 0)).toBe(true);
});

test('a version that comes into use while what is stored is written is the one that scores', async () => {
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

test('a partition that is assigned elsewhere is forgotten, and others are not', async () => {
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
