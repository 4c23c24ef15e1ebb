import type { Kafka } from 'kafkajs';
import { explainKafkaError, type KafkaUse } from '../../src/kafka/explain-error';

/** A cluster with these topics, or one that does not answer. */
function use(topics: readonly string[] | undefined, overrides: Partial<KafkaUse> = {}) {
  const calls: string[] = [];
  const refused = () => Promise.reject(new Error('connect ECONNREFUSED'));
  const admin = {
    connect: topics === undefined ? refused : () => Promise.resolve(void calls.push('connect')),
    listTopics: () => Promise.resolve([...topics!]),
    disconnect: () => Promise.resolve(void calls.push('disconnect')),
  };
  const kafka = { admin: () => admin } as unknown as Kafka;
  return {
    calls,
    use: {
      kafka,
      brokers: ['b1:9092', 'b2:9092'],
      topics: ['plant'],
      access: 'read',
      groupId: 'g',
      ...overrides,
    } as KafkaUse,
  };
}
const closed = new Error('Closed connection', { cause: new Error('write after end\n at x') });
const refusedWith = (type: string) =>
  new Error('failed', { cause: Object.assign(new Error('no'), { type }) });

test('a topic that does not exist is named, with the brokers', async () => {
  const { use: reading, calls } = use(['other']);
  const { message } = await explainKafkaError(closed, reading);
  expect(message).toBe('topic plant does not exist on b1:9092, b2:9092, or may not be read');
  expect(calls).toEqual(['connect', 'disconnect']);
});

test('every missing topic of a sink is named', async () => {
  const { use: writing } = use(['plant.x'], { access: 'write', topics: ['a', 'plant.x', 'b'] });
  const { message } = await explainKafkaError(closed, writing);
  expect(message).toBe('topics a, b do not exist on b1:9092, b2:9092, or may not be written');
});

test.each<[string, Partial<KafkaUse>, string]>([
  ['TOPIC_AUTHORIZATION_FAILED', {}, 'the right to read topic plant is missing (Read and Describe)'],
  [
    'TOPIC_AUTHORIZATION_FAILED',
    { access: 'write' },
    'the right to write topic plant is missing (Write and Describe)',
  ],
  ['GROUP_AUTHORIZATION_FAILED', {}, 'the right to use consumer group g is missing (Read)'],
  ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', {}, 'transactional ids of the sink is missing'],
  ['CLUSTER_AUTHORIZATION_FAILED', {}, 'IdempotentWrite on the cluster'],
])('a right that is missing is named: %s', async (type, overrides, text) => {
  const { message } = await explainKafkaError(refusedWith(type), use(['plant'], overrides).use);
  expect(message).toContain(text);
  expect(message).toContain('on b1:9092, b2:9092');
});

test('brokers that do not answer are named, with the first line of the innermost cause', async () => {
  const { message } = await explainKafkaError(closed, use(undefined).use);
  expect(message).toBe('Kafka does not answer at b1:9092, b2:9092: write after end');
});

test('any other error keeps its cause', async () => {
  const error = await explainKafkaError(closed, use(['plant']).use);
  expect(error.message).toBe('Kafka request failed for topic plant on b1:9092, b2:9092: write after end');
  expect(error.cause).toBe(closed);
});
