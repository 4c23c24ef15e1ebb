/** Arithmetic of offsets. They are bigint: Kafka's are 64 bits wide. */

/** Offsets of a partition when it is assigned. */
export interface PartitionOffsets {
  /** First offset that the broker still has. */
  low: bigint;
  /** Offset after the broker's newest message. */
  high: bigint;
  /** The group's committed offset; negative = none (−2: a kafkajs client has reset the group to the earliest offset). */
  committed: bigint;
  /** Progress of this process; undefined if it has handled no message of the partition. */
  known: Progress | undefined;
}

/** Progress of a process in a partition. */
export interface Progress {
  /** Offset after the last handled message. */
  position: bigint;
  /** Whether the broker has confirmed an offset of the group since the topic was created. */
  committed: boolean;
}

/** The position of the first messages of a partition that no process has handled. */
export interface StartPosition {
  /** First unhandled offset. */
  liveFrom: bigint;
  /** Whether messages before `liveFrom` have been handled. */
  processedBefore: boolean;
  /** Number of unhandled messages that the broker has deleted. */
  missing: bigint;
  /** Whether the topic was recreated or truncated: the committed offset is beyond its end, or gone. */
  restarted: boolean;
}

const max = (a: bigint, b: bigint) => (a > b ? a : b);

/** Decides where a partition continues. Unhandled messages are never skipped without being counted. */
export function findStart(
  { low, high, committed, known }: PartitionOffsets,
  { startFrom }: { startFrom: 'earliest' | 'latest' },
): StartPosition {
  const beginning = startFrom === 'earliest' ? low : high;
  // Kafka deletes a group's offsets with the topic. So this topic was recreated, and all of its messages are new.
  if (committed === -1n && known?.committed === true)
    return { liveFrom: low, processedBefore: false, missing: 0n, restarted: true };
  const expected = max(committed, known?.position ?? -1n);
  if (expected < 0n) {
    // −2 follows a reset of a group that had an offset: to start at the latest offset would skip unhandled messages.
    const wasReset = committed === -2n;
    return { liveFrom: wasReset ? low : beginning, processedBefore: wasReset, missing: 0n, restarted: false };
  }
  if (expected > high) return { liveFrom: beginning, processedBefore: true, missing: 0n, restarted: true };
  if (expected < low)
    return { liveFrom: low, processedBefore: true, missing: low - expected, restarted: false };
  return { liveFrom: expected, processedBefore: true, missing: 0n, restarted: false };
}

/**
 * First offset to read, so that windows are full at `liveFrom`: the offset after the stored state or, without a state,
 * `warmUpRecords` messages before `liveFrom`.
 */
export function firstOffsetToRead(
  liveFrom: bigint,
  low: bigint,
  restorePoint: bigint | undefined,
  warmUpRecords: number,
): bigint {
  return max(low, restorePoint === undefined ? liveFrom - BigInt(warmUpRecords) : restorePoint + 1n);
}

/** Number of messages lost from `next` on, given the first message received and the broker's first offset `low`. */
export function missingBetween(next: bigint, first: bigint, low: bigint): bigint {
  // If the first offset is above `low`, the gap is in the log itself: compaction, or the marker of a transaction.
  return max(0n, (first < low ? first : low) - next);
}

/** Offsets of one partition from `start` up to `end`, which is excluded. */
export interface OffsetRange {
  partition: number;
  start: bigint;
  end: bigint;
}

/**
 * Keeps the newest messages, at most `maxRecords` in total. Each partition gets a share proportional to its size, so that all
 * ranges begin at about the same time. Drops partitions whose range is empty.
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

/** Multiples of this number, modulo 1, are evenly spread without a period (golden section). */
const evenStep = 0.618033988749895;

/** Keeps `count` of the partitions, evenly spread. The choice contains the choice for any smaller number. */
export function keepPartitions(ranges: readonly OffsetRange[], count: number): OffsetRange[] {
  if (ranges.length <= count) return [...ranges];
  const placeOf = ({ partition }: OffsetRange): number => (partition * evenStep) % 1;
  return [...ranges]
    .sort((a, b) => placeOf(a) - placeOf(b))
    .slice(0, count)
    .sort((a, b) => a.partition - b.partition);
}

/** Number of offsets in the ranges, those of messages that were compacted away included. */
export function countMessages(ranges: readonly OffsetRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + Number(end - start), 0);
}

/**
 * Keeps `blocks` ranges of each partition, at most `maxRecords` messages in total: one range in each of `blocks` equal parts,
 * at varying positions, so that the ranges do not follow the rhythm of hours or days. The newest range ends with the partition.
 * Keeps everything if it fits.
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
      if (i === count - 1) return { partition, start: all.end - BigInt(length), end: all.end };
      const place = ((i + 1) * evenStep) % 1;
      const first = all.start + BigInt(Math.floor(i * part + place * (part - length)));
      return { partition, start: first, end: first + BigInt(length) };
    });
  });
}
