/** Past messages of a source, for training. */
import type { Message } from './source';

export interface HistoryRange {
  /** Event or transport time, Unix ms; undefined = from the beginning. */
  from: number | undefined;
  /** Exclusive; undefined = up to now. */
  to: number | undefined;
  /** Upper bound on messages; the newest are kept. */
  maxRecords: number;
  /**
   * Number of ranges, spread over the whole time, that are read if there are more messages than `maxRecords`. Absent = the
   * newest messages are read.
   */
  blocks?: number;
  /**
   * Maximum number of partitions to read. The choice is deterministic, and contains the choice for any smaller number. Default:
   * all.
   */
  partitions?: number;
  /** Called before the first chunk with the share of the messages that is read, in [0, 1]. */
  onShare?: (share: number) => void;
  /** Called before the first chunk, by a source that can read a part of its partitions. */
  onPartitions?: (extent: PartitionExtent) => void;
}

/** Numbers of partitions of a topic in a range of time. */
export interface PartitionExtent {
  /** Number of partitions that are read. */
  read: number;
  /** Number of partitions with messages. */
  all: number;
  /** Number of messages in the partitions that are read. */
  available: number;
}

/** Messages in order. `block`: between different blocks, messages are left out; absent if none are. */
export type HistoryChunk = readonly Message[] & { readonly block?: string };

/** Reads past messages in order within each partition, in chunks, without disturbing the live consumer. */
export type ReadHistory = (range: HistoryRange) => AsyncIterable<HistoryChunk>;
