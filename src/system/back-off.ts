/** Waiting between attempts. */
import { setTimeout as wait } from 'node:timers/promises';

/** How long to wait before the next attempt, ms: doubles from 250 ms up to `maxMs`, less a random fifth. */
export function backOffMs(attempt: number, maxMs: number): number {
  return Math.min(maxMs, 250 * 2 ** Math.min(attempt, 20)) * (1 - 0.2 * Math.random());
}

/** Resolves after `ms`, or at once when the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => undefined);
}

/** Whether the work has settled within `ms`. Its failure is the caller's to look at. */
export async function settledWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const giveUp = new AbortController();
  const settled = work.then(
    () => true,
    () => true,
  );
  const late = wait(ms, false, { signal: giveUp.signal }).catch(() => false);
  const result = await Promise.race([settled, late]);
  giveUp.abort();
  return result;
}
