/** Intervals of event time that training leaves out, up to a share of the history. */

export interface Interval {
  /** Empty = every key. */
  key: string;
  /** Unix ms, both ends included. */
  from: number;
  to: number;
}

export interface Exclusion {
  /** Intervals to leave out. Those of one key do not overlap. */
  excluded: readonly Interval[];
  /** Intervals that are used although they should be left out, because they exceed the share; the longest first. */
  released: readonly Interval[];
}

/**
 * Leaves out at most `maxShare` of the records. Above that, the intervals with the most records are released: an event that
 * does not end is a new normal, and a model that cannot learn it would alarm forever.
 * @param times event times of each key's records, ascending, Unix ms
 */
export function boundExclusion(
  intervals: readonly Interval[],
  times: ReadonlyMap<string, readonly number[]>,
  maxShare: number,
): Exclusion {
  const merged = merge(intervals)
    .map((interval) => ({ interval, records: countWithin(times.get(interval.key) ?? [], interval) }))
    .sort((a, b) => b.records - a.records);
  let total = 0;
  for (const keyTimes of times.values()) total += keyTimes.length;
  let left = merged.reduce((sum, { records }) => sum + records, 0);
  let first = 0;
  while (left > maxShare * total) left -= merged[first++]!.records;
  return {
    excluded: merged.slice(first).map(({ interval }) => interval),
    released: merged.slice(0, first).map(({ interval }) => interval),
  };
}

/** Whether an interval applies to a key. */
export const isOf = (interval: Pick<Interval, 'key'>, key: string): boolean =>
  interval.key === '' || interval.key === key;

/** The intervals that contain none of the records. `times` as for `boundExclusion`. */
export function withoutRecords<T extends Interval>(
  intervals: readonly T[],
  times: ReadonlyMap<string, readonly number[]>,
): T[] {
  return intervals.filter((interval) => {
    const keys = interval.key === '' ? [...times.keys()] : [interval.key];
    return !keys.some((key) => countWithin(times.get(key) ?? [], interval) > 0);
  });
}

/** The intervals without the parts that `cuts` cover. */
export function without(intervals: readonly Interval[], cuts: readonly Interval[]): Interval[] {
  return intervals.flatMap((interval) => {
    let left = [interval];
    for (const cut of cuts.filter((one) => isOf(one, interval.key))) {
      left = left.flatMap(({ key, from, to }) => {
        if (cut.to < from || cut.from > to) return [{ key, from, to }];
        // Both ends belong to an interval.
        const before = { key, from, to: cut.from - 1 };
        const after = { key, from: cut.to + 1, to };
        return [before, after].filter((one) => one.from <= one.to);
      });
    }
    return left;
  });
}

/** Joins overlapping intervals of a key: an open event is stored at every training, with a later end each time. */
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

/** Index of the first of the ascending `times` that is at or after `time`; with `beyond`, after it. */
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
