/** Arithmetic of offsets. They are bigint: Kafka's are 64 bits wide. */

/** What is known of a partition when it is assigned. */
export interface PartitionFacts {
  /** First offset that the broker still has, and the one after its newest. */
  low: bigint;
  high: bigint;
  /** The group's committed offset; negative when there is none (−2: another kafkajs has set the group back to the earliest). */
  committed: bigint;
  /** What this process knows of it; undefined when it has handled none of its messages. */
  known: Progress | undefined;
}

/** How far a process has come in a partition. */
export interface Progress {
  /** The next offset to be handled. */
  position: bigint;
  /** Whether the broker has confirmed an offset of the group since the topic is as it is. */
  committed: boolean;
}

/** Where the messages of a partition begin that nobody has handled yet. */
export interface Place {
  /** The first of them. */
  liveFrom: bigint;
  /** Whether messages before it have been handled. */
  processedBefore: boolean;
  /** Messages that nobody has handled and that the broker has no more. */
  missing: bigint;
  /** The committed offset lies beyond the end: the topic was made anew or cut. */
  restarted: boolean;
}

const max = (a: bigint, b: bigint) => (a > b ? a : b);

/** Decides where a partition goes on, so that nothing unhandled is skipped in silence. */
export function findPlace(
  { low, high, committed, known }: PartitionFacts,
  { startFrom }: { startFrom: 'earliest' | 'latest' },
): Place {
  const beginning = startFrom === 'earliest' ? low : high;
  // Kafka forgets a group's offsets with the topic: this one was made anew, and all that is in it is new.
  if (committed === -1n && known?.committed === true)
    return { liveFrom: low, processedBefore: false, missing: 0n, restarted: true };
  const expected = max(committed, known?.position ?? -1n);
  if (expected < 0n) {
    // −2 was written by a reset of a group that did have a place: going to the latest would skip what is left.
    const wasReset = committed === -2n;
    return { liveFrom: wasReset ? low : beginning, processedBefore: wasReset, missing: 0n, restarted: false };
  }
  if (expected > high) return { liveFrom: beginning, processedBefore: true, missing: 0n, restarted: true };
  if (expected < low)
    return { liveFrom: low, processedBefore: true, missing: low - expected, restarted: false };
  return { liveFrom: expected, processedBefore: true, missing: 0n, restarted: false };
}

/**
 * First offset to read, so that windows are full when it matters: behind what is remembered, or where nothing is so many
 * messages before those that nobody has handled.
 */
export function beginReading(
  liveFrom: bigint,
  low: bigint,
  remembered: bigint | undefined,
  warmUpRecords: number,
): bigint {
  return max(low, remembered === undefined ? liveFrom - BigInt(warmUpRecords) : remembered + 1n);
}

/** How many messages from `next` on are lost when the first that came is `first` and the broker's oldest is `low`. */
export function missingBetween(next: bigint, first: bigint, low: bigint): bigint {
  // A jump above `low` is a hole in the log itself: compaction, or the marker of a transaction.
  return max(0n, (first < low ? first : low) - next);
}

/** Offsets of one partition: `start` up to but without `end`. */
export interface OffsetRange {
  partition: number;
  start: bigint;
  end: bigint;
}

/**
 * Keeps the newest messages, `maxRecords` at most, each partition in proportion to what it has, so that all reach
 * about equally far back in time. Partitions that are left with nothing are dropped.
 */
export function keepNewest(ranges: readonly OffsetRange[], maxRecords: number): OffsetRange[] {
  const filled = ranges.filter(({ start, end }) => end > start);
  const total = filled.reduce((sum, { start, end }) => sum + (end - start), 0n);
  const limit = BigInt(maxRecords);
  if (total <= limit) return filled;
  return filled
    .map(({ partition, start, end }) => ({ partition, start: end - ((end - start) * limit) / total, end }))
    .filter(({ start, end }) => end > start);
}

/**
 * Keeps so many stretches of each partition, spread over all of it, with `maxRecords` messages at most: one in each of as many
 * equal parts, at places that do not keep time with hours or days. The newest stretch ends where the partition does. Without
 * need for it nothing is left out.
 */
export function keepBlocks(
  ranges: readonly OffsetRange[],
  maxRecords: number,
  blocks: number,
): OffsetRange[] {
  const newest = keepNewest(ranges, maxRecords);
  if (blocks === 1) return newest;
  return newest.flatMap(({ partition, start, end }) => {
    const all = ranges.find((one) => one.partition === partition && one.end === end)!;
    const total = Number(all.end - all.start);
    const kept = Number(end - start);
    if (kept === total) return [all];
    const count = Math.min(blocks, kept);
    const length = Math.floor(kept / count);
    const part = total / count;
    return Array.from({ length: count }, (_, i) => {
      // Steps of the golden section fill the parts evenly, and never in the same rhythm as anything else.
      if (i === count - 1) return { partition, start: all.end - BigInt(length), end: all.end };
      const place = ((i + 1) * 0.618033988749895) % 1;
      const first = all.start + BigInt(Math.floor(i * part + place * (part - length)));
      return { partition, start: first, end: first + BigInt(length) };
    });
  });
}
