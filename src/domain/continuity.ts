/** Time as it is: what a record of a key means to the one before it. The same rules live and in training. */

export interface TimeRules {
  /** A key whose last record is older than this (event time, ms) starts a new window, whatever `gaps` says. */
  ttlMs: number;
  /** Event time from one record of a key to the next while none is missing, ms; 0 = irregular, no gap is recognised. */
  intervalMs: number;
  /**
   * What a gap does, that is more than one and a half intervals: nothing, start a new window, or be filled with records
   * whose values are missing (never the last value again: that would look like a sensor that is stuck).
   */
  gaps: 'ignore' | 'break' | 'fill';
  /** A new window has to fill first, or begins with records whose values are missing and is complete at once. */
  padding: 'none' | 'missing';
}

/** What is to happen before a record enters the window of its key. */
export interface Continuation {
  /** The window begins anew. */
  restart: boolean;
  /**
   * Records without values that enter before it: after a restart with its own time and conditions; in a gap evenly spread
   * over it, with the conditions of the record before.
   */
  fillers: number;
}

/** Why a record cannot enter the window of its key: it is not newer than the newest one. */
export type Staleness = 'duplicate' | 'out_of_order';

/** @param newest event time of the newest record of its key, Unix ms; −Infinity when there is none */
export function staleness(newest: number, timestamp: number): Staleness | undefined {
  if (timestamp === newest) return 'duplicate';
  return timestamp < newest ? 'out_of_order' : undefined;
}

const goOn: Continuation = { restart: false, fillers: 0 };

/** How records of a key follow one another, in windows of `length` records. */
export function createContinuity(
  { ttlMs, intervalMs, gaps, padding }: TimeRules,
  length: number,
): (newest: number, timestamp: number) => Continuation {
  const restart: Continuation = { restart: true, fillers: padding === 'missing' ? length - 1 : 0 };
  return (newest, timestamp) => {
    const passed = timestamp - newest;
    if (newest === -Infinity || passed > ttlMs) return restart;
    if (gaps === 'ignore' || intervalMs === 0) return goOn;
    const missing = Math.round(passed / intervalMs) - 1;
    if (missing < 1) return goOn;
    // A gap as long as the window leaves nothing of what was before it.
    return gaps === 'break' || missing >= length ? restart : { restart: false, fillers: missing };
  };
}

/** Event time of filler `i` of `fillers`, the oldest first. */
export function fillerTime(
  { restart, fillers }: Continuation,
  newest: number,
  timestamp: number,
  i: number,
): number {
  return restart ? timestamp : newest + ((timestamp - newest) * (i + 1)) / (fillers + 1);
}
