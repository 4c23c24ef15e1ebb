/** Past messages of a source, for training. */
import type { Message } from './source';

export interface HistoryRange {
  /** Event or transport time, Unix ms; undefined = from the beginning. */
  from: number | undefined;
  /** Exclusive; undefined = up to now. */
  to: number | undefined;
  /** Upper bound on messages; the newest are kept. */
  maxRecords: number;
}

/** Reads past messages in order within each partition, in chunks, without disturbing the live consumer. */
export type ReadHistory = (range: HistoryRange) => AsyncIterable<readonly Message[]>;
