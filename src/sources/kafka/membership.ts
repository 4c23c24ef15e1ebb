/** The membership in the group that a batch was fetched with, kept alive by heartbeats while the batch is in progress. */
export class Membership {
  /** The first failed heartbeat. It is kept, because the chunk in progress is finished before the membership is given back. */
  failure: Error | undefined;
  private readonly timer: NodeJS.Timeout;

  /** @param isOutdated whether the partition of the batch has been assigned again, or to another member */
  constructor(
    private readonly heartbeat: () => Promise<void>,
    readonly isOutdated: () => boolean,
    intervalMs: number,
  ) {
    this.timer = setInterval(() => void this.check(), intervalMs);
  }

  isLost(): boolean {
    return this.isOutdated() || this.failure !== undefined;
  }

  /** Sends a heartbeat now. Never rejects. */
  async check(): Promise<void> {
    await this.heartbeat().catch((error: unknown) => {
      this.failure ??= error as Error;
    });
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
