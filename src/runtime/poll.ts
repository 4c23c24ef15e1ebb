/** Repeats work at an interval and on demand, one run at a time. The timer does not keep the process alive. */
export class Poll {
  private readonly timer: NodeJS.Timeout;
  private inProgress: Promise<void> | undefined;
  private stopped = false;

  /** @param work must not reject */
  constructor(
    intervalMs: number,
    private readonly work: () => Promise<void>,
  ) {
    this.timer = setInterval(() => void this.run(), intervalMs);
    this.timer.unref();
  }

  /** Works now, unless stopped; joins a run in progress. Never rejects. */
  async run(): Promise<void> {
    if (this.stopped) return;
    this.inProgress ??= this.work().finally(() => (this.inProgress = undefined));
    await this.inProgress;
  }

  /** Stops the repetition and waits for a run in progress. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.inProgress;
  }
}
