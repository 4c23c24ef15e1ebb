import { setImmediate as breathe } from 'node:timers/promises';
import { runDetector, type RunParts } from '../../src/runtime/detector-run';

/** A detector whose source ends at once. */
function create(overrides: Partial<RunParts> = {}) {
  const steps: string[] = [];
  const step = (name: string) => () => void steps.push(name);
  const work = (name: string) => () => Promise.resolve().then(step(name));
  const [stopping, broken] = [new AbortController(), new AbortController()];
  const finished = runDetector({
    role: 'all',
    models: {
      obtainFirst: work('model'),
      endColdStart: work('cold start'),
      training: { startSchedule: step('schedule') },
      trials: { refresh: work('trial') },
    },
    labels: { refresh: work('labels') },
    readiness: { running: step('running'), report: () => ({ ready: true, reason: '' }) },
    metrics: { ready: step('ready') },
    clock: { end: step('end') },
    deliver: work('records'),
    stopping: stopping.signal,
    broken: broken.signal,
    ...overrides,
  });
  return { finished, steps, stopping, broken };
}

test('records come after the model, the trial in progress and the labels', async () => {
  const { finished, steps } = create();
  await finished;
  const before = ['model', 'running', 'ready', 'trial', 'schedule', 'cold start', 'labels'];
  expect(steps).toEqual([...before, 'records', 'end']);
});

test('a detector that is stopped before it has a model never runs', async () => {
  let obtained: () => void = () => undefined;
  const models = { obtainFirst: () => new Promise<void>((resolve) => (obtained = resolve)) };
  const { finished, steps, stopping } = create({ models: models as unknown as RunParts['models'] });
  stopping.abort();
  obtained();
  await finished;
  expect(steps).toEqual([]);
});

test('a process that only trains reads no records, until it is stopped', async () => {
  const { finished, steps, stopping } = create({ role: 'train' });
  await breathe();
  expect(steps.at(-1)).toBe('cold start');
  stopping.abort();
  await finished;
  expect(steps.at(-1)).toBe('cold start');
});

test('a pipeline that accepts no further batch ends it with its error', async () => {
  const { finished, broken } = create({ deliver: () => new Promise(() => undefined) });
  broken.abort(new Error('no further batch'));
  await expect(finished).rejects.toThrow('no further batch');
});

test('an error of the source ends it', async () => {
  const { finished } = create({ deliver: () => Promise.reject(new Error('EIO')) });
  await expect(finished).rejects.toThrow('EIO');
});
