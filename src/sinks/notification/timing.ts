/** Clock and pauses of deliveries, so that tests can simulate hours. */
import { pause } from '../../system/pause';

export interface Timing {
  /** Unix ms. */
  now(): number;
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemTiming: Timing = { now: Date.now, pause };

/** A pause that a ring ends early, even if the ring came shortly before the pause. */
export function createBell(timing: Timing) {
  let rung = new AbortController();

  async function wait(ms: number): Promise<void> {
    if (!rung.signal.aborted) await timing.pause(ms, rung.signal);
    if (rung.signal.aborted) rung = new AbortController();
  }

  return {
    ring: () => rung.abort(),
    wait,
    /** Waits for the whole time despite rings, unless `isOver`. */
    async pause(ms: number, isOver: () => boolean): Promise<void> {
      const until = timing.now() + ms;
      while (timing.now() < until && !isOver()) await wait(until - timing.now());
    },
  };
}
