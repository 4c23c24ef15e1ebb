import type { Kafka } from 'kafkajs';
import { loadSettings } from '../../../src/config/load';
import { createRecordDecoder } from '../../../src/pipeline/record-decoder';
import { readDataset } from '../../../src/runtime/read-history';
import type { PartitionExtent } from '../../../src/sources/history';
import { createKafkaHistory } from '../../../src/sources/kafka/history';
import type { Message } from '../../../src/sources/source';
import { createTopicLabels } from '../../../src/sources/labels';
import { removeFolders, writeFolder } from '../../config/folder';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { numbered, startConsuming, stopConsuming } from './consuming';

jest.setTimeout(240_000);

let broker: TestBroker;

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterEach(stopConsuming);
afterAll(async () => {
  await removeFolders();
  await broker.remove();
});

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

/** One message per minute from the epoch on, over the partitions in turn. */
async function fill(partitions: number, count: number): Promise<string> {
  // The times are older than the default retention.
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

test('reads the messages of a time range in order within each partition, without its end', async () => {
  const topic = await fill(2, 600);
  const messages = await read(topic, { from: epoch + 100 * 60_000, to: epoch + 200 * 60_000 });
  expect([...minutes(messages)].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 100 }, (_, i) => 100 + i),
  );
  for (const partition of [0, 1]) {
    const own = minutes(messages.filter((m) => m.origin.partition === partition));
    expect(own).toEqual([...own].sort((a, b) => a - b));
  }
  expect(messages.every(({ warmUp }) => !warmUp)).toBe(true);
  expect(messages[0]!.origin.topic).toBe(topic);
});

test('keeps the newest messages if there are more than the limit', async () => {
  const topic = await fill(3, 900);
  const messages = await read(topic, { maxRecords: 90 });
  expect([...minutes(messages)].sort((a, b) => a - b)).toEqual(Array.from({ length: 90 }, (_, i) => 810 + i));
});

test('reads ranges from the whole time on request, and separates them', async () => {
  const topic = await fill(2, 2_000);
  const history = createKafkaHistory({
    kafka: broker.client(),
    settings: { topic, groupId: 'live' },
    chunkRecords: 7,
  });
  let share = 0;
  const stretches = new Map<string, number[]>();
  const range = { from: epoch, to: epoch + 1_900 * 60_000, maxRecords: 200, blocks: 5 };
  for await (const chunk of history({ ...range, onShare: (read) => (share = read) })) {
    const offsets = stretches.get(chunk.block!) ?? [];
    stretches.set(chunk.block!, offsets);
    offsets.push(...chunk.map(({ origin }) => Number(origin.offset)));
  }
  expect(stretches.size).toBe(10);
  for (const [block, offsets] of stretches) {
    const first = Number(block.split('/')[1]);
    expect(offsets).toEqual(Array.from({ length: 20 }, (_, i) => first + i));
  }
  expect([...stretches.keys()].filter((block) => block.startsWith('1/')).at(-1)).toBe('1/930');
  expect(share).toBeCloseTo(200 / 1_900);
});

test('reads some of the partitions on request, always the same, and states their share', async () => {
  const topic = await fill(10, 2_000);
  const history = createKafkaHistory({ kafka: broker.client(), settings: { topic, groupId: 'live' } });
  async function partitionsOf(partitions: number) {
    const read = new Map<number, number>();
    const facts: unknown[] = [];
    const range = { from: epoch, to: undefined, maxRecords: 100 * partitions, partitions };
    const noting = {
      onShare: (share: number) => facts.push(share),
      onPartitions: (extent: PartitionExtent) => facts.push(extent),
    };
    for await (const chunk of history({ ...range, ...noting }))
      for (const { origin } of chunk) read.set(origin.partition, (read.get(origin.partition) ?? 0) + 1);
    return { read, facts };
  }
  const { read, facts } = await partitionsOf(4);
  expect([...read.values()]).toEqual([100, 100, 100, 100]);
  expect(facts).toEqual([0.4, { read: 4, all: 10, available: 800 }]);
  expect(new Map([...(await partitionsOf(4)).read].sort())).toEqual(new Map([...read].sort()));
  for (const partition of (await partitionsOf(2)).read.keys()) expect(read.has(partition)).toBe(true);
});

