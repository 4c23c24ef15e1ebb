import { TopicProgress } from '../../../src/sources/kafka/progress';
import { runKafkaSession } from '../../../src/sources/kafka/session';
import type { Batch, OffsetCommitter } from '../../../src/sources/source';
import { createFakeKafka, settle, topic } from './fake-kafka';

function createTest({
  committer,
  stopTimeoutMs = 1_000,
}: { committer?: OffsetCommitter; stopTimeoutMs?: number } = {}) {
  const fake = createFakeKafka();
  fake.bounds.set(0, { low: 0, high: 10 });
  fake.bounds.set(1, { low: 0, high: 10 });
  const stop = new AbortController();
  const errors: string[] = [];
  const reports: string[] = [];
  const batches: Batch[] = [];
  const progress = new TopicProgress();
  let handle: (batch: Batch) => Promise<void> = () => Promise.resolve();
  const ended = runKafkaSession({
    kafka: fake.kafka,
    settings: {
      topic,
      groupId: 'g',
      startFrom: 'earliest',
      warmUpRecords: 0,
      maxBatchRecords: 100,
      sessionTimeoutMs: 6_000,
    },
    observer: {
      error: ({ message }) => void errors.push(message),
      info: () => undefined,
      gap: () => undefined,
    },
    handle(batch) {
      batches.push(batch);
      return handle(batch);
    },
    progress,
    restorePoints: {
      keepOnly: () => undefined,
      restorePoint: () => Promise.resolve(undefined),
      save: (partition, committed) => Promise.resolve(void fake.calls.push(`save ${partition}:${committed}`)),
    },
    committer,
    signal: stop.signal,
    stopTimeoutMs,
    commitIntervalMs: 60_000,
    maxBackOffMs: 1,
    stallTimeoutMs: 60_000,
    report: (ready, reason) => void reports.push(`${ready ? 'ready' : 'not ready'}: ${reason}`),
  });
  ended.catch(() => undefined);
  return {
    ...fake,
    stop: () => stop.abort(),
    ended,
    errors,
    reports,
    batches,
    progress,
    whenHandling: (given: typeof handle) => (handle = given),
  };
}

test('a session joins, starts its partitions, delivers, commits, and stops', async () => {
  const { calls, reports, batches, join, deliver, committed, stop, ended } = createTest();
  committed.set(0, 4);
  await settle();
  join(0);
  await settle();
  await deliver(0, [4, 5]);
  stop();
  await ended;
  expect(batches).toHaveLength(1);
  expect(calls).toEqual([
    'connect',
    'subscribe',
    'run',
    'pause 0',
    'fetchOffsets',
    'seek 0:4',
    'resume 0',
    'resolve 5',
    'pause',
    'commit 0:6',
    'save 0:6',
    'disconnect',
  ]);
  expect(reports).toEqual([
    'not ready: connecting to Kafka',
    'not ready: joining the group',
    'not ready: reading the committed offsets',
    'ready: partitions assigned',
  ]);
});

test('planning is repeated until it succeeds; no message flows meanwhile', async () => {
  const { calls, errors, join, failures, stop, ended } = createTest();
  failures.set('fetchOffsets', new Error('no coordinator'));
  await settle();
  join(0);
  await settle();
  expect(calls.filter((call) => call.startsWith('resume'))).toEqual([]);
  expect(errors).toContain('partition assignment failed');
  failures.clear();
  while (!calls.includes('resume 0')) await new Promise((resolve) => setTimeout(resolve, 1));
  stop();
  await ended;
});

test('an assignment that is replaced during planning does not start', async () => {
  const { calls, join, stop, ended } = createTest();
  await settle();
  join(0);
  join(1);
  await settle();
  expect(calls.filter((call) => /^(seek|resume)/.test(call))).toEqual(['seek 1:0', 'resume 1']);
  stop();
  await ended;
});

test('a rebalance commits handled offsets, and none that are handled later', async () => {
  const { calls, join, rebalance, deliver, whenHandling, progress, stop, ended } = createTest();
  await settle();
  join(0, 1);
  await settle();
  await deliver(0, [0, 1]);
  rebalance();
  await settle();
  expect(calls.filter((call) => call.startsWith('commit')).at(-1)).toBe('commit 0:2');
  let finish = (): void => undefined;
  whenHandling(() => new Promise<void>((resolve) => (finish = resolve)));
  const late = deliver(1, [0, 1, 2]);
  await settle();
  join(0);
  await settle();
  // The next assignment waits for the batch in progress, whose detections move the progress.
  expect(calls.at(-1)).toBe('pause 0');
  finish();
  await late;
  await settle();
  expect(progress.of(1)?.position).toBe(3n);
  expect(calls.at(-1)).toBe('resume 0');
  stop();
  await ended;
  expect(calls.filter((call) => call.startsWith('commit')).join()).not.toContain('1:3');
});

test('the start offset is committed with the fence before the partition starts', async () => {
  const calls: string[] = [];
  const committer: OffsetCommitter = {
    fence: (partitions) => Promise.resolve(void calls.push(`fence ${partitions.join()}`)),
    commitStartOffset: (partition, offset) =>
      Promise.resolve(void calls.push(`start ${partition}:${offset}`)),
  };
  const test = createTest({ committer });
  await settle();
  test.join(0);
  await settle();
  await test.deliver(0, [0, 1]);
  expect(test.batches[0]).toMatchObject({ committed: 0n, next: 2n });
  test.stop();
  await test.ended;
  expect(calls).toEqual(['fence 0', 'start 0:0']);
  expect(test.calls.filter((call) => call.startsWith('commit'))).toEqual([]);
});

test('a crash of the consumer ends the session with its reason, after the consumer is disconnected', async () => {
  const { calls, join, crash, ended } = createTest();
  await settle();
  join(0);
  await settle();
  crash(Object.assign(new Error('no broker'), { name: 'KafkaJSNumberOfRetriesExceeded' }));
  await expect(ended).rejects.toMatchObject({ reason: 'unreachable' });
  expect(calls.at(-1)).toBe('disconnect');
});

test('a failed connection ends the session with the error of kafkajs', async () => {
  const { failures, ended } = createTest();
  const failure = new Error('refused');
  failures.set('connect', failure);
  await expect(ended).rejects.toBe(failure);
});

test('a batch that does not finish before the timeout is abandoned', async () => {
  const { calls, errors, join, deliver, whenHandling, stop, ended } = createTest({ stopTimeoutMs: 20 });
  await settle();
  join(0);
  await settle();
  whenHandling(() => new Promise(() => undefined));
  const late = deliver(0, [0, 1]);
  await settle();
  stop();
  await ended;
  await late;
  expect(errors).toEqual(['batch did not finish before the shutdown timeout; it will be redelivered']);
  expect(calls.at(-1)).toBe('disconnect');
});

test('a join after the stop is paused and starts nothing', async () => {
  const { calls, join, stop, ended } = createTest();
  await settle();
  stop();
  await ended;
  join(0);
  await settle();
  expect(calls.at(-1)).toBe('pause 0');
});
