/** The group membership with which a batch was fetched, kept alive by heartbeats while the batch is in progress. */
export class Membership {
  /**
   * Error of the first failed heartbeat. It is stored, because the chunk in progress is finished before the membership ends.
   */
  failure: Error | undefined;
  private readonly timer: NodeJS.Timeout;

  /** @param isOutdated whether the partition of the batch has been assigned again, here or to another member */
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
