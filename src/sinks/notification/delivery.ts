/**
 * Delivers messages one after the other, each until the receiver accepts it, from a bounded queue. Records never wait for it.
 */
import { toError } from '../../system/error-text';
import { backOffMs, settledWithin } from '../../system/pause';
import type { Logger } from '../../logger';
import { RefusedError } from './endpoint';
import { createBell, type Timing } from './timing';

/** Counts of the messages of one sink. */
export interface NotificationCounts {
  /** Messages accepted by the receiver. */
  delivered(messages: number): void;
  /** Messages discarded because the queue was full or the process stopped. */
  dropped(messages: number): void;
  /** Messages rejected by the receiver, which are not sent again. */
  refused(messages: number): void;
  /** A request failed, and will be repeated. */
  failed(): void;
  /** Number of messages in the queue. */
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

/** Time to send the remaining messages when the process stops, ms. */
export const closeGraceMs = 5_000;

export function createDelivery<T>({ send, maxQueued, timing, counts, log }: DeliveryOptions<T>) {
  const queue: T[] = [];
  const stopping = new AbortController();
  const bell = createBell(timing);
  let closing = false;
  /** A function, because the compiler would assume that the variable keeps its value across an await. */
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
        // The pause is not shortened by a new message.
        await bell.pause(backOffMs(attempt++, maxPauseMs), isClosing);
      }
    }
  }

  /** Returns whether the message is settled: accepted or rejected. */
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
    /** Returns at once. If the queue is full, the oldest message is dropped. */
    add(message: T): void {
      if (closing) return;
      if (queue.length >= maxQueued) {
        queue.splice(inFlight < queue.length ? inFlight : 0, 1);
        counts.dropped(1);
        log.warn('notification dropped: the queue is full', { reason: `more than ${maxQueued}` });
      }
      queue.push(message);
      counts.queued(queue.length);
      bell.ring();
    },
    /** Sends the remaining messages while the receiver accepts them, for at most `graceMs`. */
    async close(graceMs = closeGraceMs): Promise<void> {
      closing = true;
      bell.ring();
      await settledWithin(finished, graceMs);
      stopping.abort(new Error('vaemon stops'));
      await finished;
      if (queue.length === 0) return;
      counts.dropped(queue.length);
      log.warn('notifications were not delivered before the stop', { reason: `${queue.length} messages` });
      queue.length = 0;
      counts.queued(0);
    },
  };
}
