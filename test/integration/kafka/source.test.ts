import type { Kafka } from 'kafkajs';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { numbered, range, sorted, startConsuming, stopConsuming, valuesOf } from './consuming';

jest.setTimeout(240_000);

let broker: TestBroker;

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterEach(stopConsuming);
afterAll(() => broker.remove());

const consume = (
  ...args: Parameters<typeof startConsuming> extends [unknown, ...infer Rest] ? Rest : never
) => startConsuming(broker, ...args);

async function withAdmin<T>(use: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = broker.client().admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Committed offsets of the group that `consume` uses, by partition; −1 = none. */
function committedOf(topic: string): Promise<number[]> {
  return withAdmin(async (admin) => {
    const [offsets] = await admin.fetchOffsets({ groupId: `group-of-${topic}`, topics: [topic] });
    return offsets!.partitions.sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
  });
}

async function highOf(topic: string): Promise<number[]> {
  const offsets = await withAdmin((admin) => admin.fetchTopicOffsets(topic));
  return offsets.sort((a, b) => a.partition - b.partition).map(({ high }) => Number(high));
}

test('delivers every message in order within its partition, and commits handled offsets when it stops', async () => {
  const topic = await broker.createTopic({ partitions: 3 });
  await broker.produce(topic, numbered(1_000));
  const { source, ended, batches, live, errors } = consume({ topic });
  await until('all messages', () => live.length === 1_000);
  expect(source.ready()).toEqual({ ready: true, reason: 'partitions assigned' });
  await source.stop();
  await ended;

  expect(sorted(valuesOf(live))).toEqual(range(1_000));
  expect(batches.every(({ messages }) => messages.length <= 50)).toBe(true);
  for (const partition of range(3)) {
    const offsets = live
      .filter(({ origin }) => origin.partition === partition)
      .map(({ origin }) => Number(origin.offset));
    expect(offsets).toEqual(range(offsets.length));
  }
  expect(batches.at(-1)!.lag).toBe(0);
  expect(await committedOf(topic)).toEqual(await highOf(topic));
  expect(errors).toEqual([]);
  expect(source.ready()).toEqual({ ready: false, reason: 'stopped' });
});

test('commits nothing of a batch before the pipeline has accepted it', async () => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(100));
  const releases: (() => void)[] = [];
  const { live } = consume({ topic }, () => new Promise<void>((resolve) => releases.push(resolve)));
  for (const handled of [0, 50]) {
    await until('the batch', () => releases.length === handled / 50 + 1);
    // Several commit intervals.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await committedOf(topic)).toEqual([handled]);
    releases.at(-1)!();
  }
  await until('all messages', () => live.length === 100);
  await until('the last commit', async () => (await committedOf(topic))[0] === 100);
});

test('delivers a rejected batch again, and nothing after it meanwhile', async () => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(150));
  const seen: string[] = [];
  let failures = 2;
  const { live, errors } = consume({ topic }, ({ messages }) => {
    seen.push(messages[0]!.origin.offset);
    if (messages[0]!.origin.offset === '50' && failures-- > 0)
      return Promise.reject(new TypeError('sink is away'));
    return Promise.resolve();
  });
  await until('all messages', () => live.length === 150);
  expect(seen).toEqual(['0', '50', '50', '50', '100']);
  expect(valuesOf(live)).toEqual(range(150));
  expect(errors.map(({ message }) => message)).toEqual(['sink is away', 'sink is away']);
});

test('a stop ends while the pipeline keeps rejecting, and the next consumer gets the batch', async () => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(100));
  const first = consume({ topic }, ({ messages }) =>
    messages[0]!.origin.offset === '50' ? Promise.reject(new Error('sink is away')) : Promise.resolve(),
  );
  await until('a rejected batch', () => first.errors.length > 0);
  await first.source.stop();
  expect(await committedOf(topic)).toEqual([50]);
  const second = consume({ topic });
  await until('the rest', () => second.live.length === 50);
  expect(valuesOf(second.live)).toEqual(range(100).slice(50));
});

