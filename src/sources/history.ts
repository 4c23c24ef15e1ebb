/** Past messages of a source, for training. */
import type { Message } from './source';

export interface HistoryRange {
  /** Event or transport time, Unix ms; undefined = from the beginning. */
  from: number | undefined;
  /** Exclusive; undefined = up to now. */
  to: number | undefined;
  /** Upper bound on messages; the newest are kept. */
  maxRecords: number;
  /** Where there are more than that: in so many stretches, spread over all of the time, instead of the newest ones. */
  blocks?: number;
  /** Told which share of the messages of the time is read, before the first ones come; in [0, 1]. */
  onShare?: (share: number) => void;
}

/** Messages in order. */
export type HistoryChunk = readonly Message[] & {
  /** Between messages of different stretches others have been left out; absent where none have. */
  readonly block?: string;
};

/** Reads past messages in order within each partition, in chunks, without disturbing the live consumer. */
export type ReadHistory = (range: HistoryRange) => AsyncIterable<HistoryChunk>;
