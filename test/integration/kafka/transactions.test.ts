import { Partitioners } from 'kafkajs';
import type { Kafka, Producer, Transaction } from 'kafkajs';
import type { Detection } from '../../../src/domain/detection';
import { FencedError } from '../../../src/errors';
import { createTransactionalSink } from '../../../src/sinks/kafka/transactions';
import type { TransactionalSink, TransactionalSinkOptions } from '../../../src/sinks/kafka/transactions';
import type { DeadLetter, TransactionResult, DetectionBatch } from '../../../src/sinks/sink';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { readProgress, readTopic } from './readings';

jest.setTimeout(240_000);

let broker: TestBroker;
const open: TransactionalSink[] = [];

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterEach(async () => {
  await Promise.all(open.splice(0).map((sink) => sink.close()));
});
afterAll(() => broker.remove());

const partition = 0;
const detection = (offset: number): Detection => ({
  detector: 'pump',
  key: 'pump-3',
  timestamp: 1_000 + offset,
  origin: { topic: 'source', partition, offset: String(offset) },
  surprise: 4.5,
  threshold: 3,
  targetThreshold: 3,
  anomalous: true,
  extrapolated: false,
  limits: [],
  statistics: {},
  contributions: [],
  modelVersion: 'v7',
});
const letter = (offset: number, value: Buffer): DeadLetter => ({
  detector: 'pump',
  reason: 'not_json',
  message: 'is not JSON',
  origin: { topic: 'source', partition, offset: String(offset) },
  key: null,
  value,
});

/** A source topic, output topics and a group. */
async function createSetting(config: Record<string, string> = {}) {
  const topic = await broker.createTopic();
  const [detectionsTopic, deadLetterTopic] = [
    await broker.createTopic({ config }),
    await broker.createTopic({ config }),
  ];
  const groupId = `group-of-${topic}`;
  const results: TransactionResult[] = [];
  return {
    topic,
    groupId,
    results,
    openSink(options: Partial<TransactionalSinkOptions> = {}): TransactionalSink {
      const sink = createTransactionalSink({
        kafka: broker.client(),
        settings: { detectionsTopic, deadLetterTopic, emit: 'all' },
        groupId,
        onTransaction: (result) => results.push(result),
        ...options,
      });
      open.push(sink);
      return sink;
    },
    /** Detections of the records from one offset up to another; the group is at the first. */
    batchOf(from: number, to: number, more: Partial<DetectionBatch> = {}): DetectionBatch {
      return {
        detections: Array.from({ length: to - from }, (_, i) => detection(from + i)),
        events: [],
        deadLetters: [],
        advance: {
          topic,
          partition,
          committed: from === 0 ? -1n : BigInt(from),
          from: BigInt(from),
          to: BigInt(to),
        },
        ...more,
      };
    },
    /** Offsets of the records whose detections a read_committed consumer finds, in order. */
    async written(): Promise<number[]> {
      const messages = await readTopic(broker.client(), detectionsTopic);
      return messages.map(({ value }) =>
        Number((JSON.parse(String(value)) as { source: { offset: string } }).source.offset),
      );
    },
    letters: async () =>
      (await readTopic(broker.client(), deadLetterTopic)).map(({ value }) => value?.length ?? 0),
    committed: async () => (await readProgress(broker.client(), { topic, groupId })).committed[0],
  };
}
/** Like the source: repeats a write until it succeeds. */
const persistently = (write: () => Promise<void>) =>
  until('the write', () =>
    write().then(
      () => true,
      () => false,
    ),
  );
const takeOver = (sink: TransactionalSink, topic: string) => persistently(() => sink.fence(topic, [0]));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** A client whose transactions fail at one step, `times` times. */
function meddleWith(
  kafka: Kafka,
  step: 'sendOffsets' | 'commit' | 'sendBatch',
  times: number,
  instead: (original: () => Promise<unknown>) => Promise<unknown>,
): Kafka {
  let left = times;
  const producer = (config: Parameters<Kafka['producer']>[0]): Producer => {
    const original = kafka.producer(config);
    const transaction = async (): Promise<Transaction> => {
      const begun = await original.transaction();
      const work = begun[step] as (...args: unknown[]) => Promise<unknown>;
      const replaced = (...args: unknown[]) => (left-- > 0 ? instead(() => work(...args)) : work(...args));
      return { ...begun, [step]: replaced };
    };
    return { ...original, transaction };
  };
  return { producer, admin: kafka.admin.bind(kafka) } as unknown as Kafka;
}

