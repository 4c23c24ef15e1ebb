/** Converts messages of kafkajs to those of the pipeline. */
import type { KafkaMessage } from 'kafkajs';
import type { Origin } from '../../domain/record';
import type { DecodeError } from '../../errors';
import { FetchedRecord, timestampOf } from '../../kafka/patches/record-batch';
import type { Message } from '../source';

/** Key and origin are created lazily. */
class ConsumedMessage implements Message {
  readonly value: Buffer | null;
  readonly timestamp: number;

  constructor(
    private readonly topic: string,
    private readonly partition: number,
    private readonly message: KafkaMessage,
    readonly warmUp: boolean,
  ) {
    this.value = message.value;
    this.timestamp = timestampOf(message);
  }

  get problem(): DecodeError | undefined {
    return this.message instanceof FetchedRecord ? this.message.problem : undefined;
  }

  get key(): Buffer | null {
    return this.message.key;
  }

  get origin(): Origin {
    return { topic: this.topic, partition: this.partition, offset: this.message.offset };
  }
}

/** Messages of one partition, in order; those before `liveFrom` are warm-up. */
export function toMessages(
  topic: string,
  partition: number,
  messages: readonly KafkaMessage[],
  liveFrom = 0n,
): Message[] {
  // Offsets ascend, so all messages after the first live one are live.
  let warmUp = liveFrom > 0n;
  return messages.map((message) => {
    warmUp &&= BigInt(message.offset) < liveFrom;
    return new ConsumedMessage(topic, partition, message, warmUp);
  });
}
