/** Reasons to abort a training: it takes too long, or the daemon stops. */
import { TrainingError, type RetrainingFailure } from '../errors';

export class Interruption extends Error {
  override readonly name = 'Interruption';
  constructor(
    readonly kind: 'timeout' | 'stopped',
    message: string,
  ) {
    super(message);
  }
}

/** With a larger delay, setTimeout fires at once: it accepts a 31-bit number of ms. */
const longestTimeoutMs = 2 ** 31 - 1;

/** Aborts work that takes longer than `timeoutMs`. */
export async function interruptAfter<T>(
  timeoutMs: number,
  abort: AbortController,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = `training took longer than ${timeoutMs} ms (training.timeoutMs)`;
  const expire = (): void => abort.abort(new Interruption('timeout', late));
  const timer = setTimeout(expire, Math.min(timeoutMs, longestTimeoutMs));
  try {
    return await work(abort.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Reason why work with this signal has failed. */
export function failureOf(error: unknown, signal: AbortSignal): RetrainingFailure {
  if (signal.reason instanceof Interruption) return signal.reason.kind;
  return error instanceof TrainingError ? error.reason : 'failed';
}
