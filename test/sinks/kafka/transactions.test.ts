import type { ICustomPartitioner, Kafka, Message, PartitionMetadata, ProducerConfig } from 'kafkajs';
import { FencedError } from '../../../src/errors';
import { createTransactionalSink } from '../../../src/sinks/kafka/transactions';
import type { DetectionBatch } from '../../../src/sinks/sink';

type Partitioner = ReturnType<ICustomPartitioner>;
const onePartition = [{ partitionId: 0, leader: 1 } as PartitionMetadata];

const broken = (type: string) => Object.assign(new Error(type), { type });

/** A cluster with one group; steps of transactions fail as scripted, and a lost answer may still commit. */
function createTest({ transactionTimeoutMs = 60_000 } = {}) {
  const calls: string[] = [];
  const results: string[] = [];
  const failures = new Map<string, Error[]>();
  let committed = '-1';
  let commitsAnyway = false;
  let producers = 0;
  let hanging: string | undefined;

  async function step(name: string, detail = ''): Promise<void> {
    await Promise.resolve();
    calls.push(`${name} ${detail}`.trim());
    if (name === hanging) await new Promise(() => undefined);
    const failure = failures.get(name)?.shift();
    if (failure !== undefined) throw failure;
  }
  const transaction = (partitioner: Partitioner, pending = '') => ({
    isActive: () => true,
    async sendOffsets({ topics }: { topics: { partitions: { offset: string }[] }[] }) {
      const { offset } = topics[0]!.partitions[0]!;
      await step('offsets', offset);
      pending = offset;
    },
    async sendBatch({ topicMessages }: { topicMessages: { topic: string; messages: Message[] }[] }) {
      for (const { topic, messages } of topicMessages)
        for (const message of messages) partitioner({ topic, partitionMetadata: onePartition, message });
      await step('send', String(topicMessages.flatMap(({ messages }) => messages).length));
      return [{}];
    },
    async commit() {
      if (commitsAnyway) committed = pending;
      await step('commit');
      committed = pending;
    },
    abort: () => step('abort'),
  });
  const kafka = {
    producer: ({ transactionalId, createPartitioner }: ProducerConfig) => ({
      connect: () => step('open', `${transactionalId} #${++producers}`),
      disconnect: () => Promise.resolve(),
      transaction: () => Promise.resolve(transaction(createPartitioner!())),
    }),
    admin: () => ({
      connect: () => Promise.resolve(),
      disconnect: () => Promise.resolve(),
      fetchOffsets: () => Promise.resolve([{ partitions: [{ partition: 0, offset: committed }] }]),
    }),
  };
  const sink = createTransactionalSink({
    kafka: kafka as unknown as Kafka,
    settings: { detectionsTopic: 'd', deadLetterTopic: 'l', emit: 'all' },
    groupId: 'g',
    transactionTimeoutMs,
    onTransaction: (result) => results.push(result),
  });
  return {
    sink,
    calls,
    results,
    fail: (name: string, ...errors: Error[]) => failures.set(name, errors),
    hangIn: (name: string | undefined) => (hanging = name),
    loseAnswers: () => (commitsAnyway = true),
    setCommitted: (offset: string) => (committed = offset),
  };
}

/** Dead letters of the records from one offset up to another. */
function batchOf(from: number, to: number, committed = from === 0 ? -1 : from): DetectionBatch {
  const deadLetters = Array.from({ length: to - from }, (_, i) => ({
    detector: 'pump',
    reason: 'not_json' as const,
    message: 'not JSON',
    origin: { topic: 't', partition: 0, offset: String(from + i) },
    key: null,
    value: Buffer.from('x'),
  }));
  const advance = {
    topic: 't',
    partition: 0,
    committed: BigInt(committed),
    from: BigInt(from),
    to: BigInt(to),
  };
  return { detections: [], events: [], deadLetters, advance };
}

test('a batch and its offset are written in one transaction', async () => {
  const { sink, calls, results } = createTest();
  await sink.fence('t', [0]);
  await sink.write(batchOf(0, 1));
  await sink.write(batchOf(1, 3));
  expect(calls).toEqual(['open g/t/0 #1', 'offsets 1', 'send 1', 'commit', 'offsets 3', 'send 2', 'commit']);
  expect(results).toEqual(['committed', 'committed']);
});

