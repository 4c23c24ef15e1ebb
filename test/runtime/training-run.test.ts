import { TrainingError } from '../../src/errors';
import { createTrainingRun, type TrainingRequest } from '../../src/runtime/training-run';
import type { Lease } from '../../src/store/lease';

interface Fakes {
  acquire?: () => Promise<Lease>;
  save?: () => Promise<void>;
  train?: (signal: AbortSignal) => Promise<string>;
}

/** A training whose steps are recorded. It publishes v1 unless `train` is given. */
function create({
  acquire,
  save = () => Promise.resolve(),
  train = () => Promise.resolve('v1'),
}: Fakes = {}) {
  const steps: string[] = [];
  const lost = new AbortController();
  const lease: Lease = {
    token: 7,
    folder: '/lease',
    lost: lost.signal,
    renew: () => Promise.resolve(void steps.push('heartbeat')),
    release: () => Promise.resolve(),
  };
  let requested: TrainingRequest | undefined;
  const run = createTrainingRun({
    leaseHolder: {
      acquire() {
        steps.push('lease');
        return acquire?.() ?? Promise.resolve(lease);
      },
    },
    quarantinePath: '/store/pump/quarantine.json',
    saveQuarantine() {
      steps.push('quarantine');
      return save();
    },
    clock: { trainingStarted: () => void steps.push('clock') },
    fileRecords: () => 42,
    runTraining(request, _, signal) {
      steps.push('training');
      requested = request;
      return train(signal);
    },
    onProgress: () => undefined,
    onHistory: () => undefined,
  });
  return { run, steps, lost, requested: () => requested };
}

const never = new AbortController().signal;
const untilAborted = (signal: AbortSignal) =>
  new Promise<string>((_, reject) =>
    signal.addEventListener('abort', () => reject(new TrainingError('killed', 'training was stopped'))),
  );

test('a training has the lease, a written quarantine and a fresh heartbeat before it starts', async () => {
  const { run, steps, requested } = create();
  expect(await run(never, 'start', false)).toBe('v1');
  expect(steps).toEqual(['lease', 'quarantine', 'heartbeat', 'clock', 'training']);
  expect(requested()).toEqual({
    quarantinePath: '/store/pump/quarantine.json',
    lease: 7,
    fileRecords: 42,
    coldStart: false,
    onTrial: false,
  });
  await run(never, 'cold start', false);
  expect(requested()?.coldStart).toBe(true);
  await run(never, 'schedule', true);
  expect(requested()).toMatchObject({ coldStart: false, onTrial: true });
});

test('nothing is trained without the lease', async () => {
  const error = new TrainingError('lease', 'another process trains');
  const { run, steps } = create({ acquire: () => Promise.reject(error) });
  await expect(run(never, 'start', false)).rejects.toBe(error);
  expect(steps).toEqual(['lease']);
});

test('nothing is trained while the quarantine cannot be written', async () => {
  const { run, steps } = create({ save: () => Promise.reject(new Error('ENOSPC')) });
  await expect(run(never, 'start', false)).rejects.toMatchObject({
    reason: 'store',
    message: 'cannot write /store/pump/quarantine.json: ENOSPC',
  });
  expect(steps).not.toContain('training');
});

test('a training that loses its lease is aborted, and fails for that reason', async () => {
  const { run, lost } = create({ train: untilAborted });
  const running = run(never, 'start', false);
  setImmediate(() => lost.abort(new Error('taken over by host-2')));
  await expect(running).rejects.toMatchObject({
    reason: 'lease',
    message: 'taken over by host-2',
    cause: { reason: 'killed' },
  });
});

test('a training that is aborted fails with its own error', async () => {
  const { run } = create({ train: untilAborted });
  const abort = new AbortController();
  const running = run(abort.signal, 'start', false);
  setImmediate(() => abort.abort());
  await expect(running).rejects.toMatchObject({ reason: 'killed' });
});
