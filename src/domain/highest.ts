/** The first `limit` items in an order, without sorting all of them. */

/** @param before negative if `a` comes before `b`; must be a total order, so that the result does not depend on the order of `items` */
export function highest<T>(items: Iterable<T>, limit: number, before: (a: T, b: T) => number): T[] {
  let kept: T[] = [];
  let last: T | undefined;
  for (const item of items) {
    if (last !== undefined && before(item, last) >= 0) continue;
    kept.push(item);
    if (kept.length < 2 * limit) continue;
    kept = kept.sort(before).slice(0, limit);
    last = kept.at(-1);
  }
  return kept.sort(before).slice(0, limit);
}
