import { createRequire } from 'node:module';
import { installedKafkajs } from '../../../src/kafka/patches/installed';
import { requestQueuePatch } from '../../../src/kafka/patches/request-queue';

interface Queue {
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: unknown;
  scheduleCheckPendingRequests(): void;
  checkPendingRequests(): void;
}

const RequestQueue = createRequire(__filename)('kafkajs/src/network/requestQueue') as new (
  options: object,
) => Queue;
const createQueue = () =>
  new RequestQueue({
    maxInFlightRequests: null,
    logger: { debug: () => undefined },
    clientId: 'c',
    broker: 'b',
  });

beforeEach(() => {
  expect(requestQueuePatch.apply(installedKafkajs)).toBe(true);
  jest.useFakeTimers();
});
afterEach(() => jest.useRealTimers());

test('a second patch changes nothing', () => {
  expect(requestQueuePatch.apply(installedKafkajs)).toBe(true);
});

test('no timer runs while no request is pending', () => {
  const queue = createQueue();
  queue.scheduleCheckPendingRequests();
  queue.checkPendingRequests();
  expect(jest.getTimerCount()).toBe(0);
});

test('a pending request is checked after 10 ms, or when throttling ends', () => {
  const queue = createQueue();
  let checks = 0;
  queue.checkPendingRequests = () => {
    checks++;
  };
  queue.pending.push({});
  queue.scheduleCheckPendingRequests();
  queue.scheduleCheckPendingRequests();
  expect(jest.getTimerCount()).toBe(1);
  jest.advanceTimersByTime(10);
  expect(checks).toBe(1);

  queue.throttledUntil = Date.now() + 500;
  queue.scheduleCheckPendingRequests();
  jest.advanceTimersByTime(499);
  expect(checks).toBe(1);
  jest.advanceTimersByTime(1);
  expect(checks).toBe(2);
});
