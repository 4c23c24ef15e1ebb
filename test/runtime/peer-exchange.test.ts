import { startPeerExchange, type PeerExchangeOptions } from '../../src/runtime/peer-exchange';
import { createRecordedLog } from './recorded-log';

function create(options: Partial<PeerExchangeOptions> & { held?: boolean; requested?: boolean } = {}) {
  const steps: string[] = [];
  const log = createRecordedLog();
  let held = options.held ?? false;
  const peers = startPeerExchange({
    role: 'all',
    intervalMs: 3_600_000,
    leaseHolder: {
      isHeld: () => held,
      acquire() {
        steps.push('lease');
        held = true;
        return Promise.resolve(undefined as never);
      },
    },
    saveQuarantine: () => Promise.resolve(void steps.push('quarantine')),
    answerRequests: () => Promise.resolve(void steps.push('requests')),
    isRequested: () => Promise.resolve(options.requested ?? false),
    onError: () => steps.push('error'),
    log,
    ...options,
  });
  return { peers, steps, log };
}

test.each([
  ['score', false, ['quarantine']],
  ['all', false, ['quarantine']],
  ['all', true, ['quarantine', 'requests']],
  ['train', true, ['requests']],
  ['train', false, ['lease', 'requests']],
] as const)('a process with role %s (lease held: %s) exchanges %j', async (role, held, expected) => {
  const { peers, steps } = create({ role, held });
  await peers.run();
  expect(steps).toEqual(expected);
  await peers.stop();
});

test.each([
  ['score', ['quarantine']],
  ['all', ['quarantine', 'lease', 'requests']],
] as const)('a process with role %s that is asked to train exchanges %j', async (role, expected) => {
  const { peers, steps } = create({ role, requested: true });
  await peers.run();
  expect(steps).toEqual(expected);
  await peers.stop();
});

test('a process that only trains does without a lease that another one holds', async () => {
  const acquire = jest.fn(() => Promise.reject(new Error('held by host-2')));
  const { peers, steps, log } = create({ role: 'train', leaseHolder: { isHeld: () => false, acquire } });
  await peers.run();
  expect(acquire).toHaveBeenCalledTimes(1);
  expect(steps).toEqual([]);
  expect(log.entries).toEqual([]);
  await peers.stop();
});

test('a failure is logged, and the next exchange tries again', async () => {
  const saveQuarantine = jest.fn(() => Promise.resolve()).mockRejectedValueOnce(new Error('ENOSPC'));
  const { peers, log } = create({ saveQuarantine });
  await peers.run();
  await peers.run();
  expect(saveQuarantine).toHaveBeenCalledTimes(2);
  expect(log.entries).toMatchObject([
    { level: 'warn', message: 'exchange with other processes through the store failed' },
  ]);
  await peers.stop();
});

test('exchanges at the interval, never two at once, and a stop waits for the one in progress', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] });
  let finish: () => void = () => undefined;
  const saveQuarantine = jest.fn(() => new Promise<void>((resolve) => (finish = resolve)));
  const { peers } = create({ intervalMs: 1000, saveQuarantine });
  jest.advanceTimersByTime(3000);
  expect(saveQuarantine).toHaveBeenCalledTimes(1);
  let stopped = false;
  const stopping = peers.stop().then(() => (stopped = true));
  await new Promise(setImmediate);
  expect(stopped).toBe(false);
  finish();
  await stopping;
  jest.advanceTimersByTime(3000);
  expect(saveQuarantine).toHaveBeenCalledTimes(1);
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

test('a store that cannot be written is counted each time', async () => {
  const saveQuarantine = () => Promise.reject(new Error('EROFS'));
  const { peers, steps } = create({ saveQuarantine });
  for (let i = 0; i < 3; i++) await peers.run();
  expect(steps).toEqual(['error', 'error', 'error']);
  await peers.stop();
});
