/** A compacted topic with a segment of which only batches without records are left. */
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { createKafkaHistory } from '../../../src/sources/kafka/history';
import { startBroker, until, type TestBroker } from './broker';
import { startConsuming, stopConsuming } from './consuming';

jest.setTimeout(240_000);

let broker: TestBroker;

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterEach(stopConsuming);
afterAll(() => broker.remove());

test('is read past that segment, live and in history', async () => {
  const topic = await broker.createTopic({
    config: {
      'cleanup.policy': 'compact',
      'segment.bytes': String(1024 * 1024),
      'min.cleanable.dirty.ratio': '0.01',
      'max.compaction.lag.ms': '100',
    },
  });
  // Each message fills a segment. Kafka keeps the last batch of each idempotent producer, even without records.
  for (const value of ['superseded', 'kept', 'newest']) {
    const producer = broker.client().producer({ idempotent: true });
    await producer.connect();
    const filling = randomBytes(300_000).toString('hex');
    await producer.send({ topic, messages: [{ key: 'k', value: `${value} ${filling}` }] });
    await producer.disconnect();
  }
  const first = path.join(broker.folder, 'data', `${topic}-0`, '00000000000000000000.log');
  await until('the cleaner', async () => (await stat(first)).size < 1_000, 120_000);
  expect((await stat(first)).size).toBeGreaterThan(0);

  const { live, restarts } = startConsuming(broker, { topic });
  await until('the newest message', () => live.some(({ value }) => String(value).startsWith('newest')));
  expect(live.map(({ origin }) => origin.offset)).toEqual(['1', '2']);
  expect(restarts).toEqual([]);

  const history = createKafkaHistory({ kafka: broker.client(), settings: { topic, groupId: 'any' } });
  const past: string[] = [];
  for await (const chunk of history({ from: undefined, to: undefined, maxRecords: 100 }))
    past.push(...chunk.map(({ origin }) => origin.offset));
  expect(past).toEqual(['1', '2']);
});
