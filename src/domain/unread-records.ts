/** Records that a window may lack because this process has not read them: those before a start, or in a gap of the offsets. */
import type { Continuation } from './continuity';

/** @param length of the windows, records */
export function createUnreadRecords(length: number, ttlMs: number, knownFrom: number) {
  return {
    /** Event time from which a key without a window counts as new, Unix ms. Infinite until the first record sets it. */
    get knownFrom() {
      return knownFrom;
    },
    /**
     * Number of records that the window may lack after the next record of its key.
     * @param lacking the number before; the full length if its newest record is unknown
     */
    after(lacking: number, timestamp: number, { restart, fillers }: Continuation): number {
      if (lacking < length) return restart ? 0 : Math.max(0, lacking - 1 - fillers);
      // After the TTL a key starts a new window in any case. Twice the TTL, because the clocks of devices differ.
      if (knownFrom === Infinity) knownFrom = timestamp + 2 * ttlMs;
      return timestamp < knownFrom ? length - 1 : 0;
    },
    /** Call after a gap in the offsets: each key may have unread records before its next one. */
    interrupt(): void {
      knownFrom = Infinity;
    },
  };
}
