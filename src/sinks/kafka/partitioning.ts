/**
 * Chooses the partition of each message, and divides messages into requests of one partition.
 *
 * kafkajs 2.2.4 notes the answers to a request by broker, not by partition. Where one of several brokers fails, it repeats the
 * request with new leaders: the messages of a partition whose new leader has answered already are never sent, and those of a
 * broker that has not answered yet are sent a second time, with new sequence numbers. A request of one partition has one
 * leader at a time, and its repetition has the same sequence numbers.
 */
import { Partitioners } from 'kafkajs';
import type { ICustomPartitioner, Message, PartitionerArgs, Producer, ProducerBatch } from 'kafkajs';

/** A message with its topic. */
export interface Addressed {
  topic: string;
  message: Message;
}

export class Partitioning {
  private readonly choose = Partitioners.DefaultPartitioner();
  /** Partitions of each topic, as kafkajs last saw them. */
  private readonly known = new Map<string, PartitionerArgs['partitionMetadata']>();

  /** The partitioner for a producer; a message keeps its partition when it is sent again. */
  readonly createPartitioner: ICustomPartitioner = () => (args) => {
    this.known.set(args.topic, args.partitionMetadata);
    return (args.message.partition ??= this.choose(args));
  };

  /**
   * Divides messages into groups of one partition each, in order. The groups of a round may be sent at the same time; the next
   * round must be taken after all of them have been sent: a topic has unknown partitions before its first message is sent.
   */
  *rounds<One extends Addressed>(messages: readonly One[]): Generator<One[][]> {
    const firsts = new Map<string, One>();
    for (const one of messages)
      if (!this.known.has(one.topic) && !firsts.has(one.topic)) firsts.set(one.topic, one);
    if (firsts.size > 0) yield [...firsts.values()].map((one) => [one]);
    const groups = new Map<string, One[]>();
    for (const one of messages) {
      const { topic, message } = one;
      if (firsts.get(topic) === one) continue;
      const place = `${topic}/${this.partitionOf(topic, message) ?? ''}`;
      const group = groups.get(place);
      if (group === undefined) groups.set(place, [one]);
      else group.push(one);
    }
    if (groups.size > 0) yield [...groups.values()];
  }

  /** Chosen once; undefined while the partitions of the topic are unknown. */
  private partitionOf(topic: string, message: Message): number | undefined {
    const partitionMetadata = this.known.get(topic);
    if (partitionMetadata === undefined) return undefined;
    return (message.partition ??= this.choose({ topic, partitionMetadata, message }));
  }
}

/**
 * Sends messages of one partition.
 * @throws Error if no broker has answered: kafkajs sends nothing for a partition that it does not find
 */
export async function sendToPartition(
  producer: Pick<Producer, 'sendBatch'>,
  batch: ProducerBatch,
): Promise<void> {
  const answers = await producer.sendBatch(batch);
  if (answers.length > 0) return;
  const topics = (batch.topicMessages ?? []).map(({ topic }) => topic).join(', ');
  throw new Error(`no broker leads the partition of ${topics}`);
}
