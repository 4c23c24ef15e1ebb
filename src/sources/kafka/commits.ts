/** Commits of handled offsets: one at a time, at an interval, and on demand. */
import type { TopicProgress } from './progress';

export interface CommitOptions {
  /** Commits offsets of partitions for the group. */
  commit: (offsets: readonly { partition: number; offset: bigint }[]) => Promise<void>;
  /** Whether a sink commits the handled offsets, with the detections of their batch. If so, nothing is committed here. */
  external: boolean;
  progress: TopicProgress;
  intervalMs: number;
  onError: (error: Error) => void;
}

export class Commits {
  /** By partition, the offset that is handled but not yet committed. */
  private readonly pending = new Map<number, bigint>();
  private readonly confirmedOffsets = new Map<number, bigint>();
  private last = Promise.resolve();
  private committedAt = Date.now();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly options: CommitOptions) {
    this.timer = setInterval(() => void this.flushIfDue(), options.intervalMs);
  }

  /** Call when everything before `offset` is handled and, with an external commit, committed. */
  handled(partition: number, offset: bigint): void {
    if (this.options.external) this.confirm(partition, offset);
    else this.pending.set(partition, offset);
  }

  /** Sets the group's offset as read from the broker. */
  read(partition: number, offset: bigint): void {
    this.confirmedOffsets.set(partition, offset);
  }

  /** The last offset of the group that the broker has confirmed; undefined before `read`. */
  confirmed(partition: number): bigint | undefined {
    return this.confirmedOffsets.get(partition);
  }

  /**
   * Commits all handled offsets, one commit after the other: a commit that kafkajs retries must not arrive after a newer one.
   * Never rejects.
   */
  flush(): Promise<void> {
    return (this.last = this.last.then(() => this.commitPending()));
  }

  /** Flushes if the interval has passed since the last commit. */
  async flushIfDue(): Promise<void> {
    if (Date.now() - this.committedAt >= this.options.intervalMs) await this.flush();
  }

  /** Drops offsets that are not committed: their partitions may belong to another member now. */
  discard(): void {
    this.pending.clear();
  }

  /** Stops the commits at intervals. */
  stop(): void {
    clearInterval(this.timer);
  }

  private confirm(partition: number, offset: bigint): void {
    this.confirmedOffsets.set(partition, offset);
    this.options.progress.confirmed(partition, offset);
  }

  private async commitPending(): Promise<void> {
    if (this.pending.size === 0) return;
    const offsets = Array.from(this.pending, ([partition, offset]) => ({ partition, offset }));
    this.committedAt = Date.now();
    try {
      await this.options.commit(offsets);
    } catch (cause) {
      // The offsets stay pending. If the membership is lost, the next heartbeat fails.
      this.options.onError(new Error('offset commit failed', { cause }));
      return;
    }
    for (const { partition, offset } of offsets) {
      this.confirm(partition, offset);
      if (this.pending.get(partition) === offset) this.pending.delete(partition);
    }
  }
}
