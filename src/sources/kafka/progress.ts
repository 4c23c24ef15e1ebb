/** Progress of a process in the partitions of a topic. It outlives a consumer, so that the next one continues from it. */
import type { Progress } from './offsets';

export interface TopicProgress {
  of(partition: number): Progress | undefined;
  /** All messages before `position` are handled. */
  handled(partition: number, position: bigint): void;
  /** The broker has confirmed `offset` as the group's. */
  confirmed(partition: number, offset: bigint): void;
  /** The topic was recreated: earlier offsets mean nothing. */
  forget(partition: number): void;
}

export function createTopicProgress(): TopicProgress {
  const known = new Map<number, Progress>();
  return {
    of: (partition) => known.get(partition),
    handled(partition, position) {
      known.set(partition, { position, committed: known.get(partition)?.committed ?? false });
    },
    confirmed(partition, offset) {
      known.set(partition, { position: known.get(partition)?.position ?? offset, committed: true });
    },
    forget: (partition) => void known.delete(partition),
  };
}
