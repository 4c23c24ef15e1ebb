/** Every way in which kafkajs stops for good: the source restarts it and reports the reason. */
import { createRequire } from 'node:module';
import { CompressionCodecs, CompressionTypes, KafkaJSNonRetriableError, Partitioners } from 'kafkajs';
import type { Consumer, Kafka } from 'kafkajs';
import { createLazyCodec } from '../../../src/kafka/compression';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { readProgress, untilCommitted } from './readings';
import { numbered, range, startConsuming, stopConsuming, valuesOf } from './consuming';

jest.setTimeout(240_000);

let broker: TestBroker;

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterEach(stopConsuming);
afterAll(() => broker.remove());

/** Internals of kafkajs that tests change. */
function internals() {
  const load = createRequire(__filename);
  const Broker = load('kafkajs/src/broker') as {
    prototype: { fetch: (...args: unknown[]) => Promise<unknown> };
  };
  const { KafkaJSOffsetOutOfRange: OffsetOutOfRange } = load('kafkajs/src/errors') as {
    KafkaJSOffsetOutOfRange: new (cause: object, where: { topic: string; partition: number }) => Error;
  };
  return { Broker, OffsetOutOfRange };
}

type Consuming = ReturnType<typeof startConsuming>;
const untilReady = ({ source }: Consuming) => until('the source to be ready', () => source.ready().ready);

async function produceCompressed(topic: string, messages: { value: string }[]): Promise<void> {
  const producer = broker.client().producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  await producer.send({ topic, messages, compression: CompressionTypes.GZIP });
  await producer.disconnect();
}

async function remakeTopic(topic: string, absentMs: number): Promise<void> {
  const admin = broker.client().admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await new Promise((resolve) => setTimeout(resolve, absentMs));
  await until('the topic to be recreated', () =>
    admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true }).catch(() => false),
  );
  await admin.disconnect();
}

/** A client whose consumers are visible to the test. */
function watched(): { kafka: Kafka; consumers: Consumer[] } {
  const client = broker.client();
  const consumers: Consumer[] = [];
  const kafka = {
    admin: () => client.admin(),
    consumer(options: Parameters<Kafka['consumer']>[0]) {
      const consumer = client.consumer(options);
      consumers.push(consumer);
      return consumer;
    },
  } as unknown as Kafka;
  return { kafka, consumers };
}

test.each([
  [
    'a codec whose package cannot be loaded',
    () => () => createLazyCodec('gzip', 'absent', () => Promise.reject(new Error('Cannot find module'))),
  ],
  [
    'an error that is not to be tried again',
    () => () => ({ decompress: () => Promise.reject(new KafkaJSNonRetriableError('damaged')) }),
  ],
])('%s ends kafkajs for good; messages arrive once it exists', async (_, codec) => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(5));
  const consuming = startConsuming(broker, { topic });
  await until('the uncompressed messages', () => consuming.live.length === 5);
  const codecs = CompressionCodecs as Record<number, unknown>;
  const known = CompressionCodecs[CompressionTypes.GZIP];
  try {
    // The producer needs the compressing half; the consumer has no codec from the first message on.
    const { compress } = known() as { compress: unknown };
    const damaged = () => Promise.reject(new KafkaJSNonRetriableError('damaged'));
    codecs[CompressionTypes.GZIP] = () => ({ compress, decompress: damaged });
    await produceCompressed(topic, numbered(5, 5));
    codecs[CompressionTypes.GZIP] = codec();
    await until('two attempts', () => consuming.restarts.length >= 2, 40_000);
    expect(consuming.source.ready().ready).toBe(false);
    expect(consuming.restarts.at(-1)).toBe('crashed');
    expect(consuming.errors.length).toBeLessThan(20);
  } finally {
    codecs[CompressionTypes.GZIP] = known;
  }
  await until('the rest', () => consuming.live.length === 10, 40_000);
  expect(valuesOf(consuming.live)).toEqual(range(10));
  await untilReady(consuming);
});

test.each([
  ['at once', 0, 3],
  ['at once, and is longer than before', 0, 30],
  ['after a while', 3_000, 3],
])('a topic that is deleted and recreated %s is read from its beginning', async (_, absentMs, count) => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(20));
  const consuming = startConsuming(broker, { topic, startFrom: 'latest' });
  await untilReady(consuming);
  await broker.produce(topic, numbered(5, 20));
  await until('the first messages', () => consuming.live.length === 5);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await remakeTopic(topic, absentMs);
  await broker.produce(topic, numbered(count, 100));
  await until('the messages of the new topic', () => consuming.live.length >= 5 + count, 60_000);
  await untilReady(consuming);
  expect(valuesOf(consuming.live).slice(5)).toEqual(range(count).map((i) => 100 + i));
  expect(consuming.gaps).toEqual([]);
  // A restart storm would cause hundreds.
  expect(consuming.errors.length).toBeLessThan(20);
});

