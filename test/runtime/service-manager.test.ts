import { startServiceReports, type ServiceManagerOptions } from '../../src/runtime/service-manager';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function start(env: Record<string, string>, options: Partial<ServiceManagerOptions> = {}) {
  const sent: (readonly string[])[] = [];
  const warnings: string[] = [];
  const service = startServiceReports({
    env,
    report: () => ({ ok: true, status: 'plant: scoring' }),
    log: {
      warn: (message: string) => void warnings.push(message),
    },
    send: (variables) => {
      sent.push(variables);
      return Promise.resolve();
    },
    ...options,
  });
  return { service, sent, warnings };
}

const socket = { NOTIFY_SOCKET: '/run/notify' };

test('without systemd nothing is sent', async () => {
  const { service, sent } = start({});
  await jest.advanceTimersByTimeAsync(120_000);
  await service.stopping();
  expect(sent).toEqual([]);
});

test('it is ready at once, alive three times per timeout, and stopping in the end', async () => {
  const { service, sent } = start({
    ...socket,
    WATCHDOG_USEC: '60000000',
    WATCHDOG_PID: String(process.pid),
  });
  await jest.advanceTimersByTimeAsync(60_000);
  await service.stopping();
  await jest.advanceTimersByTimeAsync(60_000);
  const alive = ['STATUS=plant: scoring', 'WATCHDOG=1'];
  expect(sent).toEqual([
    ['READY=1', 'STATUS=plant: scoring'],
    alive,
    alive,
    alive,
    ['STOPPING=1', 'STATUS=stopping'],
  ]);
});

test('a process whose scoring thread hangs does not report that it is alive', async () => {
  const { sent } = start(
    { ...socket, WATCHDOG_USEC: '30000000' },
    { report: () => ({ ok: false, status: 'x' }) },
  );
  await jest.advanceTimersByTimeAsync(10_000);
  expect(sent).toEqual([['READY=1', 'STATUS=x'], ['STATUS=x']]);
});

test('a watchdog of another process is ignored', async () => {
  const { sent } = start({ ...socket, WATCHDOG_USEC: '1000000', WATCHDOG_PID: '1' });
  await jest.advanceTimersByTimeAsync(29_000);
  expect(sent).toHaveLength(1);
});

test('a failure to send is logged once', async () => {
  const { warnings } = start(socket, { send: () => Promise.reject(new Error('no systemd-notify')) });
  await jest.advanceTimersByTimeAsync(120_000);
  expect(warnings).toEqual(['systemd cannot be notified']);
});
