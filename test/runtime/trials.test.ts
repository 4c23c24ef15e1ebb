import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrialEvidence } from '../../src/calibration/gates';
import { ModelVersionError } from '../../src/errors';
import type { Witness } from '../../src/pipeline/decision';
import type { LoadedModel } from '../../src/runtime/model-loader';
import { ModelSlot } from '../../src/runtime/model-slot';
import type { Shadow } from '../../src/runtime/shadow';
import { createTrials, type TrialsParts } from '../../src/runtime/trials';
import { createTrialStore } from '../../src/store/trials';
import { createModel } from './model';
import { createRecordedLog } from './recorded-log';

const v1 = '20260101T000000.000Z';
const v2 = '20260102T000000.000Z';
const v3 = '20260103T000000.000Z';
const hourMs = 3_600_000;

let directory: string;
beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'vaemon-trials-'))));
afterEach(() => rm(directory, { recursive: true }));

type ShadowEvidence = ReturnType<Shadow['evidence']>;
const good: ShadowEvidence = {
  sample: { records: 5000, alarms: { inUse: 5, shadow: 6 }, surprises: [] },
};

/** A process that trains and scores with v1; what its shadow sees is that of the test. */
function create(overrides: Partial<TrialsParts> = {}) {
  const log = createRecordedLog();
  const clock = { time: 0, now: () => clock.time, modelDue: () => Promise.resolve() };
  const pointer = { current: v1, pinned: undefined as string | undefined };
  const state = { seen: good, gone: new Set<string>(), livePower: undefined as number | undefined };
  const disposed: string[] = [];
  const shadows: string[] = [];
  const reached: string[] = [];
  const audited: Record<string, unknown>[] = [];
  const modelOf = (version: string): LoadedModel => {
    const { model } = createModel(version);
    const facts = { target: 0.001, extremalIndex: 1, reach: 9, power: 0.8 };
    const detector = { ...model.detector, dispose: () => void disposed.push(version) };
    return { ...model, detector, facts };
  };
  const load = (version: string) =>
    state.gone.has(version)
      ? Promise.reject(new ModelVersionError(version, 'missing_file', 'weights.safetensors is missing'))
      : Promise.resolve(modelOf(version));
  const slot = new ModelSlot({ modelLoaded: () => undefined, coldStart: () => undefined });
  slot.use(modelOf(v1));
  const trialStore = createTrialStore(directory, 'pump');
  const trials = createTrials({
    role: 'all',
    settings: () => ({
      enabled: true,
      forMs: hourMs,
      devices: 20,
      records: 20_000,
      rollbackWithinMs: 6 * hourMs,
    }),
    eventsPerMs: () => undefined,
    intervalMs: 1e9,
    store: {
      current: () => Promise.resolve(pointer.current),
      pinned: () => Promise.resolve(pointer.pinned),
      setCurrent: (version) => Promise.resolve(void (pointer.current = version)),
    },
    trials: trialStore,
    slot,
    lease: { acquire: () => Promise.resolve({} as never) },
    clock,
    followsRecords: false,
    load,
    loadQuietly: load,
    openShadow(model) {
      shadows.push(model.detector.version);
      return {
        version: model.detector.version,
        witness: () => undefined,
        observe: () => undefined,
        keepUp: () => Promise.resolve(),
        evidence: () => state.seen,
        stop() {
          model.detector.dispose();
          return Promise.resolve();
        },
      };
    },
    livePower: () => state.livePower,
    audit: (entry) => Promise.resolve(void audited.push(entry)),
    metrics: { trial: { ended: (one) => void reached.push(one), active: () => undefined } },
    log,
    ...overrides,
  });
  const states = async () =>
    Object.fromEntries((await trialStore.list()).map(({ version, state: one }) => [version, one]));
  return {
    trials,
    trialStore,
    log,
    clock,
    pointer,
    state,
    slot,
    disposed,
    shadows,
    reached,
    audited,
    states,
  };
}

type Created = ReturnType<typeof create>;

async function after(ms: number, { trials, clock }: Created): Promise<void> {
  clock.time += ms;
  await trials.betweenBatches();
}

const nobody: Witness = { observe: () => undefined, report: (events) => events };
const live = {
  partition: 0,
  key: 'a',
  timestamp: 0,
  surprise: 1,
  aboveBaseline: 1,
  threshold: 3,
  anomalous: false,
};
const opened = (count: number) => Array.from({ length: count }, () => ({ status: 'open' }) as never);

