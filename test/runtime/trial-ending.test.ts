import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endTrial } from '../../src/runtime/trial-ending';
import { createTrialStore, type Trial } from '../../src/store/trials';
import { createRecordedLog } from './recorded-log';

const trial: Trial = {
  version: '20260102T000000.000Z',
  before: '20260101T000000.000Z',
  state: 'shadow',
  since: 0,
  changedAt: 0,
  by: 'gates',
  gates: [],
};
const alarms = { gate: 'alarms', passed: false, text: '40 against 2', value: 40, limit: 4 } as const;
const surprises = { ...alarms, gate: 'surprises', passed: true } as const;

let directory: string;
beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'vaemon-trials-'))));
afterEach(() => rm(directory, { recursive: true }));

function create(rollbackWithinMs: number) {
  const reached: string[] = [];
  const log = createRecordedLog();
  const trials = createTrialStore(directory, 'pump');
  const parts = {
    settings: () => ({ enabled: true, forMs: 1, devices: 1, records: 1, rollbackWithinMs }),
    clock: { now: () => 7 },
    trials,
    metrics: { trial: { ended: (as: string) => void reached.push(as), active: () => undefined } },
    log,
  };
  return { parts, reached, log, trials };
}

test('a refused version is stored with its gates, counted, and logged with those that failed', async () => {
  const { parts, reached, log, trials } = create(1);
  await trials.report('a', 'phase', { records: 1 } as never);
  await endTrial(trial, { as: 'refused', gates: [alarms, surprises as never] }, parts);
  expect(await trials.list()).toMatchObject([{ state: 'refused', since: 7, gates: [alarms, surprises] }]);
  expect(await trials.reports('b', 'phase')).toEqual([]);
  expect(reached).toEqual(['refused']);
  expect(log.entries).toMatchObject([{ level: 'warn', fields: { failed: ['alarms: 40 against 2'] } }]);
});

test.each([
  [0, 'kept'],
  [1, 'promoted'],
])('a promoted version that is watched for %d ms is %s', async (watchedMs, state) => {
  const { parts, reached, trials } = create(watchedMs);
  await endTrial(trial, { as: 'promoted', gates: [] }, parts);
  expect(await trials.list()).toMatchObject([{ state }]);
  expect(reached).toEqual(['promoted']);
});

test('a reason that is no gate is stored and logged', async () => {
  const { parts, log, trials } = create(1);
  await endTrial(trial, { as: 'withdrawn', gates: [], reason: 'a newer version' }, parts);
  expect(await trials.list()).toMatchObject([{ reason: 'a newer version' }]);
  expect(log.entries).toMatchObject([{ level: 'info', fields: { reason: 'a newer version' } }]);
});
