import { createRequire } from 'node:module';
import type { Message, PartitionMetadata, Producer, ProducerBatch } from 'kafkajs';
import { Partitioning, sendToPartition, type Addressed } from '../../../src/sinks/kafka/partitioning';

const load = createRequire(__filename);
const createSendMessages = load('kafkajs/src/producer/sendMessages') as (
  parts: object,
) => Producer['sendBatch'];
const createRetry = load('kafkajs/src/retry') as (options: object) => unknown;

type Produced = { topic: string; partitions: { partition: number; messages: Message[] }[] }[];

const text = (value: Message['value']) => String(value);
const valuesOf = (messages: readonly Message[]) => messages.map(({ value }) => text(value));

/** kafkajs' producer with two brokers, and a topic `t` of two partitions that are led by one broker each. */
function createTest(partitioning: Partitioning) {
  const leaders = [1, 2];
  /** Values in the log of each partition. */
  const logs: string[][] = [[], []];
  /** What a broker does before it answers; by default nothing. */
  const before = new Map<number, () => Promise<void> | void>();
  const broker = (nodeId: number) => ({
    nodeId,
    async produce({ topicData }: { topicData: Produced }) {
      const [{ topic, partitions }] = topicData as [Produced[number]];
      for (const { partition, messages } of partitions) {
        if (leaders[partition] !== nodeId) throw Object.assign(new Error(), staleLeader);
        logs[partition]!.push(...valuesOf(messages));
      }
      await before.get(nodeId)?.();
      return {
        topics: [{ topicName: topic, partitions: partitions.map(({ partition }) => ({ partition })) }],
      };
    },
  });
  const staleLeader = { name: 'KafkaJSProtocolError', type: 'NOT_LEADER_FOR_PARTITION', retriable: true };
  const brokers = [1, 2].map(broker);
  /** Leaders as the client knows them. */
  let seen = [...leaders];
  const sendBatch = createSendMessages({
    logger: { debug: () => undefined, error: () => undefined },
    cluster: {
      isConnected: () => true,
      addMultipleTargetTopics: () => Promise.resolve(),
      refreshMetadataIfNecessary: () => Promise.resolve(),
      refreshMetadata: () => Promise.resolve((seen = [...leaders])),
      findTopicPartitionMetadata: () =>
        seen.map((leader, partitionId) => ({ partitionId, leader }) as PartitionMetadata),
      findLeaderForPartitions: (_: string, partitions: string[]) => {
        const result: Record<number, number[]> = {};
        for (const partition of partitions.map(Number)) {
          const leader = seen[partition];
          if (leader !== undefined) (result[leader] ??= []).push(partition);
        }
        return result;
      },
      findBroker: ({ nodeId }: { nodeId: string }) => Promise.resolve(brokers[Number(nodeId) - 1]),
    },
    partitioner: partitioning.createPartitioner(),
    eosManager: {
      acquireBrokerLock: () => Promise.resolve(),
      releaseBrokerLock: () => Promise.resolve(),
      isTransactional: () => false,
      getSequence: () => 0,
      updateSequence: () => undefined,
      getProducerId: () => 1,
      getProducerEpoch: () => 0,
    },
    retrier: createRetry({ initialRetryTime: 1, maxRetryTime: 5, retries: 5 }),
  });
  return { sendBatch, leaders, logs, before };
}

const messageOf = (value: string, partition?: number) => ({
  topic: 't',
  message: { key: value, value, ...(partition !== undefined && { partition }) } as Message,
});
const batchOf = (messages: readonly { message: Message }[]): ProducerBatch => ({
  acks: -1,
  topicMessages: [{ topic: 't', messages: messages.map(({ message }) => message) }],
});

/** Sends as the sinks do. */
async function sendAll(partitioning: Partitioning, test: ReturnType<typeof createTest>, values: string[]) {
  const messages = values.map((value, i) => messageOf(value, i % 2));
  for (const round of partitioning.rounds(messages))
    await Promise.all(round.map((group) => sendToPartition(test, batchOf(group))));
}