describe('a version on trial', () => {
  test('comes into use when its time is over and its gates pass', async () => {
    const created = create();
    const { trials, slot, pointer, shadows, reached, audited, states, log } = created;
    await trials.begin(v2);
    expect(shadows).toEqual([v2]);
    expect(trials.pending()).toBe(v2);
    await after(hourMs - 1, created);
    expect(slot.version()).toBe(v1);
    await after(1, created);
    expect(trials.pending()).toBeUndefined();
    expect(slot.version()).toBe(v2);
    expect(pointer.current).toBe(v2);
    expect(await states()).toEqual({ [v2]: 'promoted' });
    // The previous one is now in the shadow.
    expect(shadows).toEqual([v2, v1]);
    expect(reached).toEqual(['promoted']);
    expect(audited).toEqual([{ by: 'gates', action: 'promote', version: v2, before: v1 }]);
    expect(log.entries.at(-1)).toMatchObject({ message: 'model version passed its gates: it is in use' });
    await after(6 * hourMs, created);
    expect(await states()).toEqual({ [v2]: 'kept' });
    expect(trials.progress()).toBeUndefined();
    await trials.stop();
  });

  test('is kept and not used if a gate fails', async () => {
    const created = create();
    const { trials, slot, pointer, state, reached, disposed, trialStore, log } = created;
    await trials.begin(v2);
    state.seen = { sample: { ...good.sample, alarms: { inUse: 5, shadow: 500 } } };
    await after(hourMs, created);
    expect(slot.version()).toBe(v1);
    expect(pointer.current).toBe(v1);
    expect(reached).toEqual(['refused']);
    expect(disposed).toEqual([v2]);
    const [trial] = await trialStore.list();
    expect(trial).toMatchObject({ version: v2, before: v1, state: 'refused' });
    expect(trial!.gates.filter(({ passed }) => !passed).map(({ gate }) => gate)).toEqual(['alarms']);
    expect(log.entries.at(-1)).toMatchObject({ level: 'warn', fields: { version: v2 } });
    await after(10 * hourMs, created);
    expect(slot.version()).toBe(v1);
    await trials.stop();
  });

  test('waits for enough records', async () => {
    const created = create();
    const { trials, slot, state, log } = created;
    await trials.begin(v2);
    state.seen = { sample: { ...good.sample, records: 999 } };
    await after(hourMs, created);
    await after(hourMs, created);
    expect(log.entries.filter(({ message }) => message.includes('too few records'))).toHaveLength(1);
    expect(slot.version()).toBe(v1);
    // A scheduled training may replace it now.
    expect(trials.pending()).toBeUndefined();
    state.seen = { sample: { ...good.sample, records: 1000 } };
    await after(1, created);
    expect(slot.version()).toBe(v2);
    await trials.stop();
  });

  test('is refused at once if its files are gone, or if it cannot score', async () => {
    const created = create();
    const { trials, state, slot, trialStore } = created;
    state.gone.add(v2);
    await trials.begin(v2);
    await after(1, created);
    expect((await trialStore.list())[0]).toMatchObject({
      state: 'refused',
      gates: [{ gate: 'usable', passed: false, text: expect.stringContaining('weights.safetensors') }],
    });
    await trials.begin(v3);
    state.seen = { ...good, problem: 'it cannot score: NaN' };
    await after(1, created);
    expect((await trialStore.list())[0]).toMatchObject({ version: v3, state: 'refused' });
    expect(slot.version()).toBe(v1);
    await trials.stop();
  });

  test('is refused if its files go while it is on trial', async () => {
    const created = create();
    const { trials, state, slot, states } = created;
    await trials.begin(v2);
    state.gone.add(v2);
    await after(hourMs, created);
    expect(await states()).toEqual({ [v2]: 'refused' });
    expect(slot.version()).toBe(v1);
    await trials.stop();
  });

  test('gives way to a newer one', async () => {
    const created = create();
    const { trials, slot, states, shadows } = created;
    await trials.begin(v2);
    await trials.begin(v3);
    expect(await states()).toEqual({ [v3]: 'shadow', [v2]: 'withdrawn' });
    expect(shadows).toEqual([v2, v3]);
    await after(hourMs, created);
    expect(slot.version()).toBe(v3);
    await trials.stop();
  });

  test.each(['pinned', 'current'] as const)('ends without a result if another one is %s', async (what) => {
    const created = create();
    const { trials, pointer, states, slot } = created;
    await trials.begin(v2);
    // By `vaemon versions` on the store.
    pointer[what] = v3;
    await after(hourMs, created);
    expect(await states()).toEqual({ [v2]: 'withdrawn' });
    expect(slot.version()).toBe(v1);
    await trials.stop();
  });

  test('ends when a person uses a version', async () => {
    const created = create();
    const { trials, states, reached } = created;
    await trials.begin(v2);
    await trials.chosen(v3);
    expect(await states()).toEqual({ [v2]: 'withdrawn' });
    expect(reached).toEqual(['withdrawn']);
    expect(trials.pending()).toBeUndefined();
    await trials.stop();
  });

  test('is over when a person promotes it, and it is not rolled back', async () => {
    const created = create();
    const { trials, trialStore } = created;
    await trials.begin(v2);
    await trials.chosen(v2);
    expect(await trialStore.list()).toMatchObject([{ version: v2, state: 'kept', by: 'person' }]);
    expect(trials.progress()).toBeUndefined();
    await trials.stop();
  });

  test('goes on after a restart, with what was seen before', async () => {
    const first = create();
    await first.trials.begin(v2);
    first.state.seen = { sample: { ...good.sample, records: 900 } };
    first.clock.time = hourMs / 2;
    await first.trials.stop();

    const second = create();
    second.clock.time = hourMs / 2 + 1;
    second.state.seen = { sample: { ...good.sample, records: 900 } };
    await second.trials.refresh();
    expect(second.shadows).toEqual([v2]);
    expect(second.trials.pending()).toBe(v2);
    await after(hourMs / 2, second);
    expect(second.slot.version()).toBe(v2);
    await second.trials.stop();
  });

  test('whose process ended between the pointer and the trial is promoted', async () => {
    const created = create();
    const { trials, pointer, slot, states } = created;
    await trials.begin(v2);
    pointer.current = v2;
    await after(hourMs, created);
    expect(await states()).toEqual({ [v2]: 'promoted' });
    // The watch of versions takes it into use.
    expect(slot.version()).toBe(v1);
    await trials.stop();
  });

  test('a failure of the store is logged once, and the judgement is made later', async () => {
    let broken = true;
    const created = create({
      lease: { acquire: () => Promise.resolve({} as never) },
      store: {
        current: () => (broken ? Promise.reject(new Error('EIO')) : Promise.resolve(v1)),
        pinned: () => Promise.resolve(undefined),
        setCurrent: () => Promise.resolve(),
      },
    });
    await created.trials.begin(v2);
    await after(hourMs, created);
    await after(1, created);
    expect(created.log.entries.filter(({ level }) => level === 'error')).toHaveLength(1);
    broken = false;
    await after(1, created);
    expect(created.slot.version()).toBe(v2);
    await created.trials.stop();
  });
});