test('detections and the offset after them become visible together', async () => {
  const { topic, openSink, batchOf, written, committed, letters, results } = await createSetting();
  const sink = openSink();
  await takeOver(sink, topic);
  await sink.write({ ...batchOf(0, 3), deadLetters: [letter(3, Buffer.from('x'))] });
  await sink.write(batchOf(3, 5));
  // Records without detections are committed, too.
  await sink.write(batchOf(5, 5, { advance: { ...batchOf(5, 9).advance!, from: 9n } }));
  expect(await written()).toEqual(range(0, 5));
  expect(await letters()).toEqual([1]);
  expect(await committed()).toBe('9');
  expect(results).toEqual(['committed', 'committed', 'committed']);
});

test('a group starts at a committed offset, can be set back, and continues from there', async () => {
  const { topic, openSink, batchOf, written, committed } = await createSetting();
  const sink = openSink();
  await expect(sink.commitStartOffset(topic, 0, 7n)).rejects.toThrow(FencedError);
  await takeOver(sink, topic);
  await sink.commitStartOffset(topic, 0, 7n);
  expect(await committed()).toBe('7');
  await sink.write(batchOf(7, 9));
  // A recreated topic is shorter.
  await sink.commitStartOffset(topic, 0, 0n);
  await sink.write(batchOf(0, 2));
  expect(await committed()).toBe('2');
  expect(await written()).toEqual([7, 8, 0, 1]);
  // The previous owner can no longer do so.
  const next = openSink();
  await takeOver(next, topic);
  await expect(sink.commitStartOffset(topic, 0, 0n)).rejects.toThrow();
  expect(await committed()).toBe('2');
});

test('messages too large for one request are one transaction, and a dead letter is cut', async () => {
  const { topic, openSink, batchOf, written, committed, letters } = await createSetting({
    'max.message.bytes': '20000',
  });
  const sink = openSink();
  await takeOver(sink, topic);
  await sink.write({ ...batchOf(0, 300), deadLetters: [letter(7, Buffer.alloc(100_000, 'x'))] });
  expect(await written()).toEqual(range(0, 300));
  const [length] = await letters();
  expect(length).toBeGreaterThan(5_000);
  expect(length).toBeLessThan(20_000);
  expect(await committed()).toBe('300');
  // The sink keeps the limit of the broker.
  await sink.write({ ...batchOf(300, 600), deadLetters: [letter(7, Buffer.alloc(100_000, 'x'))] });
  expect(await written()).toEqual(range(0, 600));
  expect(await letters()).toEqual([length, length]);
});

describe.each([
  ['before anything is sent', 'sendOffsets', () => Promise.reject(new Error('the line is dead'))],
  ['after the offsets', 'sendBatch', () => Promise.reject(new Error('the line is dead'))],
  ['before the commit arrives', 'commit', () => Promise.reject(new Error('the line is dead'))],
  [
    'after a commit that has arrived',
    'commit',
    async (commit: () => Promise<unknown>) => {
      await commit();
      throw new Error('the line is dead');
    },
  ],
] as const)('a failure %s', (_, step, instead) => {
  test('is reported, and the same detections exist once after the next write', async () => {
    const { topic, openSink, batchOf, written, committed, results } = await createSetting();
    const sink = openSink({ kafka: meddleWith(broker.client(), step, 2, instead) });
    await takeOver(sink, topic);
    await expect(sink.write(batchOf(0, 3))).rejects.toThrow('the line is dead');
    await persistently(() => sink.write(batchOf(0, 3)));
    await persistently(() => sink.write(batchOf(3, 5)));
    expect(await written()).toEqual(range(0, 5));
    expect(await committed()).toBe('5');
    expect(results).toContain('failed');
  });
});

test('a transaction that exceeds the timeout is written again', async () => {
  const { topic, openSink, batchOf, written, results } = await createSetting();
  const slowly = async (commit: () => Promise<unknown>) => {
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    return commit();
  };
  const sink = openSink({
    kafka: meddleWith(broker.client(), 'commit', 1, slowly),
    transactionTimeoutMs: 1_000,
  });
  await takeOver(sink, topic);
  await expect(sink.write(batchOf(0, 3))).rejects.toThrow();
  expect(await written()).toEqual([]);
  await sink.write(batchOf(0, 3));
  expect(await written()).toEqual(range(0, 3));
  expect(results).toEqual(['failed', 'committed']);
});

