/** What a test reads from Kafka to see what has come of it. */
import type { Admin, Kafka, KafkaMessage } from 'kafkajs';
import { atPartition, until } from './broker';

export type TopicMessage = KafkaMessage & { partition: number };

export const headerOf = ({ headers }: KafkaMessage, name: string): string => String(headers?.[name] ?? '');

/** Everything in a topic, in order within each partition; of transactions only what is committed. */
export async function readTopic(kafka: Kafka, topic: string): Promise<TopicMessage[]> {
  const consumer = kafka.consumer({ groupId: `reader-of-${topic}-${Date.now()}`, maxWaitTimeInMs: 100 });
  const admin = kafka.admin();
  await Promise.all([admin.connect(), consumer.connect()]);
  const ends = (await stableEnds(admin, topic)).filter(({ high, low }) => high !== low);
  /** The next offset of each partition. */
  const next = new Map<number, bigint>();
  const messages: TopicMessage[] = [];
  // Also of batches that hold nothing but markers of transactions.
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
  await Promise.all([consumer.disconnect(), admin.disconnect()]);
  return messages;
}

/** A transaction is committed a few ms before what it wrote can be read: kafkajs' `high` is where a reader gets to. */
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

/** A verdict, as it stands in the topic. */
export interface ReadVerdict {
  surprise: number;
  modelVersion: string;
  incomplete?: readonly string[];
  levels?: Readonly<Record<string, number>>;
  source: { topic: string; partition: number; offset: string };
}

export interface ReadEvent {
  id: string;
  key: string;
  status: 'open' | 'closed';
}

export interface ReadVerdicts {
  /** What was said of each record, by `partition/offset`, in the order in which it was written. */
  detections: Map<string, ReadVerdict[]>;
  /** By id and status, likewise. */
  events: Map<string, ReadEvent[]>;
}

/** What a detector has written. Explanations are left out: they have a budget of time. */
export async function readVerdicts(kafka: Kafka, detectionsTopic: string): Promise<ReadVerdicts> {
  const detections: ReadVerdicts['detections'] = new Map();
  const events: ReadVerdicts['events'] = new Map();
  const add = <T>(to: Map<string, T[]>, id: string, one: T) => to.set(id, [...(to.get(id) ?? []), one]);
  for (const message of await readTopic(kafka, detectionsTopic)) {
    const value = JSON.parse(String(message.value)) as Record<string, unknown>;
    delete value['contributions'];
    delete value['nearestNormal'];
    if (headerOf(message, 'type') === 'event') {
      const event = value as unknown as ReadEvent;
      add(events, `${event.id} ${event.status}`, event);
    } else {
      const verdict = value as unknown as ReadVerdict;
      add(detections, `${verdict.source.partition}/${verdict.source.offset}`, verdict);
    }
  }
  return { detections, events };
}
