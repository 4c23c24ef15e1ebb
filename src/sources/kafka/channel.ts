/** A channel from callbacks to an iteration: the sender waits until each item is used. */
export interface Channel<T> {
  /** Resolves after the item is used; false if the iteration has ended. */
  send(item: T): Promise<boolean>;
  /** Restarts the idle timeout: there was progress without an item. */
  touch(): void;
  end(): void;
  fail(error: Error): void;
  /** The items; ends after `end`, or after `idleTimeoutMs` without progress. Throws the error of `fail`. */
  received(idleTimeoutMs: number): AsyncGenerator<T>;
}

export function createChannel<T>(): Channel<T> {
  const waiting: { item: T; used: (used: boolean) => void }[] = [];
  let ended = false;
  let failure: Error | undefined;
  let movedAt = Date.now();
  let wake: () => void = () => undefined;

  function end(): void {
    ended = true;
    wake();
  }

  function pauseUntilWoken(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  return {
    send(item) {
      if (ended) return Promise.resolve(false);
      return new Promise((used) => {
        waiting.push({ item, used });
        wake();
      });
    },
    touch() {
      movedAt = Date.now();
    },
    end,
    fail(error) {
      failure ??= error;
      end();
    },
    async *received(idleTimeoutMs) {
      movedAt = Date.now();
      try {
        for (;;) {
          const next = waiting[0];
          if (next !== undefined) {
            yield next.item;
            movedAt = Date.now();
            waiting.shift();
            next.used(true);
            // Lets the sender react, with the next item or the end, before this side waits.
            await new Promise(setImmediate);
            continue;
          }
          if (failure !== undefined) throw failure;
          const leftMs = movedAt + idleTimeoutMs - Date.now();
          if (ended || leftMs <= 0) return;
          await pauseUntilWoken(leftMs);
        }
      } finally {
        ended = true;
        for (const { used } of waiting.splice(0)) used(false);
      }
    },
  };
}
