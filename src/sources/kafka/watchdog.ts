/**
 * Detects a consumer that has stopped without an error. Two cases occurred: kafkajs waited in its loop for an event that never
 * came, and it left a partition paused after a rebalance.
 */
import type { TopicAdmin } from '../../kafka/admin';
import { SessionEnd } from './session-end';

interface Position {
  next: bigint;
  /** Time at which the position `next` was reached, Unix ms. */
  since: number;
  /** End of the partition at the previous check. */
  end: bigint | undefined;
}

export class Watchdog {
  private isJoining = true;
  private positions = new Map<number, Position>();
  private fetchedAt: number;

  /**
   * @param stallTimeoutMs time without progress after which a consumer counts as stalled
   * @param joinTimeoutMs time that joining the group may take
   * @param now Unix ms
   */
  constructor(
    readonly stallTimeoutMs: number,
    private readonly joinTimeoutMs: number,
    private readonly now = Date.now,
  ) {
    this.fetchedAt = now();
  }

  /** Call when a fetch was answered, possibly without messages. */
  fetched(): void {
    this.fetchedAt = this.now();
  }

  /** Call when the consumer joins the group, which takes as long as the other members need. */
  joining(): void {
    this.fetched();
    this.isJoining = true;
    this.positions = new Map();
  }

  /** Call when these partitions, and no others, are read from these offsets on. */
  reading(from: ReadonlyMap<number, bigint>): void {
    this.fetched();
    this.isJoining = false;
    const since = this.now();
    this.positions = new Map(
      Array.from(from, ([partition, next]) => [partition, { next, since, end: undefined }]),
    );
  }

  /** Call when a partition has been read up to the offset `next`. */
  moved(partition: number, next: bigint): void {
    const position = this.positions.get(partition);
    if (position === undefined || next === position.next) return;
    position.next = next;
    position.since = this.now();
  }

  /** Whether the last fetch was too long ago. */
  isSilent(): boolean {
    const { stallTimeoutMs, joinTimeoutMs } = this;
    const limit = this.isJoining ? Math.max(stallTimeoutMs, joinTimeoutMs) : stallTimeoutMs;
    return this.now() - this.fetchedAt > limit;
  }

  /** Whether any partition is read. */
  isReading(): boolean {
    return this.positions.size > 0;
  }

  /**
   * Partitions that have messages after their position and have not moved for too long. @param ends end offsets by partition
   */
  stuck(ends: ReadonlyMap<number, bigint>): number[] {
    const isStill = ({ since }: Position): boolean => this.now() - since > this.stallTimeoutMs;
    // kafkajs requests partitions in a fixed order, and the size of a response is limited. So a partition may have to wait
    // until those before it are read to their ends.
    const mayWait = [...this.positions.values()].some(
      (position) => !isStill(position) && (position.end === undefined || position.next < position.end),
    );
    const found: number[] = [];
    for (const [partition, position] of this.positions) {
      const end = ends.get(partition) ?? position.next;
      if (isStill(position) && position.next < end && !mayWait) found.push(partition);
      position.end = end;
    }
    return found;
  }
}

export interface StallMonitorOptions {
  watchdog: Watchdog;
  admin: Pick<TopicAdmin, 'fetchTopicOffsets'>;
  topic: string;
  /** Interval of the check for fetches, ms. */
  silenceIntervalMs: number;
  /** Whether a batch is in progress, during which kafkajs fetches nothing. */
  isBusy: () => boolean;
  onStall: (end: SessionEnd) => void;
}

/** Checks the watchdog at intervals. Returns a function that stops the checks. */
export function startStallMonitor(options: StallMonitorOptions): () => void {
  const { watchdog, admin, topic, isBusy } = options;
  const { stallTimeoutMs } = watchdog;
  const stalled = (problem: string) => options.onStall(new SessionEnd('stalled', problem));
  let stopped = false;

  function checkFetches(): void {
    if (!isBusy() && watchdog.isSilent())
      stalled(`the Kafka consumer has not fetched for ${stallTimeoutMs} ms`);
  }

  /** A read_committed consumer reads up to the last stable offset, so an open transaction is no stall. */
  async function checkPartitions(): Promise<void> {
    if (!watchdog.isReading()) return;
    // If the brokers do not answer this request, they do not answer the consumer either, and kafkajs reports that.
    const bounds = await admin.fetchTopicOffsets(topic).catch(() => []);
    if (stopped || isBusy()) return;
    const ends = new Map(bounds.map(({ partition, high }) => [partition, BigInt(high)]));
    const stuck = watchdog.stuck(ends).join(', ');
    if (stuck !== '')
      stalled(`partition ${stuck} of "${topic}" has messages, but none arrived for ${stallTimeoutMs} ms`);
  }

  const timers = [
    setInterval(checkFetches, options.silenceIntervalMs),
    setInterval(() => void checkPartitions(), stallTimeoutMs / 2),
  ];
  return () => {
    stopped = true;
    timers.forEach(clearInterval);
  };
}
