import { ChunkSize, createConsumption, type ConsumptionParts } from '../../../src/sources/kafka/consumption';
import type { AssignedPartition, Chunk, Deliver } from '../../../src/sources/kafka/delivery';
import { TopicProgress } from '../../../src/sources/kafka/progress';
import { createFakeKafka, payloadOf, topic, type BatchOptions } from './fake-kafka';

function createTest({ maxBatchRecords = 100, liveFrom = 0n, next = 0n } = {}) {
  const { kafka, bounds } = createFakeKafka();
  const events: string[] = [];
  const progress = new TopicProgress();
  const chunks: Chunk[] = [];
  const assigned = new Map<number, AssignedPartition>();
  const assign = () =>
    assigned.set(0, {
      partition: 0,
      assignment: { from: next, liveFrom, after: undefined, processedBefore: false },
      next,
      accepted: false,
    });
  assign();
  let onDelivery: (membership: Parameters<Deliver>[1]) => Promise<boolean> = () => Promise.resolve(true);
  const commits: ConsumptionParts['commits'] = {
    handled: (partition, offset) => void events.push(`handled ${partition}:${offset}`),
    flush: () => Promise.resolve(void events.push('flush')),
    flushIfDue: () => Promise.resolve(),
  };
  const consume = createConsumption({
    settings: { topic, maxBatchRecords, sessionTimeoutMs: 6_000 },
    admin: kafka.admin(),
    observer: {
      error: ({ message }) => void events.push(message),
      info: () => undefined,
      gap: (missing) => void events.push(`gap ${missing}`),
    },
    progress,
    watchdog: { moved: (partition, offset) => void events.push(`moved ${partition}:${offset}`) },
    commits,
    deliver(chunk, membership) {
      chunks.push(chunk);
      return onDelivery(membership);
    },
    assigned: (partition) => assigned.get(partition),
    onSetBack: () => void events.push('set back'),
  });
  return {
    consume: (offsets: number[], options?: BatchOptions) => consume(payloadOf(0, offsets, events, options)),
    whenDelivering: (given: typeof onDelivery) => (onDelivery = given),
    assign,
    assigned,
    bounds,
    chunks,
    events,
    progress,
  };
}

test('a batch is delivered in chunks, and each one is acknowledged', async () => {
  const { consume, chunks, events, progress } = createTest({ maxBatchRecords: 2 });
  await consume([0, 1, 2], { lastOffset: 4 });
  expect(chunks.map(({ messages, next, lag }) => [messages.length, next, lag])).toEqual([
    [2, 2n, 3],
    // The offsets after the last message are transaction markers.
    [1, 5n, 2],
  ]);
  expect(events).toEqual(['moved 0:2', 'resolve 1', 'handled 0:2', 'moved 0:5', 'resolve 2', 'handled 0:5']);
  expect(progress.of(0)?.position).toBe(5n);
});

test('warm-up is acknowledged to kafkajs, and not to the group', async () => {
  const { consume, events, progress } = createTest({ liveFrom: 5n });
  await consume([0, 1]);
  expect(events).toEqual(['moved 0:2', 'resolve 1']);
  expect(progress.of(0)).toBeUndefined();
});

test('a batch of a partition that is not assigned is ignored', async () => {
  const { consume, assigned, chunks } = createTest();
  assigned.clear();
  await consume([0, 1]);
  expect(chunks).toEqual([]);
});

test('a message before the next offset ends the session', async () => {
  const { consume, events, chunks } = createTest({ next: 3n });
  await consume([0, 1]);
  expect(events).toEqual(['set back']);
  expect(chunks).toEqual([]);
});

test('messages that retention has removed are counted once, and the window has a gap', async () => {
  const { consume, bounds, chunks, events } = createTest({ maxBatchRecords: 1, liveFrom: 2n });
  bounds.set(0, { low: 6, high: 10 });
  await consume([6, 7]);
  // Offsets 2 to 5; the two before are warm-up.
  expect(events[0]).toBe('gap 4');
  expect(chunks.map(({ gap }) => gap)).toEqual([true, false]);
});

test('a hole in the log is no gap', async () => {
  const { consume, bounds, chunks, events } = createTest();
  bounds.set(0, { low: 0, high: 10 });
  await consume([6, 7]);
  expect(chunks.map(({ gap }) => gap)).toEqual([false]);
  expect(events.filter((event) => event.startsWith('gap'))).toEqual([]);
});

test('detections of an outdated assignment count as progress, but are not committed', async () => {
  const { consume, whenDelivering, assign, events, progress } = createTest();
  whenDelivering(() => {
    assign();
    return Promise.resolve(true);
  });
  await consume([0, 1]);
  expect(progress.of(0)?.position).toBe(2n);
  expect(events).toEqual(['moved 0:2']);
});

test('a failed heartbeat is passed to kafkajs after the chunk, with the handled offsets committed', async () => {
  const { consume, whenDelivering, events, chunks } = createTest({ maxBatchRecords: 1 });
  const failure = new Error('rebalance in progress');
  whenDelivering(async (membership) => {
    if (membership.isLost()) return false;
    await membership.check();
    return true;
  });
  await expect(consume([0, 1], { heartbeat: () => Promise.reject(failure) })).rejects.toBe(failure);
  expect(chunks).toHaveLength(2);
  expect(events).toEqual(['moved 0:1', 'resolve 0', 'handled 0:1', 'flush']);
});

test('heartbeats are sent while a chunk is in progress, and none afterwards', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask'] });
  try {
    const { consume, whenDelivering } = createTest();
    let beats = 0;
    whenDelivering(() => {
      jest.advanceTimersByTime(3_500);
      return Promise.resolve(true);
    });
    await consume([0], { heartbeat: () => Promise.resolve(void (beats += 1)) });
    expect(beats).toBe(3);
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

describe('the size of a chunk', () => {
  test('grows to the limit while chunks are quick', () => {
    const size = new ChunkSize(1_000, 5_000);
    const sizes = Array.from({ length: 6 }, () => {
      const now = size.current();
      size.took(now, 10);
      return now;
    });
    expect(sizes).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  test('shrinks at once to what fits into the time, down to one record', () => {
    const size = new ChunkSize(1_000, 5_000);
    // A hundred images of 300 ms.
    size.took(100, 30_000);
    expect(size.current()).toBe(16);
    size.took(16, 4_800);
    expect(size.current()).toBe(16);
    size.took(1, 60_000);
    expect(size.current()).toBe(1);
    size.took(1, 10);
    expect(size.current()).toBe(2);
  });

  test('does not grow by chunks that are cut short', () => {
    const size = new ChunkSize(1_000, 5_000);
    size.took(3, 1);
    expect(size.current()).toBe(100);
    expect(new ChunkSize(50, 5_000).current()).toBe(50);
  });
});
