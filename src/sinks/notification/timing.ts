/** Time for deliveries, so that tests can simulate hours. */
import { pause } from '../../system/pause';

export interface Timing {
  /** Unix ms. */
  now(): number;
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemTiming: Timing = { now: Date.now, pause };

/** Waiting that ends early when it is rung, also if that happened shortly before. */
export function createBell(timing: Timing) {
  let rung = new AbortController();
  return {
    ring: () => rung.abort(),
    async wait(ms: number): Promise<void> {
      if (!rung.signal.aborted) await timing.pause(ms, rung.signal);
      if (rung.signal.aborted) rung = new AbortController();
    },
  };
}
