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

/** An item of a `RecencyMap`. */
export interface Listed<T extends Listed<T>> extends Linked<T> {
  readonly key: string;
  /** The map that contains the item; undefined after it was deleted. */
  home: RecencyMap<T> | undefined;
}

/** Items by key, in the order in which they were last seen. */
export class RecencyMap<T extends Listed<T>> extends RecencyList<T> {
  private readonly items = new Map<string, T>();

  get size(): number {
    return this.items.size;
  }

  /**
   * @param known an item that probably belongs to the key. It saves the look-up, which with many devices costs more than all
   * else
   */
  get(key: string, known?: T): T | undefined {
    if (known?.home === this && known.key === key) return known;
    return this.latest?.key === key ? this.latest : this.items.get(key);
  }

  /** Adds an item as the latest. The item must be in no map. */
  add(item: T): void {
    item.home = this;
    this.items.set(item.key, item);
    this.append(item);
  }

  delete(item: T): void {
    item.home = undefined;
    this.items.delete(item.key);
    this.remove(item);
  }
}

/** Items of one device that the maps of a partition have found, to save look-ups. */
export interface DeviceLinks {
  memory: unknown;
  heard: unknown;
}