test('offsets are sent again while the broker finishes the previous transaction', async () => {
  const { sink, calls, fail } = createTest();
  await sink.fence('t', [0]);
  fail('offsets', broken('CONCURRENT_TRANSACTIONS'), broken('CONCURRENT_TRANSACTIONS'));
  await sink.write(batchOf(0, 1));
  expect(calls.filter((call) => call.startsWith('offsets'))).toHaveLength(3);
});

test('a transaction whose answer is lost is not written again if it was committed', async () => {
  const { sink, calls, fail, loseAnswers } = createTest();
  await sink.fence('t', [0]);
  fail('commit', new Error('timeout'));
  loseAnswers();
  await expect(sink.write(batchOf(0, 2))).rejects.toThrow('timeout');
  calls.length = 0;
  await sink.write(batchOf(0, 2));
  expect(calls).toEqual(['open g/t/0 #2']);
});

test('a transaction that was aborted is written again', async () => {
  const { sink, calls, results, fail } = createTest();
  await sink.fence('t', [0]);
  fail('commit', new Error('timeout'));
  await expect(sink.write(batchOf(0, 2))).rejects.toThrow('timeout');
  calls.length = 0;
  await sink.write(batchOf(0, 2));
  expect(calls).toEqual(['open g/t/0 #2', 'offsets 2', 'send 2', 'commit']);
  expect(results).toEqual(['failed', 'committed']);
});

test.each(['offsets', 'send', 'commit', 'abort'])(
  'a transaction that waits without end in %s is given up after its time, and written again',
  async (name) => {
    const { sink, calls, results, hangIn, fail } = createTest({ transactionTimeoutMs: 50 });
    await sink.fence('t', [0]);
    hangIn(name);
    if (name === 'abort') fail('send', broken('NOT_LEADER_FOR_PARTITION'));
    await expect(sink.write(batchOf(0, 1))).rejects.toThrow(
      /a transaction of t\/0 has not ended within 0\.05 s/,
    );
    expect(results).toEqual(['failed']);
    hangIn(undefined);
    calls.length = 0;
    await sink.write(batchOf(0, 1));
    expect(calls).toEqual(['open g/t/0 #2', 'offsets 1', 'send 1', 'commit']);
    expect(results).toEqual(['failed', 'committed']);
  },
);

test('a group that another process has moved is fenced', async () => {
  const { sink, results, fail, setCommitted } = createTest();
  await sink.fence('t', [0]);
  fail('commit', new Error('timeout'));
  await expect(sink.write(batchOf(0, 2))).rejects.toThrow('timeout');
  setCommitted('7');
  await expect(sink.write(batchOf(0, 2))).rejects.toThrow(FencedError);
  expect(results).toEqual(['failed', 'fenced']);
});

test.each([
  ['before the committed offset', batchOf(3, 6)],
  ['after an offset that this process has not seen', batchOf(6, 8, 6)],
])('a batch %s is fenced', async (_, batch) => {
  const { sink, setCommitted } = createTest();
  setCommitted('5');
  await sink.fence('t', [0]);
  await expect(sink.write(batch)).rejects.toThrow(FencedError);
});

test('a partition that is not assigned to the process is fenced', async () => {
  const { sink } = createTest();
  await sink.fence('t', [0]);
  await sink.fence('t', []);
  await expect(sink.write(batchOf(0, 1))).rejects.toThrow('t/0 is not assigned to this process');
});

test('what the broker refuses for its size is written in smaller requests of another transaction', async () => {
  const { sink, calls, fail } = createTest();
  await sink.fence('t', [0]);
  await sink.write(batchOf(0, 1));
  calls.length = 0;
  fail('send', broken('MESSAGE_TOO_LARGE'));
  await sink.write(batchOf(1, 3));
  expect(calls).toEqual([
    'offsets 3',
    'send 2',
    'abort',
    'open g/t/0 #2',
    'offsets 3',
    'send 1',
    'send 1',
    'commit',
  ]);
});
