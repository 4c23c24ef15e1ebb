/** Waiting: a pause that can be cancelled, back-off between attempts, and a deadline. */
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';

/** Resolves after `ms`, or as soon as the signal is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => undefined);
}

/** Resolves with the reason as soon as the signal is aborted. */
export async function aborted(signal: AbortSignal): Promise<unknown> {
  if (!signal.aborted) await once(signal, 'abort');
  return signal.reason;
}

/** Delay before the next attempt, ms: doubles from 250 ms up to `maxMs`, less a random fifth. */
export function backOffMs(attempt: number, maxMs: number): number {
  return Math.min(maxMs, 250 * 2 ** Math.min(attempt, 20)) * (1 - 0.2 * Math.random());
}

/** Whether the work settles, with a value or an error, within `ms`. The caller handles the error. */
export async function settledWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const deadline = new AbortController();
  const settled = work.then(
    () => true,
    () => true,
  );
  const late = pause(ms, deadline.signal).then(() => false);
  const result = await Promise.race([settled, late]);
  deadline.abort();
  return result;
}

/** The result of the work, or undefined as soon as the signal is aborted. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  // Promise.race is not used: each race would stay referenced for as long as the signal exists.
  return new Promise((resolve, reject) => {
    const abort = () => resolve(undefined);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
