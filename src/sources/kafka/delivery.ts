/** Delivers chunks to the pipeline: repeats until the pipeline accepts, and gives up at the deadline of a stop. */
import type { KafkaMessage } from 'kafkajs';
import { isFenced } from '../../errors';
import { toError } from '../../system/error-text';
import { backOffMs, pause, unlessAborted } from '../../system/pause';
import type { Assignment, SourceObserver } from '../source';
import type { Membership } from './membership';
import { toMessages } from './messages';
import type { SessionOptions } from './settings';

/** A partition from its assignment to the next rebalance. */
export interface AssignedPartition {
  partition: number;
  assignment: Assignment;
  /** Next expected offset. */
  next: bigint;
  /** Whether the pipeline has accepted a batch of the partition. */
  accepted: boolean;
}

/** Messages of one fetch that are delivered together. */
export interface Chunk {
  partition: AssignedPartition;
  messages: readonly KafkaMessage[];
  /** Offset after the chunk and after the transaction markers that follow it. */
  next: bigint;
  /** Number of messages after the chunk in its partition. */
  lag: number;
  /** Whether messages before the first one are lost. */
  gap: boolean;
}

export interface DeliveryOptions extends Pick<SessionOptions, 'handle' | 'maxBackOffMs' | 'signal'> {
  settings: { topic: string };
  observer: Pick<SourceObserver, 'error'>;
  /** The group's confirmed offset. */
  confirmed: (partition: number) => bigint | undefined;
  /** Aborted at the deadline of the stop: the attempt in progress is no longer awaited. */
  abandoned: AbortSignal;
  onFenced: (cause: unknown) => void;
}

/** Returns whether the pipeline has accepted the chunk; false if no further attempt is allowed. */
export type Deliver = (chunk: Chunk, membership: Pick<Membership, 'isLost' | 'check'>) => Promise<boolean>;

export function createDelivery(options: DeliveryOptions): Deliver {
  const { handle, signal, observer } = options;
  const { topic } = options.settings;

  async function attempt({ partition, messages, next, lag, gap }: Chunk): Promise<boolean> {
    const { assignment } = partition;
    const handled = handle({
      topic,
      partition: partition.partition,
      messages: toMessages(topic, partition.partition, messages, assignment.liveFrom),
      lag,
      assignment: partition.accepted ? undefined : assignment,
      committed: options.confirmed(partition.partition),
      next: next > assignment.liveFrom ? next : undefined,
      gap,
    }).then(() => (partition.accepted = true));
    return (await unlessAborted(handled, options.abandoned)) ?? false;
  }

  return async (chunk, membership) => {
    for (let attempts = 0; !signal.aborted; attempts++) {
      // After an outage or a long pause of the process, another process may own the partition. Then this one must neither
      // fence it nor change its state. kafkajs sends a heartbeat only if the last one is old enough.
      await membership.check();
      if (membership.isLost()) return false;
      try {
        return await attempt(chunk);
      } catch (cause) {
        observer.error(toError(cause));
        if (isFenced(cause)) {
          options.onFenced(cause);
          return false;
        }
        // The attempt is repeated here. An error passed to kafkajs would end the membership if the problem lasts.
        await pause(backOffMs(attempts, options.maxBackOffMs), signal);
      }
    }
    return false;
  };
}
