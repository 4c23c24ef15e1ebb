/**
 * Patch of kafkajs 2.2.4: an offset that a broker does not have causes no commit.
 *
 * Upstream: tulios/kafkajs issue 1119. Why: kafkajs commits the oldest offset for the group and reads from there, which repeats
 * all records that were handled already. But the broker may be wrong: a replica that no longer leads answers a consumer with
 * old metadata (KIP-392), and a new replica has only few records yet. This patch asks the leader. If retention has removed the
 * offset, reading continues with the oldest remaining message. Otherwise the consumer ends, and the next one plans its start
 * from the committed offset and the leader's bounds. Delete when: kafkajs verifies the range with the leader and leaves the
 * commit to its caller.
 */
import { replaceMethod, type Patch } from './patch';

interface TopicPartition {
  topic: string;
  partition: number;
}

/** The part of kafkajs' class that the patch uses. */
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
    /** Offset of the next fetch. */
    nextOffset(topic: string, partition: number): { toString(): string };
    /** The next fetch starts after this offset. */
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

export const outOfRangePatch: Patch = {
  name: 'out-of-range',
  neededFor: 'offsets',
  without: 'kafkajs may set the group back to the oldest record and repeat everything',
  apply: (kafkajs) =>
    replaceMethod<ConsumerGroup>(kafkajs, {
      path: 'consumer/consumerGroup',
      name: 'recoverFromOffsetOutOfRange',
      replacement: recoverFromOffsetOutOfRange,
      mentions: ['preferredReadReplicasPerTopicPartition', 'offsetManager.setDefaultOffset'],
    }),
};
