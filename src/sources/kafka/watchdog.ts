/**
 * Detects a consumer that has stopped without an error. kafkajs has been seen to wait in its loop for something that never comes,
 * and to leave a partition paused after a rebalance.
 */

export interface Watchdog {
  /** A fetch was answered, possibly without messages. */
  fetched(): void;
  /** The group is being joined, which takes as long as the other members need. */
  joining(): void;
  /** These partitions, and no others, are read from these offsets on. */
  reading(positions: ReadonlyMap<number, bigint>): void;
  /** The next offset of a partition. */
  moved(partition: number, next: bigint): void;
  /** Whether the last fetch is too long ago. */
  isSilent(): boolean;
  /** Whether any partition is read. */
  isReading(): boolean;
  /** Partitions that have messages after their position and have not moved for too long. `ends` by partition. */
  stuck(ends: ReadonlyMap<number, bigint>): number[];
}

export interface WatchdogOptions {
  /** Time without progress after which a consumer counts as stalled, ms. */
  stallTimeoutMs: number;
  /** Time that joining the group may take, ms. */
  joinTimeoutMs: number;
  /** Unix ms. */
  now?: () => number;
}

interface Position {
  next: bigint;
  /** Time at which `next` was reached, Unix ms. */
  since: number;
  /** End of the partition at the previous check. */
  end: bigint | undefined;
}

export function createWatchdog({ stallTimeoutMs, joinTimeoutMs, now = Date.now }: WatchdogOptions): Watchdog {
  let fetchedAt = now();
  let isJoining = true;
  let positions = new Map<number, Position>();

  return {
    fetched() {
      fetchedAt = now();
    },
    joining() {
      fetchedAt = now();
      isJoining = true;
      positions = new Map();
    },
    reading(from) {
      fetchedAt = now();
      isJoining = false;
      positions = new Map(
        [...from].map(([partition, next]) => [partition, { next, since: now(), end: undefined }]),
      );
    },
    moved(partition, next) {
      const position = positions.get(partition);
      if (position === undefined || next === position.next) return;
      position.next = next;
      position.since = now();
    },
    isSilent() {
      const limit = isJoining ? Math.max(stallTimeoutMs, joinTimeoutMs) : stallTimeoutMs;
      return now() - fetchedAt > limit;
    },
    isReading: () => positions.size > 0,
    stuck(ends) {
      const isStill = ({ since }: Position): boolean => now() - since > stallTimeoutMs;
      // kafkajs requests partitions in a fixed order, and responses are limited in size: a partition may have to wait
      // until those before it are read to their ends.
      const mayWait = [...positions.values()].some(
        (position) => !isStill(position) && (position.end === undefined || position.next < position.end),
      );
      const found: number[] = [];
      for (const [partition, position] of positions) {
        const end = ends.get(partition) ?? position.next;
        if (isStill(position) && position.next < end && !mayWait) found.push(partition);
        position.end = end;
      }
      return found;
    },
  };
}