test('after a stop the next consumer continues: nothing is lost or doubled, and windows are warmed up', async () => {
  const topic = await broker.createTopic({ partitions: 2 });
  await broker.produce(topic, numbered(2_000));
  const slowly = () => new Promise<void>((resolve) => setTimeout(resolve, 5));
  const first = consume({ topic, warmUpRecords: 20 }, slowly);
  await until('a part', () => first.live.length >= 700);
  await first.source.stop();
  expect(first.warmUp).toEqual([]);
  expect(first.live.length).toBeLessThan(2_000);
  const committed = await committedOf(topic);
  expect(committed[0]! + committed[1]!).toBe(first.live.length);

  await broker.produce(topic, numbered(500, 2_000));
  const second = consume({ topic, warmUpRecords: 20 }, slowly);
  await until('the rest', () => first.live.length + second.live.length === 2_500);
  await second.source.stop();
  expect(sorted(valuesOf([...first.live, ...second.live]))).toEqual(range(2_500));

  for (const partition of [0, 1]) {
    const before = second.warmUp.filter(({ origin }) => origin.partition === partition);
    const from = Math.max(0, committed[partition]! - 20);
    expect(before.map(({ origin }) => Number(origin.offset))).toEqual(
      range(committed[partition]! - from).map((i) => from + i),
    );
  }
  expect(await committedOf(topic)).toEqual(await highOf(topic));
});

test('warm-up commits nothing', async () => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(100));
  const first = consume({ topic });
  await until('all', () => first.live.length === 100);
  await first.source.stop();
  const second = consume({ topic, warmUpRecords: 60, maxBatchRecords: 10 });
  await until('the warmUp', () => second.warmUp.length === 60);
  await second.source.stop();
  expect(await committedOf(topic)).toEqual([100]);
  expect(second.live).toEqual([]);
});

test('two members share the partitions over a rebalance, and every message is handled', async () => {
  const topic = await broker.createTopic({ partitions: 4 });
  await broker.produce(topic, numbered(1_000));
  const slowly = () => new Promise<void>((resolve) => setTimeout(resolve, 20));
  const first = consume({ topic, maxBatchRecords: 20 }, slowly);
  await until('a part', () => first.live.length >= 100);
  const second = consume({ topic, maxBatchRecords: 20 }, slowly);
  await until('the second to get some', () => second.source.ready().ready);
  await broker.produce(
    topic,
    Array.from({ length: 400 }, (_, i) => ({ key: `other${i}`, value: String(1_000 + i) })),
  );
  await until('all', () => new Set(valuesOf([...first.live, ...second.live])).size === 1_400);
  await Promise.all([first.source.stop(), second.source.stop()]);
  expect(second.live.length).toBeGreaterThan(0);
  // The batch in progress was committed before the partitions moved.
  expect(first.live.length + second.live.length).toBe(1_400);
  expect(await committedOf(topic)).toEqual(await highOf(topic));
});

test('a group that starts at the latest message keeps its offset if it stops before the first one', async () => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(30));
  const first = consume({ topic, startFrom: 'latest', warmUpRecords: 10 });
  await until('the warmUp', () => first.warmUp.length === 10);
  await first.source.stop();
  await broker.produce(topic, numbered(5, 30));
  const second = consume({ topic, startFrom: 'latest' });
  await until('the messages in between', () => second.live.length === 5);
  expect(valuesOf(second.live)).toEqual([30, 31, 32, 33, 34]);
  expect(first.live).toEqual([]);
});