describe('a promoted version', () => {
  async function promoted(overrides?: Partial<TrialsParts>): Promise<Created> {
    const created = create(overrides);
    await created.trials.begin(v2);
    await after(hourMs, created);
    expect(created.slot.version()).toBe(v2);
    return created;
  }

  test('goes back if it opens far more events than the target allows, and the previous one would not', async () => {
    const created = await promoted();
    const { trials, slot, pointer, state, reached, audited, states, log } = created;
    const witness = trials.following(nobody);
    for (let i = 0; i < 1000; i++) witness.observe(live, [], () => undefined);
    witness.report(opened(10), []);
    state.seen = { sample: { records: 1000, alarms: { inUse: 60, shadow: 1 }, surprises: [] } };
    await after(hourMs, created);
    expect(slot.version()).toBe(v2);
    witness.report(opened(4), []);
    await after(hourMs, created);
    expect(slot.version()).toBe(v1);
    expect(pointer.current).toBe(v1);
    expect(await states()).toEqual({ [v2]: 'rolled_back' });
    expect(reached).toEqual(['promoted', 'rolled_back']);
    expect(audited.at(-1)).toMatchObject({ by: 'gates', action: 'rollback', version: v2, to: v1 });
    expect(log.entries.at(-1)).toMatchObject({
      level: 'warn',
      fields: { version: v2, failed: [expect.stringMatching(/^events: 14 events/)] },
    });
    await trials.stop();
  });

  test('goes back for what it did in its first hours, also if its process stood still at their end', async () => {
    const created = await promoted();
    const { trials, slot, state, states } = created;
    const witness = trials.following(nobody);
    for (let i = 0; i < 1000; i++) witness.observe(live, [], () => undefined);
    witness.report(opened(14), []);
    state.seen = { sample: { records: 1000, alarms: { inUse: 60, shadow: 1 }, surprises: [] } };
    await after(100 * hourMs, created);
    expect(slot.version()).toBe(v1);
    expect(await states()).toEqual({ [v2]: 'rolled_back' });
    await trials.stop();
  });

  test('stays with a budget of as many events', async () => {
    const created = await promoted({ eventsPerMs: () => 20 / hourMs });
    const { trials, slot, state } = created;
    trials.following(nobody).report(opened(60), []);
    state.seen = { sample: { records: 1000, alarms: { inUse: 60, shadow: 1 }, surprises: [] } };
    await after(hourMs, created);
    expect(slot.version()).toBe(v2);
    await trials.stop();
  });

  test('goes back if it becomes blind', async () => {
    const created = await promoted();
    created.state.livePower = 0.3;
    await after(hourMs, created);
    expect(created.slot.version()).toBe(v1);
    await created.trials.stop();
  });

  test('stays if the one before it is gone', async () => {
    const created = await promoted();
    created.state.livePower = 0.3;
    created.state.gone.add(v1);
    await after(hourMs, created);
    expect(created.slot.version()).toBe(v2);
    expect(await created.trialStore.list()).toMatchObject([{ state: 'kept', reason: expect.any(String) }]);
    await created.trials.stop();
  });

  test('is not watched where that is not wanted', async () => {
    const settings = { enabled: true, forMs: hourMs, devices: 20, records: 20_000, rollbackWithinMs: 0 };
    const created = await promoted({ settings: () => settings });
    expect(await created.states()).toEqual({ [v2]: 'kept' });
    expect(created.shadows).toEqual([v2]);
    await created.trials.stop();
  });
});

