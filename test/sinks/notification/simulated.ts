/** Simulated hours for deliveries, and counts that a test can read. */
import type { NotificationCounts } from '../../../src/sinks/notification/delivery';
import type { Timing } from '../../../src/sinks/notification/timing';

export function createSimulatedTiming(start = Date.UTC(2026, 0, 1)) {
  let now = start;
  let sleepers: { at: number; wake: () => void }[] = [];
  const timing: Timing = {
    now: () => now,
    pause: (ms, signal) =>
      new Promise((resolve) => {
        const abort = () => {
          sleepers = sleepers.filter((one) => one !== sleeper);
          resolve();
        };
        const wake = () => {
          signal.removeEventListener('abort', abort);
          resolve();
        };
        const sleeper = { at: now + ms, wake };
        sleepers.push(sleeper);
        signal.addEventListener('abort', abort, { once: true });
      }),
  };
  return {
    timing,
    /** Lets `ms` pass, with everything that is due in it. */
    async advance(ms: number): Promise<void> {
      const end = now + ms;
      await settle();
      for (;;) {
        const next = sleepers.reduce((least, { at }) => Math.min(least, at), Infinity);
        if (next > end) break;
        now = Math.max(now, next);
        const due = sleepers.filter(({ at }) => at <= now);
        sleepers = sleepers.filter(({ at }) => at > now);
        for (const { wake } of due) wake();
        await settle();
      }
      now = end;
    },
  };
}

/** Waits until everything that waits for no time has happened. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

export function createCounts() {
  const counted = { delivered: 0, dropped: 0, refused: 0, failed: 0, queued: 0 };
  const counts: NotificationCounts = {
    delivered: (messages) => void (counted.delivered += messages),
    dropped: (messages) => void (counted.dropped += messages),
    refused: (messages) => void (counted.refused += messages),
    failed() {
      counted.failed++;
    },
    queued: (messages) => void (counted.queued = messages),
  };
  return { counted, counts };
}
