/**
 * When a broker has no such offset kafkajs 2.2.4 commits "the oldest" for the group and begins there: all that was handled
 * before would be said again. The broker need not be right, though: since KIP-392 a replica that leads no more answers a
 * consumer whose metadata are old, and one that has just been added has next to nothing. So nothing is committed here. What
 * retention has taken is told by the leader, and reading goes on with the oldest message that is left; anything else ends
 * the consumer, and the next one finds its place by the group's offset and the leader's bounds.
 */
import { replaceMethod } from './method';

interface TopicPartition {
  topic: string;
  partition: number;
}

/** A module of kafkajs, as far as it is known here. */
interface ConsumerGroup {
  preferredReadReplicasPerTopicPartition: Record<string, Record<number, unknown> | undefined>;
  cluster: {
    refreshMetadata(): Promise<void>;
    fetchTopicsOffset(
      topics: readonly {
        topic: string;
        partitions: readonly { partition: number }[];
        fromBeginning: boolean;
      }[],
    ): Promise<{ partitions: { offset: string }[] }[]>;
  };
  offsetManager: {
    /** Of what is to be fetched next. */
    nextOffset(topic: string, partition: number): { toString(): string };
    /** What comes next is behind this offset. */
    resolveOffset(handled: TopicPartition & { offset: string }): void;
  };
  recoverFromOffsetOutOfRange(error: Error & TopicPartition): Promise<void>;
}

async function recoverFromOffsetOutOfRange(
  this: ConsumerGroup,
  error: Error & TopicPartition,
): Promise<void> {
  const { topic, partition } = error;
  delete this.preferredReadReplicasPerTopicPartition[topic]?.[partition];
  const position = BigInt(this.offsetManager.nextOffset(topic, partition).toString());
  await this.cluster.refreshMetadata();
  const [bounds] = await this.cluster.fetchTopicsOffset([
    { topic, partitions: [{ partition }], fromBeginning: true },
  ]);
  const low = BigInt(bounds?.partitions[0]?.offset ?? 0);
  if (position >= low) throw error;
  this.offsetManager.resolveOffset({ topic, partition, offset: String(low - 1n) });
}

/** Lets kafkajs commit nothing of its own; leaves one alone whose inside looks different, and says so. */
export function patchOutOfRange(): 'patched' | 'unknown' {
  return replaceMethod<ConsumerGroup>({
    path: 'consumer/consumerGroup',
    name: 'recoverFromOffsetOutOfRange',
    replacement: recoverFromOffsetOutOfRange,
    mentions: ['preferredReadReplicasPerTopicPartition', 'offsetManager.setDefaultOffset'],
  });
}