test('a topic with more devices than records of a training has full windows of some of them', async () => {
  const [partitions, devices, rounds] = [100, 2_000, 60];
  const topic = await broker.createTopic({ partitions, config: { 'retention.ms': '-1' } });
  const began = Date.now() - rounds * 60_000;
  for (let round = 0; round < rounds; round++)
    await broker.produce(
      topic,
      Array.from({ length: devices }, (_, device) => ({
        partition: device % partitions,
        value: JSON.stringify({
          key: `pump-${device}`,
          timestamp: began + round * 60_000,
          values: { flow: device + round },
        }),
      })),
    );
  const folder = await writeFolder({
    'plant.yaml': `detector: plant
source: { kind: kafka, kafka: { brokers: [${broker.bootstrap}], topic: ${topic} } }
record: { channels: [flow] }
window: { length: 8 }
model: { latentDim: 2 }
training: { minRecords: 100, maxRecords: 2000 }
sinks: { kafka: { deadLetterTopic: dead } }
`,
  });
  const { detectors } = await loadSettings(`${folder}/plant.yaml`, { env: {} });
  const { settings } = detectors[0]!;
  const readHistory = createKafkaHistory({ kafka: broker.client(), settings: { topic, groupId: 'live' } });
  const parts = { settings, readHistory, exclude: [], now: Date.now };
  const read = () => readDataset(parts, createRecordDecoder(settings));
  const { dataset, account } = await read();
  // A record of each would be all that fits.
  expect(dataset.devices.length).toBeGreaterThan(20);
  for (const { from, to } of dataset.devices) expect(to - from).toBe(rounds);
  expect(dataset.ends.length).toBe(dataset.devices.length * (rounds - 7));
  expect(account.summary().part).toMatchObject({ ofPartitions: partitions, devices: dataset.devices.length });
  const again = await read();
  const keysOf = ({ devices: all }: typeof dataset) => all.map(({ key }) => key).sort();
  expect(keysOf(again.dataset)).toEqual(keysOf(dataset));
});

test('an empty topic and an empty range end at once', async () => {
  expect(await read(await broker.createTopic({ partitions: 2 }))).toEqual([]);
  const topic = await fill(1, 10);
  expect(await read(topic, { from: epoch + 3_600_000 })).toEqual([]);
  expect(await read(topic, { to: epoch })).toEqual([]);
});

test('ends with transaction markers after the last message', async () => {
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
  // Markers have offsets but are no messages: a reader that waits for the last offset never ends.
  expect((await read(topic)).map(({ value }) => String(value))).toEqual(['a', 'c']);
});

test('leaves out messages of an open transaction', async () => {
  const topic = await fill(1, 5);
  const producer = broker
    .client()
    .producer({ transactionalId: 'sleeper', idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ value: 'pending' }] });
  expect(await read(topic)).toHaveLength(5);
  await transaction.abort();
  await producer.disconnect();
});