describe('several processes', () => {
  const others = { acquire: () => Promise.reject(new Error('another process trains')) };

  test('those that score report, the one that trains judges by what all have seen', async () => {
    const trainer = create({ role: 'train' });
    const scorers = [create({ role: 'score', lease: others }), create({ role: 'score', lease: others })];
    await trainer.trials.begin(v2);
    expect(trainer.shadows).toEqual([]);
    for (const scorer of scorers) {
      scorer.state.seen = { sample: { ...good.sample, records: 600, alarms: { inUse: 1, shadow: 20 } } };
      scorer.clock.time = hourMs;
      await scorer.trials.refresh();
      expect(scorer.shadows).toEqual([v2]);
      await scorer.trials.betweenBatches();
      expect(scorer.slot.version()).toBe(v1);
    }
    trainer.clock.time = hourMs;
    await trainer.trials.refresh();
    const [trial] = await trainer.trialStore.list();
    expect(trial).toMatchObject({ version: v2, state: 'refused' });
    expect(trial!.gates.find(({ gate }) => gate === 'alarms')).toMatchObject({ passed: false, value: 40 });
    for (const { trials, disposed } of scorers) {
      await trials.refresh();
      expect(disposed).toEqual([v2]);
      await trials.stop();
    }
    await trainer.trials.stop();
  });

  test('a process without the lease does not judge', async () => {
    const created = create({ lease: others });
    await created.trials.begin(v2);
    await after(hourMs, created);
    expect(created.slot.version()).toBe(v1);
    expect(await created.states()).toEqual({ [v2]: 'shadow' });
    await created.trials.stop();
  });
});

test('reports of another phase, and damaged files, count as none', async () => {
  const store = createTrialStore(directory, 'pump');
  const evidence: TrialEvidence = { records: 1, events: 0, ...good };
  await store.report('a', 'v2 shadow 1', evidence);
  await store.report('b', 'v2 promoted 2', evidence);
  expect(await store.reports('c', 'v2 shadow 1')).toEqual([evidence]);
  expect(await store.reports('a', 'v2 shadow 1')).toEqual([]);
  const { writeFile } = await import('node:fs/promises');
  await writeFile(join(directory, 'pump/trials.json'), '[{"version":"../..","state":"shadow"}, null, 1]');
  await writeFile(join(directory, 'pump/trial/a.json'), '{');
  expect(await store.list()).toEqual([]);
  expect(await store.reports('c', 'v2 shadow 1')).toEqual([]);
});
