/** Clock of the source; tests simulate it. */
import { pause } from '../../system/pause';

export interface SourceClock {
  /** Unix ms. */
  now(): number;
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: SourceClock = { now: () => Date.now(), pause };
