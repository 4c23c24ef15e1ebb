/** How the records of a key follow each other in time. The rules are the same live and in training. */

export interface TimeRules {
  /** A key starts a new window if its last record is older than this (event time, ms), for every value of `gaps`. */
  ttlMs: number;
  /** Regular event time between two records of a key, ms; 0 = irregular, so no gap is recognised. */
  intervalMs: number;
  /**
   * After a gap of more than one and a half intervals: continue, start a new window, or fill the gap with records whose
   * values are missing (a repeated last value would look like a stuck sensor).
   */
  gaps: 'ignore' | 'break' | 'fill';
  /** A new window begins empty, or full of records whose values are missing. */
  padding: 'none' | 'missing';
}

/** What to do with the window of a key before a record enters it. */
export interface Continuation {
  /** Whether the window is emptied. */
  restart: boolean;
  /**
   * Number of records without values to push first. After a restart, they have time and conditions of the record; in a gap,
   * they are evenly spaced and have the conditions of the previous record.
   */
  fillers: number;
}

/** Why a record is not newer than the newest record of its key. */
export type Staleness = 'duplicate' | 'out_of_order';

/** @param newest event time of the newest record of the key, Unix ms; −Infinity = none */
export function staleness(newest: number, timestamp: number): Staleness | undefined {
  if (timestamp === newest) return 'duplicate';
  return timestamp < newest ? 'out_of_order' : undefined;
}

const goOn: Continuation = { restart: false, fillers: 0 };

/** @param length of the windows, records */
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
    // The gap is at least as long as the window, so no earlier record remains in it.
    return gaps === 'break' || missing >= length ? restart : { restart: false, fillers: missing };
  };
}

/** Event time of filler `i`, the oldest first. */
export function fillerTime(
  { restart, fillers }: Continuation,
  newest: number,
  timestamp: number,
  i: number,
): number {
  return restart ? timestamp : newest + ((timestamp - newest) * (i + 1)) / (fillers + 1);
}