test('ends after the idle timeout if the last offsets do not arrive', async () => {
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

test('deletes its group after the end, and when the reader stops early', async () => {
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

test('rejects if the topic does not exist', async () => {
  await expect(read('never-made')).rejects.toThrow();
});

test('reads the remaining messages of a compacted topic with its tombstones, and ends', async () => {
  const topic = await broker.createTopic({
    config: {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
      'max.compaction.lag.ms': '100',
      'delete.retention.ms': '600000',
    },
  });
  for (let round = 0; round < 5; round++) {
    await broker.produce(
      topic,
      Array.from({ length: 20 }, (_, i) => ({ key: `k${i}`, value: `${round}` })),
    );
    // Only a closed segment is compacted.
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  await broker.produce(topic, [{ key: 'k0', value: null }]);
  await until(
    'the cleaner',
    async () => {
      // Closes the previous segment.
      await broker.produce(topic, [{ key: 'other', value: 'x' }]);
      return (await read(topic)).length < 60;
    },
    90_000,
  );
  const messages = await read(topic);
  const newest = new Map(
    messages.map(({ key, value }) => [String(key), value === null ? null : String(value)]),
  );
  expect(newest.get('k0')).toBeNull();
  for (let i = 1; i < 20; i++) expect(newest.get(`k${i}`)).toBe('4');
  const offsets = messages.map(({ origin }) => Number(origin.offset));
  expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
}, 120_000);

test('reads the rest if retention removes messages during the reading', async () => {
  const topic = await fill(1, 3_000);
  const history = createKafkaHistory({
    kafka: broker.client(),
    settings: { topic, groupId: 'live' },
    chunkRecords: 10,
    idleTimeoutMs: 3_000,
  });
  const offsets: number[] = [];
  for await (const chunk of history({ from: undefined, to: undefined, maxRecords: 10_000 })) {
    if (offsets.length === 0) {
      const admin = broker.client().admin();
      await admin.connect();
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2900' }] });
      await admin.disconnect();
    }
    offsets.push(...chunk.map(({ origin }) => Number(origin.offset)));
  }
  // The messages fetched before and those left, none twice.
  expect(new Set(offsets).size).toBe(offsets.length);
  expect(offsets.slice(-100)).toEqual(Array.from({ length: 100 }, (_, i) => 2_900 + i));
});

test('a live member of the group keeps its partitions and offsets', async () => {
  const topic = await broker.createTopic({ partitions: 2 });
  const consuming = startConsuming(broker, { topic });
  await until('partitions', () => consuming.source.ready().ready);
  await broker.produce(topic, numbered(500));
  await until('all', () => consuming.live.length === 500);
  const assignments = consuming.batches.filter(({ assignment }) => assignment !== undefined).length;
  const history = createKafkaHistory({
    kafka: broker.client(),
    settings: { topic, groupId: `group-of-${topic}` },
  });
  let messages = 0;
  for await (const chunk of history({ from: undefined, to: undefined, maxRecords: 1_000 })) {
    messages += chunk.length;
    expect(consuming.source.ready().ready).toBe(true);
  }
  expect(messages).toBe(500);
  await broker.produce(topic, numbered(100, 500));
  await until('more', () => consuming.live.length === 600);
  expect(consuming.batches.filter(({ assignment }) => assignment !== undefined)).toHaveLength(assignments);
  expect(consuming.restarts).toEqual([]);
  expect(consuming.warmUp).toEqual([]);
});

test('the newest label of each key counts, one without a value deletes it, and a bad one is reported', async () => {
  const topic = await broker.createTopic();
  const label = (key: string, more = {}) =>
    JSON.stringify({ key, start: epoch, end: epoch + 1_000, ...more });
  await broker.produce(topic, [
    { key: 'incident-1', value: label('a') },
    { key: 'incident-2', value: label('b') },
    { key: null, value: label('') },
    { key: 'incident-1', value: label('a', { label: 'normal' }) },
    { key: 'incident-2', value: null },
    { key: 'incident-3', value: 'oil' },
    { key: 'incident-4', value: label('c', { end: 'never' }) },
  ]);
  const bad: string[] = [];
  const topicLabels = createTopicLabels({
    kafka: broker.client(),
    settings: { topic, groupId: 'live' },
    onBadLabel: ({ offset }, reason) => bad.push(`${offset}: ${reason}`),
    onUnread: () => undefined,
  });
  const labels = await topicLabels.read();
  expect(labels).toEqual([
    { key: '', from: epoch, to: epoch + 1_000, label: 'anomaly' },
    { key: 'a', from: epoch, to: epoch + 1_000, label: 'normal' },
  ]);
  expect(bad).toEqual([
    expect.stringMatching(/^5: .*JSON/),
    expect.stringMatching(/^6: start and end must be times/),
  ]);
  // Later ones are added to what has been read, and earlier messages are not read again.
  await broker.produce(topic, [
    { key: 'incident-1', value: null },
    { key: 'incident-5', value: label('d', { label: 'new normal' }) },
  ]);
  expect(await topicLabels.read()).toEqual([
    { key: '', from: epoch, to: epoch + 1_000, label: 'anomaly' },
    { key: 'd', from: epoch, to: epoch + 1_000, label: 'new normal' },
  ]);
  expect(bad).toHaveLength(2);
});
