/** Delivers messages one after the other, each until the receiver accepts it, from a bounded queue that delays no record. */
import { toError } from '../../system/error-text';
import { backOffMs, settledWithin } from '../../system/pause';
import type { Logger } from '../../logger';
import { RefusedError } from './endpoint';
import { createBell, type Timing } from './timing';

/** Counts of the messages of one sink. */
export interface NotificationCounts {
  /** Accepted by the receiver. */
  delivered(messages: number): void;
  /** Discarded, since the queue was full, or the process stopped. */
  dropped(messages: number): void;
  /** Not accepted by the receiver, and not sent again. */
  refused(messages: number): void;
  /** A request failed, and is repeated. */
  failed(): void;
  /** Messages that wait. */
  queued(messages: number): void;
}

export interface DeliveryOptions<T> {
  /** Rejects with a RefusedError if the message must not be sent again. */
  send: (message: T, signal: AbortSignal) => Promise<void>;
  maxQueued: number;
  timing: Timing;
  counts: NotificationCounts;
  log: Pick<Logger, 'warn' | 'error'>;
}

/** Longest pause before another attempt, ms. */
export const maxPauseMs = 60_000;

/** Time for the messages that wait when the process stops, ms. */
export const closeGraceMs = 5_000;

export function createDelivery<T>({ send, maxQueued, timing, counts, log }: DeliveryOptions<T>) {
  const queue: T[] = [];
  const stopping = new AbortController();
  const bell = createBell(timing);
  let closing = false;
  /** A call, because the compiler keeps the value of a variable across an await. */
  const isClosing = (): boolean => closing;
  let inFlight = 0;

  async function run(): Promise<void> {
    let attempt = 0;
    while (!stopping.signal.aborted) {
      const [first] = queue;
      if (first === undefined) {
        if (closing) return;
        await bell.wait(maxPauseMs);
      } else if (await attemptTo(first)) {
        attempt = 0;
      } else {
        if (closing) return;
        // A new message must not shorten the pause.
        await bell.pause(backOffMs(attempt++, maxPauseMs), isClosing);
      }
    }
  }

  /** Whether the message is settled: accepted or refused. */
  async function attemptTo(message: T): Promise<boolean> {
    inFlight = 1;
    try {
      await send(message, stopping.signal);
      counts.delivered(1);
    } catch (error) {
      const isRefused = error instanceof RefusedError;
      if (isRefused) {
        counts.refused(1);
        log.error('notification refused: it is not sent again', { err: toError(error) });
      } else {
        counts.failed();
        log.warn('notification not delivered: it is repeated', { err: toError(error) });
        return false;
      }
    } finally {
      inFlight = 0;
    }
    queue.shift();
    counts.queued(queue.length);
    return true;
  }

  const finished = run();

  return {
    /** Returns at once. Where the queue is full, the message that has waited longest is dropped. */
    add(message: T): void {
      if (closing) return;
      if (queue.length >= maxQueued) {
        queue.splice(inFlight < queue.length ? inFlight : 0, 1);
        counts.dropped(1);
        log.warn('notification dropped: too many wait', { reason: `more than ${maxQueued}` });
      }
      queue.push(message);
      counts.queued(queue.length);
      bell.ring();
    },
    /** Sends the messages that wait, as long as the receiver accepts them, for `graceMs` at most. */
    async close(graceMs = closeGraceMs): Promise<void> {
      closing = true;
      bell.ring();
      await settledWithin(finished, graceMs);
      stopping.abort(new Error('vaemon stops'));
      await finished;
      if (queue.length === 0) return;
      counts.dropped(queue.length);
      log.warn('notifications not delivered at the stop', { reason: `${queue.length} messages` });
      queue.length = 0;
      counts.queued(0);
    },
  };
}
