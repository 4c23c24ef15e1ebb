/** Releases resources, the newest first; a failure does not stop the rest. */
export class Cleanup {
  private readonly stack: { name: string; release: () => void | Promise<void> }[] = [];
  private released: Promise<void> | undefined;

  /** Registers the release of something that has just been acquired. */
  add(name: string, release: () => void | Promise<void>): void {
    this.stack.push({ name, release });
  }

  /** Registers something that has just been acquired, to stop it at the release. Returns it. */
  own<T extends { stop(): void | Promise<void> }>(name: string, acquired: T): T {
    this.add(name, () => acquired.stop());
    return acquired;
  }

  /** Releases everything once. Rejects with an AggregateError if any release failed. */
  release(): Promise<void> {
    return (this.released ??= this.releaseAll());
  }

  private async releaseAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let next = this.stack.pop(); next !== undefined; next = this.stack.pop()) {
      try {
        await next.release();
      } catch (cause) {
        failures.push(new Error(`could not release ${next.name}`, { cause }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be released');
  }
}
