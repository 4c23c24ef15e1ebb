/** Reads topics and offsets for tests. */
import type { Admin, Kafka, KafkaMessage } from 'kafkajs';
import type { DeviceBaseline } from '../../../src/domain/detection';
import { atPartition, until } from './broker';

export type TopicMessage = KafkaMessage & { partition: number };

export const headerOf = ({ headers }: KafkaMessage, name: string): string => String(headers?.[name] ?? '');

/** All committed messages of a topic, in order within each partition. */
export async function readTopic(kafka: Kafka, topic: string): Promise<TopicMessage[]> {
  let isReading = true;
  const consumer = kafka.consumer({
    groupId: `reader-of-${topic}-${Date.now()}`,
    maxWaitTimeInMs: 100,
    // kafkajs would restart a consumer that has crashed, even after it has been disconnected.
    retry: { restartOnFailure: () => Promise.resolve(isReading) },
  });
  const admin = kafka.admin();
  await Promise.all([admin.connect(), consumer.connect()]);
  const ends = (await stableEnds(admin, topic)).filter(({ high, low }) => high !== low);
  /** The next offset of each partition. */
  const next = new Map<number, bigint>();
  const messages: TopicMessage[] = [];
  // Also for batches of transaction markers only.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    next.set(payload.partition, BigInt(payload.lastOffset) + 1n);
  });
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    eachBatch({ batch, resolveOffset }) {
      for (const message of batch.messages) messages.push(atPartition(message, batch.partition));
      resolveOffset(batch.lastOffset());
      return Promise.resolve();
    },
  });
  await until(
    `the end of ${topic}`,
    () => ends.every(({ partition, high }) => (next.get(partition) ?? 0n) >= BigInt(high)),
    60_000,
  );
  isReading = false;
  await Promise.all([consumer.disconnect(), admin.disconnect()]);
  return messages;
}

/** A transaction's messages can be read a few ms after its commit: kafkajs' `high` is the last stable offset. */
async function stableEnds(
  admin: Admin,
  topic: string,
): Promise<Awaited<ReturnType<Admin['fetchTopicOffsets']>>> {
  let ends = await admin.fetchTopicOffsets(topic);
  for (let before = ''; before !== JSON.stringify(ends);) {
    before = JSON.stringify(ends);
    await new Promise((resolve) => setTimeout(resolve, 200));
    ends = await admin.fetchTopicOffsets(topic);
  }
  return ends;
}

export interface GroupTopic {
  topic: string;
  groupId: string;
}

/** Committed and last offsets of a group, by partition. */
export async function readProgress(
  kafka: Kafka,
  { topic, groupId }: GroupTopic,
): Promise<{ committed: string[]; high: string[] }> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const ends = await admin.fetchTopicOffsets(topic);
    const byPartition = (a: { partition: number }, b: { partition: number }) => a.partition - b.partition;
    return {
      committed: [...offsets!.partitions].sort(byPartition).map(({ offset }) => offset),
      high: [...ends].sort(byPartition).map(({ high }) => high),
    };
  } finally {
    await admin.disconnect();
  }
}

export function untilCommitted(kafka: Kafka, group: GroupTopic, timeoutMs = 60_000): Promise<void> {
  return until(
    'every offset to be committed',
    async () => {
      const { committed, high } = await readProgress(kafka, group);
      return committed.join() === high.join();
    },
    timeoutMs,
  );
}

/** A detection in the topic. */
export interface ReadDetection {
  surprise: number;
  modelVersion: string;
  incomplete?: readonly string[];
  baseline?: DeviceBaseline;
  source: { topic: string; partition: number; offset: string };
}

export interface ReadEvent {
  id: string;
  key: string;
  status: 'open' | 'closed';
}

export interface ReadOutput {
  /** Detections by `partition/offset` of their record, in the order in which they were written. */
  detections: Map<string, ReadDetection[]>;
  /** Events by id and status, in the same order. */
  events: Map<string, ReadEvent[]>;
}

/** The output of a detector, without explanations, which have a time budget. */
export async function readOutput(kafka: Kafka, detectionsTopic: string): Promise<ReadOutput> {
  const detections: ReadOutput['detections'] = new Map();
  const events: ReadOutput['events'] = new Map();
  const add = <T>(to: Map<string, T[]>, id: string, one: T) => to.set(id, [...(to.get(id) ?? []), one]);
  for (const message of await readTopic(kafka, detectionsTopic)) {
    const value = JSON.parse(String(message.value)) as Record<string, unknown>;
    delete value['contributions'];
    delete value['nearestNormal'];
    if (headerOf(message, 'type') === 'event') {
      const event = value as unknown as ReadEvent;
      add(events, `${event.id} ${event.status}`, event);
    } else {
      const detection = value as unknown as ReadDetection;
      add(detections, `${detection.source.partition}/${detection.source.offset}`, detection);
    }
  }
  return { detections, events };
}
