/** Commits of handled offsets: one at a time, at an interval, and on demand. */
import type { TopicProgress } from './progress';

export interface CommitOptions {
  /** Commits offsets of partitions for the group. */
  commit: (offsets: readonly { partition: number; offset: bigint }[]) => Promise<void>;
  /** Handled offsets are committed elsewhere, with the detections of their batch; nothing is committed here. */
  external: boolean;
  progress: TopicProgress;
  intervalMs: number;
  onError: (error: Error) => void;
}

export interface Commits {
  /** Everything before `offset` is handled, and, with an external commit, committed. */
  handled(partition: number, offset: bigint): void;
  /** The group's offset as read from the broker. */
  read(partition: number, offset: bigint): void;
  /** The group's offset as the broker has confirmed it last; undefined before `read`. */
  confirmed(partition: number): bigint | undefined;
  /** Commits all handled offsets, after a commit in progress. Never rejects. */
  flush(): Promise<void>;
  /** Flushes if the interval has passed since the last commit. */
  flushIfDue(): Promise<void>;
  /** Forgets offsets that are not committed: their partitions may belong to another member now. */
  discard(): void;
  /** Ends the interval. */
  stop(): void;
}

export function createCommits({ commit, external, progress, intervalMs, onError }: CommitOptions): Commits {
  /** Handled and not yet committed, by partition. */
  const pending = new Map<number, bigint>();
  const confirmedOffsets = new Map<number, bigint>();
  let last = Promise.resolve();
  let committedAt = Date.now();
  const timer = setInterval(() => void flushIfDue(), intervalMs);

  function confirm(partition: number, offset: bigint): void {
    confirmedOffsets.set(partition, offset);
    progress.confirmed(partition, offset);
  }

  async function commitPending(): Promise<void> {
    if (pending.size === 0) return;
    const offsets = Array.from(pending, ([partition, offset]) => ({ partition, offset }));
    committedAt = Date.now();
    try {
      await commit(offsets);
    } catch (cause) {
      // The offsets stay pending. If the membership is lost, the next heartbeat fails.
      onError(new Error('offset commit failed', { cause }));
      return;
    }
    for (const { partition, offset } of offsets) {
      confirm(partition, offset);
      if (pending.get(partition) === offset) pending.delete(partition);
    }
  }

  // In sequence: a commit that kafkajs retries must not land after a newer one.
  const flush = (): Promise<void> => (last = last.then(commitPending));

  async function flushIfDue(): Promise<void> {
    if (Date.now() - committedAt >= intervalMs) await flush();
  }

  return {
    handled(partition, offset) {
      if (external) confirm(partition, offset);
      else pending.set(partition, offset);
    },
    read: (partition, offset) => void confirmedOffsets.set(partition, offset),
    confirmed: (partition) => confirmedOffsets.get(partition),
    flush,
    flushIfDue,
    discard: () => pending.clear(),
    stop: () => clearInterval(timer),
  };
}
