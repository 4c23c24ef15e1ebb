/**
 * kafkajs 2.2.4 re-arms a timer for requests that wait, even when none does: with no throttling its delay is
 * `-1 - Date.now()`, so an idle consumer wakes about 900 times a second, and Node 24 warns of each negative delay.
 */
import { replaceMethod } from './method';

interface RequestQueue {
  pending: readonly unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

/** As kafkajs itself waits when requests are pending and nothing is throttled. */
const checkIntervalMs = 10;

/** Arms the timer only while a request waits. */
function scheduleCheckPendingRequests(this: RequestQueue): void {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
  const waitMs = Math.max(this.throttledUntil - Date.now(), checkIntervalMs);
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  }, waitMs);
}

/** Replaces the timer of kafkajs' request queues; leaves a kafkajs alone whose inside looks different, and says so. */
export function patchRequestQueue(): 'patched' | 'unknown' {
  return replaceMethod<RequestQueue>({
    path: 'network/requestQueue',
    name: 'scheduleCheckPendingRequests',
    replacement: scheduleCheckPendingRequests,
    mentions: ['throttledUntil', 'throttleCheckTimeoutId', 'pending'],
    needs: ['checkPendingRequests'],
  });
}
