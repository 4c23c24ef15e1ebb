/** Past messages of a source, for training. */
import type { Message } from './source';

export interface HistoryRange {
  /** Event or transport time, Unix ms; undefined = from the beginning. */
  from: number | undefined;
  /** Exclusive; undefined = up to now. */
  to: number | undefined;
  /** Upper bound on messages; the newest are kept. */
  maxRecords: number;
  /** If there are more messages: number of ranges to read, spread over the whole time, instead of the newest messages. */
  blocks?: number;
  /** Largest number of partitions to read, always the same ones; a smaller number is part of a larger one. Default: all. */
  partitions?: number;
  /** Called before the first chunk with the share of the messages that is read, in [0, 1]. */
  onShare?: (share: number) => void;
  /** Called before the first chunk by a source that can read a part of its partitions. */
  onPartitions?: (extent: PartitionExtent) => void;
}

/** Partitions of a topic in a range of time. */
export interface PartitionExtent {
  /** Number of partitions that are read. */
  read: number;
  /** Number of partitions with messages. */
  all: number;
  /** Messages of the partitions that are read. */
  available: number;
}

/** Messages in order. `block`: messages are left out between different blocks; absent if none are. */
export type HistoryChunk = readonly Message[] & { readonly block?: string };

/** Reads past messages in order within each partition, in chunks, without disturbing the live consumer. */
export type ReadHistory = (range: HistoryRange) => AsyncIterable<HistoryChunk>;
