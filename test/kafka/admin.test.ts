import type { Kafka } from 'kafkajs';
import { createTopicAdmin } from '../../src/kafka/admin';

/** A cluster whose first answers fail. */
function createKafka(failures: number) {
  const calls: string[] = [];
  const admin = {
    connect: () => Promise.resolve(void calls.push('connect')),
    disconnect: () => Promise.resolve(void calls.push('disconnect')),
    fetchTopicOffsets(topic: string) {
      calls.push(topic);
      return failures-- > 0 ? Promise.reject(new Error('not the leader')) : Promise.resolve([]);
    },
  };
  return { kafka: { admin: () => admin } as unknown as Kafka, calls };
}

test('what fails is asked once more over a new connection', async () => {
  const { kafka, calls } = createKafka(1);
  expect(await createTopicAdmin(kafka).fetchTopicOffsets('a')).toEqual([]);
  expect(calls).toEqual(['a', 'disconnect', 'connect', 'a']);
});

test('what fails twice has failed', async () => {
  const { kafka, calls } = createKafka(2);
  await expect(createTopicAdmin(kafka).fetchTopicOffsets('a')).rejects.toThrow('not the leader');
  expect(calls).toEqual(['a', 'disconnect', 'connect', 'a']);
});

test('two that fail at once share the new connection', async () => {
  const { kafka, calls } = createKafka(2);
  const admin = createTopicAdmin(kafka);
  await Promise.all([admin.fetchTopicOffsets('a'), admin.fetchTopicOffsets('b')]);
  expect(calls.filter((call) => call === 'connect')).toHaveLength(1);
});

test('after the end no connection is opened', async () => {
  const { kafka, calls } = createKafka(1);
  const admin = createTopicAdmin(kafka);
  await admin.disconnect();
  await expect(admin.fetchTopicOffsets('a')).rejects.toThrow('not the leader');
  expect(calls).toEqual(['disconnect', 'a']);
});