describe('the partition of one broker moves to another one', () => {
  const move = ({ leaders }: ReturnType<typeof createTest>) => (leaders[1] = 1);

  test('kafkajs loses messages of a request with several partitions', async () => {
    const test = createTest(new Partitioning());
    move(test);
    await test.sendBatch(batchOf([messageOf('a', 0), messageOf('b', 1)]));
    // The day kafkajs sends both, requests may have several partitions.
    expect(test.logs).toEqual([['a'], []]);
  });

  test('with requests of one partition all of them are sent once', async () => {
    const partitioning = new Partitioning();
    const test = createTest(partitioning);
    move(test);
    await sendAll(partitioning, test, ['a', 'b', 'c', 'd']);
    expect(test.logs).toEqual([
      ['a', 'c'],
      ['b', 'd'],
    ]);
  });
});

describe('a broker answers slowly while the partition of another one moves', () => {
  const prepare = (test: ReturnType<typeof createTest>) => {
    test.leaders[1] = 1;
    test.before.set(1, () => new Promise((resolve) => setTimeout(resolve, 100)));
  };

  test('kafkajs doubles messages of a request with several partitions', async () => {
    const test = createTest(new Partitioning());
    prepare(test);
    await test.sendBatch(batchOf([messageOf('a', 0), messageOf('b', 1)]));
    expect(test.logs).toEqual([['a', 'a'], ['b']]);
  });

  test('with requests of one partition all of them are sent once', async () => {
    const partitioning = new Partitioning();
    const test = createTest(partitioning);
    prepare(test);
    await sendAll(partitioning, test, ['a', 'b', 'c', 'd']);
    expect(test.logs).toEqual([
      ['a', 'c'],
      ['b', 'd'],
    ]);
  });
});

test('a message keeps its partition, and messages of a partition their order', () => {
  const partitioning = new Partitioning();
  const partitionMetadata = [0, 1, 2].map((partitionId) => ({ partitionId, leader: 1 }) as PartitionMetadata);
  const choose = partitioning.createPartitioner();
  const bare: Message = { value: 'x' };
  const first = choose({ topic: 't', partitionMetadata, message: bare });
  for (let i = 0; i < 5; i++) expect(choose({ topic: 't', partitionMetadata, message: bare })).toBe(first);
  const messages = Array.from({ length: 40 }, (_, i): Addressed => ({
    topic: 't',
    message: { key: `device-${i % 7}`, value: String(i) },
  }));
  const rounds = [...partitioning.rounds(messages)];
  expect(rounds).toHaveLength(1);
  for (const group of rounds[0]!) {
    expect(new Set(group.map(({ message }) => message.partition)).size).toBe(1);
    const numbers = valuesOf(group.map(({ message }) => message)).map(Number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  }
  expect(new Set(rounds[0]!.map(([one]) => one!.message.partition)).size).toBe(rounds[0]!.length);
  expect(rounds.flat(2)).toHaveLength(40);
});

test('the first message of a topic with unknown partitions is sent alone', () => {
  const partitioning = new Partitioning();
  const messages = ['a', 'b', 'c'].map((topic) =>
    [0, 1].map((i): Addressed => ({ topic, message: { value: `${i}` } })),
  );
  const [firsts, ...others] = [...partitioning.rounds(messages.flat())];
  expect(firsts).toEqual(messages.map(([first]) => [first]));
  expect(others.flat(2)).toEqual(messages.map(([, second]) => second));
  expect([...partitioning.rounds([])]).toEqual([]);
});

test('a partition that the topic does not have is an error', async () => {
  const test = createTest(new Partitioning());
  await expect(sendToPartition(test, batchOf([messageOf('a', 7)]))).rejects.toThrow(
    'no broker leads the partition of t',
  );
  expect(test.logs).toEqual([[], []]);
});
