import { ModelVersionError } from '../../src/errors';
import { createTrialJudge, type JudgeParts } from '../../src/runtime/trial-judge';
import type { TrialPhase } from '../../src/runtime/trial-phase';
import type { Trial } from '../../src/store/trials';
import { createModel } from './model';
import { createRecordedLog } from './recorded-log';

const v1 = '20260101T000000.000Z';
const v2 = '20260102T000000.000Z';
const begun: Trial = {
  version: v2,
  before: v1,
  state: 'shadow',
  since: 0,
  changedAt: 5,
  by: 'gates',
  gates: [],
};

/** A trial of v2, whose time in the shadow is over and which passes its gates. */
function create(overrides: Partial<JudgeParts> = {}) {
  const log = createRecordedLog();
  const [inUse, loaded] = [createModel(v1), createModel(v2)];
  const state = { trial: begun, current: v1, used: v1, records: 5000, due: true };
  const parts: JudgeParts = {
    role: 'all',
    settings: () => ({ enabled: true, forMs: 1, devices: 20, records: 20_000, rollbackWithinMs: 1 }),
    clock: { now: () => 0 },
    eventsPerMs: () => undefined,
    store: {
      current: () => Promise.resolve(state.current),
      pinned: () => Promise.resolve(undefined),
      setCurrent: (version) => Promise.resolve(void (state.current = version)),
    },
    trials: {
      list: () => Promise.resolve([state.trial]),
      put: (trial) => Promise.resolve(void (state.trial = trial)),
      reports: () => Promise.resolve([]),
      report: () => Promise.resolve(),
      choose: () => Promise.resolve(),
      clearReports: () => Promise.resolve(),
    },
    slot: {
      current: () => inUse.model,
      version: () => v1,
      use: ({ detector }) => void (state.used = detector.version),
    },
    lease: { acquire: () => Promise.resolve({} as never) },
    load: () => Promise.resolve(loaded.model),
    audit: () => Promise.resolve(),
    metrics: { trial: { ended: () => undefined, active: () => undefined } },
    log,
    ...overrides,
  };
  const phase = {
    id: 'phase',
    trial: begun,
    facts: loaded.model.facts,
    isDue: () => state.due,
    evaluated: () => undefined,
    elapsed: () => 1,
    isOver: () => true,
    evidence: () => ({
      records: state.records,
      events: 0,
      sample: { records: state.records, alarms: { inUse: 5, shadow: 5 }, surprises: [] },
    }),
  } as unknown as TrialPhase;
  return { judge: createTrialJudge('own', parts), phase, state, log, loaded };
}

test('a version whose gates pass comes into use, in the store and here', async () => {
  const { judge, phase, state } = create();
  expect(await judge.evaluate(phase)).toBe(true);
  expect(state).toMatchObject({ current: v2, used: v2, trial: { state: 'promoted' } });
});

test.each<[string, Partial<JudgeParts>]>([
  ['only scores', { role: 'score' }],
  ['has no lease', { lease: { acquire: () => Promise.reject(new Error('another process trains')) } }],
])('a process that %s decides nothing', async (_, overrides) => {
  const { judge, phase, state } = create(overrides);
  expect(await judge.evaluate(phase)).toBe(false);
  expect(state).toMatchObject({ current: v1, trial: begun });
});

test('nothing is decided before the gates are due', async () => {
  const { judge, phase, state } = create();
  state.due = false;
  expect(await judge.evaluate(phase)).toBe(false);
  expect(state.trial).toBe(begun);
});

test('a trial that has changed in the store is followed, not judged', async () => {
  const { judge, phase, state } = create();
  state.trial = { ...begun, state: 'withdrawn', changedAt: 6 };
  expect(await judge.evaluate(phase)).toBe(true);
  expect(state).toMatchObject({ current: v1, trial: { state: 'withdrawn' } });
});

test('a phase with too few records waits, and says so once', async () => {
  const { judge, phase, state, log } = create();
  state.records = 999;
  expect(await judge.evaluate(phase)).toBe(false);
  expect(await judge.evaluate(phase)).toBe(false);
  expect(judge.isWaiting(phase)).toBe(true);
  expect(log.entries).toMatchObject([{ level: 'info', fields: { records: 999, needed: 1000 } }]);
});

test('a version that cannot be used is refused', async () => {
  const unusable = new ModelVersionError(v2, 'missing_file', 'weights.safetensors is missing');
  const { judge, phase, state } = create({ load: () => Promise.reject(unusable) });
  expect(await judge.evaluate(phase)).toBe(true);
  expect(state).toMatchObject({ current: v1, used: v1, trial: { state: 'refused' } });
});

test('a change that cannot be audited is made, and logged', async () => {
  const { judge, phase, state, log } = create({ audit: () => Promise.reject(new Error('EROFS')) });
  await judge.evaluate(phase);
  expect(state.used).toBe(v2);
  expect(log.entries[0]).toMatchObject({ level: 'error', fields: { action: 'promote', version: v2 } });
});

test('a pointer that cannot be moved leaves the version in use, and disposes the other', async () => {
  const { judge, phase, state, loaded } = create({
    store: {
      current: () => Promise.resolve(v1),
      pinned: () => Promise.resolve(undefined),
      setCurrent: () => Promise.reject(new Error('EIO')),
    },
  });
  await expect(judge.evaluate(phase)).rejects.toThrow('EIO');
  expect(state).toMatchObject({ used: v1, trial: begun });
  expect(loaded.disposed()).toBe(1);
});
