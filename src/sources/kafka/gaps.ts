/** Gaps between the expected and the received offset: kafkajs jumps to the oldest message when retention has passed it. */
import type { TopicAdmin } from '../../kafka/admin';
import { missingBetween } from './offsets';

export interface Gap {
  /** Unhandled messages that are lost. */
  unhandled: bigint;
  /** Whether any message is lost, warm-up included: the window then has a gap. */
  inWindow: boolean;
}

export interface Expected {
  topic: string;
  partition: number;
  /** Offset expected next, and the one received. */
  next: bigint;
  first: bigint;
  liveFrom: bigint;
}

/** Measures the gap before a batch by the broker's first offset. */
export async function measureGap(
  admin: Pick<TopicAdmin, 'fetchTopicOffsets'>,
  { topic, partition, next, first, liveFrom }: Expected,
): Promise<Gap> {
  if (first <= next) return { unhandled: 0n, inWindow: false };
  const bound = (await admin.fetchTopicOffsets(topic)).find((one) => one.partition === partition);
  const low = BigInt(bound?.low ?? 0);
  return {
    // Warm-up messages are handled already.
    unhandled: missingBetween(next > liveFrom ? next : liveFrom, first, low),
    inWindow: missingBetween(next, first, low) > 0n,
  };
}
