/** Batches that unpack to much more than they weigh: rejected by offset, live and in history, while others are read. */
import { CompressionTypes } from 'kafkajs';
import { createKafkaHistory } from '../../../src/sources/kafka/history';
import type { Message } from '../../../src/sources/source';
import { startBroker, until, type TestBroker } from './broker';
import { startConsuming, stopConsuming } from './consuming';

jest.setTimeout(240_000);

let broker: TestBroker;

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterEach(stopConsuming);
afterAll(() => broker.remove());

const mebibyte = 1024 * 1024;

/** Sends one message; the broker accepts batches of up to a mebibyte, packed. */
async function produce(topic: string, compression: CompressionTypes, value: Buffer): Promise<void> {
  const producer = broker.client().producer();
  await producer.connect();
  await producer.send({ topic, compression, messages: [{ key: 'k', value }] });
  await producer.disconnect();
}

const reasonsOf = (messages: readonly Message[]) =>
  messages.map(({ origin, value, problem }) => [origin.offset, problem?.reason ?? String(value)]);

test.each([
  ['gzip', CompressionTypes.GZIP],
  ['lz4', CompressionTypes.LZ4],
  ['zstd', CompressionTypes.ZSTD],
] as const)('bombs of %s are rejected by offset, and memory stays flat', async (_, compression) => {
  const topic = await broker.createTopic();
  await produce(topic, CompressionTypes.None, Buffer.from('before'));
  for (let i = 0; i < 3; i++) await produce(topic, compression, Buffer.alloc(150 * mebibyte));
  await produce(topic, CompressionTypes.None, Buffer.from('after'));
  const expected = [
    ['0', 'before'],
    ['1', 'batch_too_large'],
    ['2', 'batch_too_large'],
    ['3', 'batch_too_large'],
    ['4', 'after'],
  ];

  global.gc?.();
  const before = process.memoryUsage().rss;
  const { live, errors } = startConsuming(broker, { topic });
  await until('all records', () => live.length === 5);
  expect(reasonsOf(live)).toEqual(expected);
  expect(errors).toEqual([]);

  const history = createKafkaHistory({ kafka: broker.client(), settings: { topic, groupId: 'any' } });
  const past: Message[] = [];
  for await (const chunk of history({ from: undefined, to: undefined, maxRecords: 100 })) past.push(...chunk);
  expect(reasonsOf(past)).toEqual(expected);
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * mebibyte);
});