test('counts messages that retention removed before they were handled', async () => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(100));
  let stop: () => void = () => undefined;
  const once = new Promise<void>((resolve) => (stop = resolve));
  const first = consume({ topic, maxBatchRecords: 40 }, async ({ messages }) => {
    if (messages[0]!.origin.offset === '40') await once;
  });
  await until('the first batch', () => first.live.length === 40);
  setTimeout(stop, 300);
  await first.source.stop();
  const [committed] = await committedOf(topic);
  await withAdmin(async (admin) => {
    // Loads the topic's metadata, which deleteTopicRecords alone does not.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '95' }] });
  });
  const second = consume({ topic, startFrom: 'latest', warmUpRecords: 10 });
  await until('the remaining messages', () => second.live.length === 5);
  expect(second.gaps).toEqual([95n - BigInt(committed!)]);
  expect(valuesOf(second.live)).toEqual([95, 96, 97, 98, 99]);
});

test('counts messages that retention removes while a batch is in progress, and continues with the oldest one left', async () => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(50));
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let entered = false;
  const { live, gaps } = consume({ topic, startFrom: 'earliest' }, () => {
    entered = true;
    return held;
  });
  await until('the first batch', () => entered);
  await broker.produce(topic, numbered(50, 50));
  await withAdmin(async (admin) => {
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '80' }] });
  });
  release();
  await until('the remaining messages', () => live.length === 70);
  expect(valuesOf(live)).toEqual([...range(50), ...range(20).map((i) => 80 + i)]);
  expect(gaps).toEqual([30n]);
});

test('a megabyte, an empty value, no value and no key arrive unchanged', async () => {
  const topic = await broker.createTopic({ config: { 'max.message.bytes': '2000000' } });
  const large = Buffer.alloc(1_048_576, 7);
  await broker.produce(topic, [{ key: 'a', value: large }]);
  await broker.produce(topic, [
    { key: 'b', value: '' },
    { key: 'c', value: null },
    { key: null, value: 'd' },
  ]);
  const { live } = consume({ topic });
  await until('all', () => live.length === 4);
  expect(live[0]!.value!.equals(large)).toBe(true);
  expect(live[1]).toMatchObject({ key: Buffer.from('b'), value: Buffer.alloc(0) });
  expect(live[2]).toMatchObject({ key: Buffer.from('c'), value: null });
  expect(live[3]).toMatchObject({
    key: null,
    value: Buffer.from('d'),
    origin: { topic, partition: 0, offset: '3' },
  });
  expect(Math.abs(live[3]!.timestamp - Date.now())).toBeLessThan(60_000);
});

test('reports the missing topic as the reason, and stops at once', async () => {
  const { source, ended, errors } = consume({ topic: 'never-made' });
  await until('an error', () => errors.length > 0);
  expect(source.ready().ready).toBe(false);
  expect(source.ready().reason).not.toBe('');
  const began = Date.now();
  await source.stop();
  await ended;
  expect(Date.now() - began).toBeLessThan(5_000);
});

test('a stop abandons a pipeline that hangs, and the batch is redelivered', async () => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(10));
  let entered = false;
  const hanging = () => {
    entered = true;
    return new Promise<void>(() => undefined);
  };
  const first = consume({ topic }, hanging, { stopTimeoutMs: 300 });
  await until('the batch', () => entered);
  await first.source.stop();
  await first.ended;
  expect(first.errors.map(({ message }) => message)).toContain(
    'batch did not finish before the shutdown timeout; it will be redelivered',
  );
  const second = consume({ topic });
  await until('the batch again', () => second.live.length === 10, 30_000);
});

test('waits for a broker that starts later, and survives one that restarts', async () => {
  const topic = await broker.createTopic();
  await broker.produce(topic, numbered(10));
  await broker.stop();
  const { source, errors, live } = consume({ topic });
  await until('an error', () => errors.length > 0);
  expect(source.ready().ready).toBe(false);
  await broker.start();
  await until('the messages', () => live.length === 10);
  expect(source.ready().ready).toBe(true);

  await broker.stop();
  await until('it to notice', () => !source.ready().ready);
  await broker.start();
  await broker.produce(topic, numbered(10, 10));
  await until('the rest', () => live.length >= 20, 40_000);
  expect(valuesOf(live)).toEqual(range(20));
});
