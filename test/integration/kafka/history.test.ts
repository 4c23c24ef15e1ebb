import type { Kafka } from 'kafkajs';
import { createKafkaHistory } from '../../../src/sources/kafka-history';
import type { Message } from '../../../src/sources/source';
import { startBroker } from './broker';
import type { TestBroker } from './broker';

jest.setTimeout(60_000);

let broker: TestBroker;

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterAll(() => broker.remove());

const epoch = Date.UTC(2026, 0, 1);
const read = async (topic: string, range: { from?: number; to?: number; maxRecords?: number } = {}) => {
  const history = createKafkaHistory({
    kafka: broker.client(),
    settings: { topic, groupId: 'live' },
    chunkRecords: 100,
    idleTimeoutMs: 3_000,
  });
  const messages: Message[] = [];
  for await (const chunk of history({
    from: range.from,
    to: range.to,
    maxRecords: range.maxRecords ?? 1_000_000,
  })) {
    expect(chunk.length).toBeLessThanOrEqual(100);
    messages.push(...chunk);
  }
  return messages;
};
const minutes = (messages: readonly Message[]) =>
  messages.map(({ timestamp }) => (timestamp - epoch) / 60_000);

/** One message a minute from the epoch on, in turn over the partitions. */
async function fill(partitions: number, count: number): Promise<string> {
  // The times lie back further than retention would keep them.
  const topic = await broker.createTopic({ partitions, config: { 'retention.ms': '-1' } });
  await broker.produce(
    topic,
    Array.from({ length: count }, (_, i) => ({
      partition: i % partitions,
      value: String(i),
      timestamp: String(epoch + i * 60_000),
    })),
  );
  return topic;
}

test('reads the messages of a span of time, in order within each partition, its end exclusive', async () => {
  const topic = await fill(2, 600);
  const messages = await read(topic, { from: epoch + 100 * 60_000, to: epoch + 200 * 60_000 });
  expect([...minutes(messages)].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 100 }, (_, i) => 100 + i),
  );
  for (const partition of [0, 1]) {
    const own = minutes(messages.filter((m) => m.origin.partition === partition));
    expect(own).toEqual([...own].sort((a, b) => a - b));
  }
  expect(messages.every(({ refill }) => !refill)).toBe(true);
  expect(messages[0]!.origin.topic).toBe(topic);
});

test('keeps the newest when there are more than wanted', async () => {
  const topic = await fill(3, 900);
  const messages = await read(topic, { maxRecords: 90 });
  expect([...minutes(messages)].sort((a, b) => a - b)).toEqual(Array.from({ length: 90 }, (_, i) => 810 + i));
});

test('an empty topic, and a span without messages, end at once', async () => {
  expect(await read(await broker.createTopic({ partitions: 2 }))).toEqual([]);
  const topic = await fill(1, 10);
  expect(await read(topic, { from: epoch + 3_600_000 })).toEqual([]);
  expect(await read(topic, { to: epoch })).toEqual([]);
});

test('ends where markers of transactions lie behind the last message', async () => {
  const topic = await broker.createTopic();
  const producer = broker
    .client()
    .producer({ transactionalId: 'writer', idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (const [value, keep] of [
    ['a', true],
    ['b', false],
    ['c', true],
    ['d', false],
  ] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value }] });
    await (keep ? transaction.commit() : transaction.abort());
  }
  await producer.disconnect();
  const began = Date.now();
  expect((await read(topic)).map(({ value }) => String(value))).toEqual(['a', 'c']);
  expect(Date.now() - began).toBeLessThan(3_000);
});

test('leaves out what an open transaction holds back', async () => {
  const topic = await fill(1, 5);
  const producer = broker
    .client()
    .producer({ transactionalId: 'sleeper', idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ value: 'held' }] });
  expect(await read(topic)).toHaveLength(5);
  await transaction.abort();
  await producer.disconnect();
});

test('ends after a while when the last offsets never come', async () => {
  const topic = await fill(1, 5);
  const client = broker.client();
  const promising = {
    consumer: client.consumer.bind(client),
    admin() {
      const admin = client.admin();
      return { ...admin, fetchTopicOffsets: () => Promise.resolve([{ partition: 0, low: '0', high: '8' }]) };
    },
  } as unknown as Kafka;
  const history = createKafkaHistory({
    kafka: promising,
    settings: { topic, groupId: 'live' },
    idleTimeoutMs: 1_000,
  });
  let messages = 0;
  for await (const chunk of history({ from: undefined, to: undefined, maxRecords: 100 }))
    messages += chunk.length;
  expect(messages).toBe(5);
});

test('leaves no group behind, neither after the end nor when the reader turns away', async () => {
  const topic = await fill(2, 500);
  await read(topic, { maxRecords: 10 });
  const history = createKafkaHistory({
    kafka: broker.client(),
    settings: { topic, groupId: 'live' },
    chunkRecords: 10,
  });
  for await (const chunk of history({ from: undefined, to: undefined, maxRecords: 400 })) {
    expect(chunk.length).toBe(10);
    break;
  }
  const admin = broker.client().admin();
  await admin.connect();
  const { groups } = await admin.listGroups();
  await admin.disconnect();
  expect(groups.filter(({ groupId }) => groupId.includes('history'))).toEqual([]);
});

test('rejects when the topic is not there', async () => {
  await expect(read('never-made')).rejects.toThrow();
});