describe('a process that was paused while its partition moved', () => {
  test('cannot commit, whether or not the next owner has advanced', async () => {
    for (const further of [false, true]) {
      const { topic, openSink, batchOf, written, committed } = await createSetting();
      const paused = openSink();
      await takeOver(paused, topic);
      await paused.write(batchOf(0, 3));
      const next = openSink();
      await takeOver(next, topic);
      if (further) await next.write(batchOf(3, 5));
      await expect(paused.write(batchOf(3, 6))).rejects.toThrow();
      expect(await written()).toEqual(range(0, further ? 5 : 3));
      expect(await committed()).toBe(further ? '5' : '3');
      if (further) await expect(paused.write(batchOf(3, 6))).rejects.toThrow(FencedError);
      await next.write(batchOf(further ? 5 : 3, 8)).catch(() => undefined);
    }
  });

  test('leaves nothing of an open transaction', async () => {
    const { topic, openSink, batchOf, written } = await createSetting();
    let wake: () => void = () => undefined;
    const asleep = new Promise<void>((resolve) => (wake = resolve));
    let fellAsleep = false;
    const paused = openSink({
      kafka: meddleWith(broker.client(), 'commit', 1, async (commit) => {
        fellAsleep = true;
        await asleep;
        return commit();
      }),
    });
    await takeOver(paused, topic);
    const writing = paused.write(batchOf(0, 3)).then(
      () => 'written',
      () => 'refused',
    );
    await until('the pause', () => fellAsleep);
    const next = openSink();
    await takeOver(next, topic);
    await next.write(batchOf(0, 4));
    wake();
    expect(await writing).toBe('refused');
    expect(await written()).toEqual(range(0, 4));
  });

  test('with a transaction that was committed in time passes its offsets to the next owner', async () => {
    const { topic, groupId, openSink, batchOf } = await createSetting();
    // Each round is a race between the commit marker and the next owner's offset request.
    let sink = openSink();
    await takeOver(sink, topic);
    for (let i = 0; i < 15; i++) {
      await sink.write(batchOf(i, i + 1));
      sink = openSink();
      await takeOver(sink, topic);
      const { committed } = await readProgress(broker.client(), { topic, groupId });
      expect(committed).toEqual([String(i + 1)]);
    }
  });
});

test('detections of records that another process has committed are refused, and so are foreign partitions', async () => {
  const { topic, openSink, batchOf, written, results } = await createSetting();
  const sink = openSink();
  await expect(sink.write(batchOf(0, 3))).rejects.toThrow(FencedError);
  await takeOver(sink, topic);
  await sink.write(batchOf(0, 5));
  await expect(sink.write(batchOf(3, 8))).rejects.toThrow(FencedError);
  await expect(
    sink.write(batchOf(7, 8, { advance: { ...batchOf(7, 8).advance!, committed: 7n } })),
  ).rejects.toThrow(FencedError);
  await expect(sink.write({ ...batchOf(5, 6), advance: undefined })).rejects.toThrow(
    'without the offsets of their records',
  );
  // A shorter redelivered batch has nothing new.
  await sink.write(batchOf(3, 3, { advance: { ...batchOf(0, 4).advance!, from: 4n } }));
  expect(await written()).toEqual(range(0, 5));
  expect(results.filter((result) => result === 'fenced')).toHaveLength(2);
});

test('a write rejects during an outage of the broker, and the next one after it arrives once', async () => {
  const { topic, openSink, batchOf, written, committed } = await createSetting();
  const sink = openSink();
  await takeOver(sink, topic);
  await sink.write(batchOf(0, 2));
  await broker.stop();
  await expect(sink.write(batchOf(2, 4))).rejects.toThrow();
  await broker.start();
  await persistently(() => sink.write(batchOf(2, 4)));
  expect(await written()).toEqual(range(0, 4));
  expect(await committed()).toBe('4');
  await sink.close();
  await sink.close();
  await expect(sink.write(batchOf(4, 5))).rejects.toThrow('the Kafka sink is closed');
});

test('of transactions that overlap in a partition, only those that were committed are read', async () => {
  const topic = await broker.createTopic();
  const begin = async (name: string) => {
    const producer = broker.client().producer({
      transactionalId: `${name}-of-${topic}`,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    return {
      send: (value: string) => transaction.send({ topic, messages: [{ value }] }),
      async end(how: 'commit' | 'abort') {
        await transaction[how]();
        await producer.disconnect();
      },
    };
  };
  const [first, second, third] = [await begin('first'), await begin('second'), await begin('third')];
  await first.send('first 1');
  await second.send('second 1');
  await third.send('third 1');
  await second.end('abort');
  await first.send('first 2');
  await third.end('commit');
  await first.end('abort');
  const messages = await readTopic(broker.client(), topic);
  expect(messages.map(({ value }) => String(value))).toEqual(['third 1']);
});
