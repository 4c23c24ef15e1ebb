/**
 * The rhythm of a key: the usual time between its records. It distinguishes a silent key from a key whose next record is not
 * due, and a record with a time wrongly far ahead from a gap.
 */

/** Numbers only, so that a snapshot of a store can keep them in a column. */
export interface Rhythm {
  /** Longest recent time between two records, ms; 0 = unknown. */
  interval: number;
  /** Event time of the record before the last jump, Unix ms. */
  anchor: number;
  /** Size of that jump, ms. */
  jump: number;
  /** Further records until the jump is confirmed; 0 = no jump is pending. */
  pending: number;
}

/** Numbers of a rhythm in a snapshot. */
export const rhythmSize = 4;

export const unknownRhythm = (): Rhythm => ({ interval: 0, anchor: -Infinity, jump: 0, pending: 0 });

export function resetRhythm(rhythm: Rhythm): void {
  rhythm.interval = rhythm.jump = rhythm.pending = 0;
  rhythm.anchor = -Infinity;
}

/** A step of more than this many intervals is a jump. */
const jumpIntervals = 10;

/** The longest interval fades by this factor with each record. */
const fading = 0.98;

/**
 * Updates the rhythm with the time from the newest record of a key to the next one, ms.
 * @param length records after which a jump is confirmed
 */
export function noteStep(rhythm: Rhythm, newest: number, step: number, length: number): void {
  // The second step shows whether the first one was the rhythm or a jump.
  if (rhythm.interval === 0 && rhythm.pending > 0) rhythm.interval = rhythm.jump;
  if (rhythm.interval === 0 || step > jumpIntervals * rhythm.interval) {
    if (rhythm.pending > 0) rhythm.interval = Math.max(rhythm.interval, rhythm.jump);
    rhythm.anchor = newest;
    rhythm.jump = step;
    rhythm.pending = length;
    return;
  }
  rhythm.interval = Math.max(step, fading * rhythm.interval);
  if (rhythm.pending > 0 && --rhythm.pending === 0) rhythm.interval = Math.max(rhythm.interval, rhythm.jump);
}

/** Whether a record that is older than the newest one continues the records before a jump. If so, the jump was an error. */
export function contradictsJump({ anchor, pending }: Rhythm, newest: number, timestamp: number): boolean {
  if (pending === 0 || timestamp <= anchor) return false;
  return newest - timestamp > jumpIntervals * (timestamp - anchor);
}

/** Continues after the record before the jump. */
export function undoJump(rhythm: Rhythm, timestamp: number): void {
  if (rhythm.interval === 0 || rhythm.interval >= rhythm.jump) rhythm.interval = timestamp - rhythm.anchor;
  rhythm.pending = 0;
}

/**
 * Silence after which a key can lose its window, ms: the time to fill a window.
 * @param ttlMs silence after which it starts a new window in any case
 */
export function patience({ interval, jump, pending }: Rhythm, length: number, ttlMs: number): number {
  const known = interval === 0 && pending > 0 ? jump : interval;
  return known === 0 ? ttlMs : Math.min(ttlMs, length * known);
}
