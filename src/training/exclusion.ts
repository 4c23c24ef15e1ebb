/** What no training should learn from, and how much of the history that may be. */
import type { Interval } from './dataset';

export interface Exclusion {
  /** Stretches to leave out; no two of one key overlap. */
  excluded: readonly Interval[];
  /** Stretches that were too long to be left out, the longest first. */
  released: readonly Interval[];
}

/**
 * Leaves out at most `maxShare` of the records. When it would be more, the stretches with the most records are released
 * until it is not: an event that never ends is a new normal, and a model that may not learn it would alarm for ever.
 * @param times event times of each key's records, ascending, Unix ms
 */
export function boundExclusion(
  intervals: readonly Interval[],
  times: ReadonlyMap<string, readonly number[]>,
  maxShare: number,
): Exclusion {
  const stretches = merge(intervals)
    .map((interval) => ({ interval, records: countWithin(times.get(interval.key) ?? [], interval) }))
    .sort((a, b) => b.records - a.records);
  let total = 0;
  for (const keyTimes of times.values()) total += keyTimes.length;
  let left = stretches.reduce((sum, { records }) => sum + records, 0);
  let first = 0;
  while (left > maxShare * total) left -= stretches[first++]!.records;
  return {
    excluded: stretches.slice(first).map(({ interval }) => interval),
    released: stretches.slice(0, first).map(({ interval }) => interval),
  };
}

/** An event that is still open is noted at every training, each time a little longer. */
function merge(intervals: readonly Interval[]): Interval[] {
  const merged: Interval[] = [];
  const last = new Map<string, Interval>();
  for (const interval of [...intervals].sort((a, b) => a.from - b.from)) {
    const before = last.get(interval.key);
    if (before !== undefined && interval.from <= before.to) {
      before.to = Math.max(before.to, interval.to);
    } else {
      const copy = { ...interval };
      last.set(interval.key, copy);
      merged.push(copy);
    }
  }
  return merged;
}

function countWithin(times: readonly number[], { from, to }: Interval): number {
  return firstFrom(times, to, true) - firstFrom(times, from, false);
}

/** Index of the first of the ascending `times` that is at or, with `beyond`, after `time`. */
function firstFrom(times: readonly number[], time: number, beyond: boolean): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle]! < time || (beyond && times[middle]! === time)) low = middle + 1;
    else high = middle;
  }
  return low;
}
