/** Heartbeats while a batch is in progress. */
export interface Heartbeats {
  /** Sends a heartbeat now. Never rejects. */
  check(): Promise<void>;
  /** The first failure. It is kept, because the chunk in progress is finished before the membership is given back. */
  failure(): Error | undefined;
  stop(): void;
}

export function startHeartbeats(heartbeat: () => Promise<void>, intervalMs: number): Heartbeats {
  let failure: Error | undefined;
  const check = () =>
    heartbeat().catch((error: unknown) => {
      failure ??= error as Error;
    });
  const timer = setInterval(() => void check(), intervalMs);
  return { check, failure: () => failure, stop: () => clearInterval(timer) };
}
