/**
 * Notices a consumer that has stopped without saying so. kafkajs has been seen to: its loop waits for something that never
 * comes, or a partition stays paused after a rebalance, and neither is an error to anyone.
 */

export interface Watchdog {
  /** A request for messages has been answered, if with none. */
  fetched(): void;
  /** The group is being joined, which may take as long as the other members need. */
  joining(): void;
  /** From now on these partitions are read, each from its offset on; no others. */
  reading(positions: ReadonlyMap<number, bigint>): void;
  /** The next offset of a partition. */
  moved(partition: number, next: bigint): void;
  /** Whether nothing has been fetched for too long. */
  isSilent(): boolean;
  /** Partitions that have stood still for too long although there is something to read in them. */
  stuck(ends: ReadonlyMap<number, bigint>): number[];
}

export interface WatchdogOptions {
  /** Without anything for so long, ms, a consumer has stopped. */
  stallTimeoutMs: number;
  /** So long, ms, joining a group may take. */
  joinTimeoutMs: number;
  /** Unix ms. */
  now?: () => number;
}

interface Position {
  next: bigint;
  /** Since when it is the next one, Unix ms. */
  since: number;
  /** The end of the partition at the check before. */
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
    stuck(ends) {
      const still = ({ since }: Position): boolean => now() - since > stallTimeoutMs;
      // kafkajs asks for partitions in the same order each time, and answers are limited in size: one partition may have to
      // wait until those before it have been read to their ends.
      const waitsForItsTurn = [...positions.values()].some(
        (position) => !still(position) && (position.end === undefined || position.next < position.end),
      );
      const found: number[] = [];
      for (const [partition, position] of positions) {
        const end = ends.get(partition) ?? position.next;
        if (still(position) && position.next < end && !waitsForItsTurn) found.push(partition);
        position.end = end;
      }
      return found;
    },
  };
}
