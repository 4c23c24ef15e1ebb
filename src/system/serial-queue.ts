/** Runs work sequentially, in the order of the calls. A failure rejects only its own call. */
export class SerialQueue {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }

  /** Resolves when all work so far has ended. */
  async settled(): Promise<void> {
    await this.last;
  }
}
