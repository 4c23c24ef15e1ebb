import { startStallMonitor, Watchdog } from '../../../src/sources/kafka/watchdog';
import { createFakeKafka, settle, topic } from './fake-kafka';

beforeEach(() => jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask'] }));
afterEach(() => jest.useRealTimers());

function createTest() {
  const { kafka, bounds } = createFakeKafka();
  const watchdog = new Watchdog(1_000, 5_000);
  const stalls: string[] = [];
  let busy = false;
  const stop = startStallMonitor({
    watchdog,
    admin: kafka.admin(),
    topic,
    silenceIntervalMs: 100,
    isBusy: () => busy,
    onStall: ({ reason, message }) => stalls.push(`${reason}: ${message}`),
  });
  async function pass(ms: number, fetching = true): Promise<void> {
    for (let i = 0; i < ms; i += 100) {
      if (fetching) watchdog.fetched();
      jest.advanceTimersByTime(100);
      await settle();
    }
  }
  return { watchdog, bounds, stalls, stop, pass, setBusy: (value: boolean) => (busy = value) };
}

test('a consumer that fetches nothing has stalled, unless a batch is in progress', async () => {
  const { watchdog, stalls, pass, setBusy, stop } = createTest();
  watchdog.reading(new Map([[0, 5n]]));
  setBusy(true);
  await pass(2_000, false);
  expect(stalls).toEqual([]);
  setBusy(false);
  await pass(100, false);
  expect(stalls).toEqual(['stalled: the Kafka consumer has not fetched for 1000 ms']);
  stop();
  expect(jest.getTimerCount()).toBe(0);
});

test('a partition with messages that does not move has stalled', async () => {
  const { watchdog, bounds, stalls, pass, stop } = createTest();
  watchdog.reading(new Map([[0, 5n]]));
  bounds.set(0, { low: 0, high: 5 });
  await pass(2_000);
  expect(stalls).toEqual([]);
  bounds.set(0, { low: 0, high: 6 });
  await pass(500);
  expect(stalls).toEqual(['stalled: partition 0 of "sensors" has messages, but none arrived for 1000 ms']);
  stop();
});
