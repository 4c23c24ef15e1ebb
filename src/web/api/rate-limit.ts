/** Limits requests per second, with a burst (token bucket). */
export interface RateLimit {
  /** Counts one more request if it is within the limit; returns whether it is. */
  take(): boolean;
}

/** @param now monotonic time, ms */
export function createRateLimit(
  { perSecond, burst }: { perSecond: number; burst: number },
  now: () => number,
): RateLimit {
  let left = burst;
  let at = now();
  function refill(): void {
    const time = now();
    left = Math.min(burst, left + (perSecond * (time - at)) / 1000);
    at = time;
  }
  return {
    take() {
      refill();
      if (left < 1) return false;
      left--;
      return true;
    },
  };
}
