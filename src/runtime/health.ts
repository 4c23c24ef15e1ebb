/** Health of the process for /healthz: whether the event loop and the scoring thread run. */
import { performance } from 'node:perf_hooks';

/** A thread that answers requests. */
export interface ThreadHealth {
  /** Reason why the thread has ended; undefined while it runs. */
  ended: string | undefined;
  /** Age of the oldest request without an answer, s; 0 = none. */
  oldestRequestSeconds: number;
}

export interface HealthOptions {
  /** Undefined if scoring has no separate thread. */
  scoringThread: (() => ThreadHealth) | undefined;
  log: { warn(message: string, fields: Record<string, unknown>): void };
  /** Interval of the measurement, ms. */
  intervalMs?: number;
  /** Monotonic time, ms. */
  now?: () => number;
}

/** Delay of the event loop that is logged, s. While the loop is blocked, nothing is answered, /healthz included. */
const longDelaySeconds = 5;
/** Time for which the longest delay is reported, s. */
const shownSeconds = 60;
/** Age of a request from which the scoring thread counts as hung, s. */
const hungSeconds = 60;

export type Health = ReturnType<typeof createHealth>;

export function createHealth({
  scoringThread,
  log,
  intervalMs = 500,
  now = () => performance.now(),
}: HealthOptions) {
  /** Delays of the last minute that are longer than all later ones, s. */
  let delays: { at: number; seconds: number }[] = [];
  let last = now();
  const timer = setInterval(measure, intervalMs).unref();

  function measure(): void {
    const at = now();
    const seconds = Math.max(0, (at - last - intervalMs) / 1000);
    last = at;
    delays = delays.filter((one) => one.seconds > seconds && at - one.at < 1000 * shownSeconds);
    delays.push({ at, seconds });
    if (seconds >= longDelaySeconds) log.warn('event loop was blocked', { seconds: round(seconds) });
  }

  return {
    /** `ok` is false for problems that a restart can repair. */
    report(): { ok: boolean; details: Record<string, unknown> } {
      const thread = scoringThread?.();
      const problem =
        thread?.ended ??
        (thread !== undefined && thread.oldestRequestSeconds >= hungSeconds
          ? `the scoring thread has not answered for ${Math.floor(thread.oldestRequestSeconds)} s`
          : undefined);
      return {
        ok: problem === undefined,
        details: {
          ...(problem !== undefined && { reason: problem }),
          eventLoopDelaySeconds: round(delays[0]?.seconds ?? 0),
          ...(thread !== undefined && { scoringThreadSeconds: round(thread.oldestRequestSeconds) }),
        },
      };
    },
    stop: () => clearInterval(timer),
  };
}

function round(seconds: number): number {
  return Math.round(1000 * seconds) / 1000;
}