test('a lagging replica does not set the group back', async () => {
  const { Broker, OffsetOutOfRange } = internals();
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(20));
  const consuming = startConsuming(broker, { topic });
  const group = { topic, groupId: `group-of-${topic}` };
  await untilCommitted(broker.client(), group);
  const fetch = Broker.prototype.fetch;
  let refusals = 0;
  Broker.prototype.fetch = function (this: unknown, ...args) {
    if (refusals++ > 0) return fetch.apply(this, args);
    const cause = { type: 'OFFSET_OUT_OF_RANGE', code: 1, message: 'not within the range', retriable: false };
    return Promise.reject(new OffsetOutOfRange(cause, { topic, partition: 0 }));
  };
  try {
    await until('the refusal', () => consuming.restarts.length > 0);
  } finally {
    Broker.prototype.fetch = fetch;
  }
  // The group is never set back, not even briefly: another member would start there.
  expect((await readProgress(broker.client(), group)).committed).toEqual(['20']);
  await broker.produce(topic, numbered(5, 20));
  await until('the later messages', () => consuming.live.length >= 25, 40_000);
  await untilReady(consuming);
  expect(valuesOf(consuming.live)).toEqual(range(25));
  expect(consuming.restarts).toEqual(['out_of_range']);
  expect(consuming.gaps).toEqual([]);
});

test('when retention passes an offset that is being fetched, the gap is counted and the rest arrives', async () => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(10));
  const { kafka, consumers } = watched();
  const consuming = startConsuming(broker, { topic }, undefined, { kafka });
  await until('the first', () => consuming.live.length === 10);
  consumers[0]!.pause([{ topic }]);
  await broker.produce(topic, numbered(90, 10));
  const admin = broker.client().admin();
  await admin.connect();
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '60' }] });
  await admin.disconnect();
  consumers[0]!.resume([{ topic }]);
  await until('the remaining messages', () => consuming.live.length === 50);
  expect(consuming.gaps).toEqual([50n]);
  expect(valuesOf(consuming.live).slice(10)).toEqual(range(40).map((i) => 60 + i));
  expect(consuming.restarts).toEqual([]);
});

test('a partition that kafkajs has forgotten to resume is found by its unread messages', async () => {
  const topic = await broker.createTopic({ partitions: 2 });
  const { kafka, consumers } = watched();
  const consuming = startConsuming(broker, { topic }, undefined, { kafka, stallTimeoutMs: 2_000 });
  await untilReady(consuming);
  consumers[0]!.pause([{ topic, partitions: [0] }]);
  // A paused partition without unread messages is no stall.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  expect(consuming.restarts).toEqual([]);
  await broker.produce(topic, [
    { partition: 0, value: '1' },
    { partition: 1, value: '2' },
  ]);
  await until('both', () => consuming.live.length === 2, 40_000);
  expect(consuming.restarts).toEqual(['stalled']);
  expect(consumers).toHaveLength(2);
  expect(consuming.errors.map(({ message }) => message)).toEqual([expect.stringContaining('partition 0 of')]);
});

test('a fetch without an answer ends the consumer, and the old one does nothing afterwards', async () => {
  const { Broker } = internals();
  const fetch = Broker.prototype.fetch;
  const topic = await broker.createTopic();
  const consuming = startConsuming(broker, { topic }, undefined, {
    stallTimeoutMs: 2_000,
    stopTimeoutMs: 1_000,
  });
  await untilReady(consuming);
  const release: (() => void)[] = [];
  Broker.prototype.fetch = async function hangs(this: unknown, ...args) {
    await new Promise<void>((resolve) => release.push(resolve));
    return fetch.apply(this, args);
  };
  try {
    await broker.produce(topic, numbered(10));
    await until('it to be noticed', () => consuming.restarts.length > 0, 30_000);
  } finally {
    Broker.prototype.fetch = fetch;
  }
  await until('the messages', () => consuming.live.length >= 10, 60_000);
  release.forEach((go) => go());
  await broker.produce(topic, numbered(10, 10));
  await until('more', () => consuming.live.length >= 20);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(valuesOf(consuming.live)).toEqual(range(20));
  expect(consuming.restarts[0]).toBe('stalled');
});
