/** Arithmetic of offsets. They are bigint: Kafka's are 64 bits wide. */

/** What is known of a partition when it is assigned. */
export interface PartitionFacts {
  /** First offset that the broker still has, and the one after its newest. */
  low: bigint;
  high: bigint;
  /** The group's committed offset; negative when there is none (−2: kafkajs reset the group to the earliest). */
  committed: bigint;
  /** The next offset to be handled as this process knows it; undefined when it has not had the partition yet. */
  position: bigint | undefined;
  /** Last offset in the state that is stored of the partition; undefined when there is none. */
  stored?: bigint | undefined;
}

/** Where to read a partition from after it has been assigned. */
export interface StartPlan {
  /** First offset to fetch. */
  from: bigint;
  /** Messages below this one are delivered to refill windows only. */
  liveFrom: bigint;
  /** Messages that nobody has handled and that the broker has no more. */
  missing: bigint;
  /** The committed offset lies beyond the end: the topic was made anew or cut. */
  restarted: boolean;
}

/**
 * Messages between stored state and the committed offset that are read again at most: some minutes of scoring. State that
 * is older has been given up on.
 */
const maxReplayed = 1_000_000n;

const max = (a: bigint, b: bigint) => (a > b ? a : b);
const min = (a: bigint, b: bigint) => (a < b ? a : b);

/** Decides where reading begins, so that nothing unhandled is skipped in silence and windows are full when it matters. */
export function planStart(
  facts: PartitionFacts,
  settings: { startFrom: 'earliest' | 'latest'; rewindRecords: number },
): StartPlan {
  const { low, high, committed, position, stored } = facts;
  const rewound = (liveFrom: bigint) => {
    // What the stored state lacks is read again, too, with windows that are full.
    const replayed = stored !== undefined && liveFrom - stored <= maxReplayed;
    const next = replayed ? min(stored + 1n, liveFrom) : liveFrom;
    return max(low, next - BigInt(settings.rewindRecords));
  };
  const beginning = settings.startFrom === 'earliest' ? low : high;

  const expected = max(committed, position ?? -1n);
  if (expected < 0n) {
    // −2 was written by a reset of a group that did have a place: going to the latest would skip what is left.
    const liveFrom = committed === -2n ? low : beginning;
    return { from: rewound(liveFrom), liveFrom, missing: 0n, restarted: false };
  }
  if (expected > high) return { from: rewound(beginning), liveFrom: beginning, missing: 0n, restarted: true };
  if (expected < low) return { from: low, liveFrom: low, missing: low - expected, restarted: false };
  // Nobody else has moved on since this process handled the partition last, so its windows are as they were.
  const from = position === expected ? expected : rewound(expected);
  return { from, liveFrom: expected, missing: 0n, restarted: false };
}

/** How many messages from `next` on are lost when the first that came is `first` and the broker's oldest is `low`. */
export function missingBetween(next: bigint, first: bigint, low: bigint): bigint {
  // A jump above `low` is a hole in the log itself: compaction, or the marker of a transaction.
  return max(0n, min(first, low) - next);
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
