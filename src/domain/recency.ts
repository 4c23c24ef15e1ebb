/** A list in the order in which its items were last seen. Items are linked, as they are seen far more often than added. */

export interface Linked<T> {
  before: T | undefined;
  after: T | undefined;
}

export class RecencyList<T extends Linked<T>> {
  oldest: T | undefined;
  latest: T | undefined;

  /** Appends an item that is not in the list as the latest. */
  append(item: T): void {
    item.before = this.latest;
    if (this.latest === undefined) this.oldest = item;
    else this.latest.after = item;
    this.latest = item;
  }

  /** Makes an item of the list the latest one. */
  touch(item: T): void {
    if (item === this.latest) return;
    this.remove(item);
    this.append(item);
  }

  remove(item: T): void {
    const { before, after } = item;
    if (before === undefined) this.oldest = after;
    else before.after = after;
    if (after === undefined) this.latest = before;
    else after.before = before;
    item.before = item.after = undefined;
  }

  /** All items, the oldest first. */
  *[Symbol.iterator](): Generator<T> {
    for (let item = this.oldest; item !== undefined; item = item.after) yield item;
  }
}
