/** A channel that turns callbacks into an iteration. The sender waits until each item is used. */
import { pause } from '../../system/pause';

export class Channel<T> {
  private readonly waiting: { item: T; used: (used: boolean) => void }[] = [];
  private ended = false;
  private failure: Error | undefined;
  private movedAt = Date.now();
  private wake: () => void = () => undefined;

  /** Resolves when the item has been used; false if the iteration has ended. */
  send(item: T): Promise<boolean> {
    if (this.ended) return Promise.resolve(false);
    return new Promise((used) => {
      this.waiting.push({ item, used });
      this.wake();
    });
  }

  /** Restarts the idle timeout after progress without an item. */
  touch(): void {
    this.movedAt = Date.now();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  fail(error: Error): void {
    this.failure ??= error;
    this.end();
  }

  /** The items, until `end`, or until `idleTimeoutMs` pass without progress. Throws the error of `fail`. */
  async *received(idleTimeoutMs: number): AsyncGenerator<T> {
    this.touch();
    try {
      for (;;) {
        const next = this.waiting[0];
        if (next !== undefined) {
          yield next.item;
          this.touch();
          this.waiting.shift();
          next.used(true);
          // The sender can react, with the next item or the end, before this side waits.
          await new Promise(setImmediate);
          continue;
        }
        if (this.failure !== undefined) throw this.failure;
        const leftMs = this.movedAt + idleTimeoutMs - Date.now();
        if (this.ended || leftMs <= 0) return;
        const woken = new AbortController();
        this.wake = () => woken.abort();
        await pause(leftMs, woken.signal);
      }
    } finally {
      this.ended = true;
      for (const { used } of this.waiting.splice(0)) used(false);
    }
  }
}
