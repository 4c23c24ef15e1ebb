/**
 * Patch of kafkajs 2.2.4: an idle request queue sets no timer.
 *
 * Upstream: tulios/kafkajs issues 1704 and 1751. Why: the queue restarts its timer even if no request is pending. Without
 * throttling the delay is `-1 - Date.now()`, so an idle consumer wakes about 900 times a second, and Node 24 warns about each
 * negative delay. Delete when: `scheduleCheckPendingRequests` returns without a timer while nothing is pending and nothing is
 * throttled.
 */
import { replaceMethod, type Patch } from './patch';

interface RequestQueue {
  pending: readonly unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

/** Delay of kafkajs while requests are pending and nothing is throttled, ms. */
const checkIntervalMs = 10;

/** Sets the timer only while a request is pending. */
function scheduleCheckPendingRequests(this: RequestQueue): void {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
  const waitMs = Math.max(this.throttledUntil - Date.now(), checkIntervalMs);
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  }, waitMs);
}

export const requestQueuePatch: Patch = {
  name: 'request-queue',
  neededFor: 'efficiency',
  without: 'an idle connection wakes the process about 900 times a second',
  apply: (kafkajs) =>
    replaceMethod<RequestQueue>(kafkajs, {
      path: 'network/requestQueue',
      name: 'scheduleCheckPendingRequests',
      replacement: scheduleCheckPendingRequests,
      mentions: ['throttledUntil', 'throttleCheckTimeoutId', 'pending'],
      needs: ['checkPendingRequests'],
    }),
};
