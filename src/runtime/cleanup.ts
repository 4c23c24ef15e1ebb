/** Releases resources, the newest first; a failure does not stop the rest. */
export interface Cleanup {
  /** Registers the release of something that has just been acquired. */
  add(name: string, release: () => void | Promise<void>): void;
  /** Releases everything once. Rejects with an AggregateError if any release failed. */
  release(): Promise<void>;
}

export function createCleanup(): Cleanup {
  const stack: { name: string; release: () => void | Promise<void> }[] = [];
  let released: Promise<void> | undefined;

  async function releaseAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      try {
        await next.release();
      } catch (cause) {
        failures.push(new Error(`could not release ${next.name}`, { cause }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be released');
  }

  return {
    add(name, release) {
      stack.push({ name, release });
    },
    release: () => (released ??= releaseAll()),
  };
}
