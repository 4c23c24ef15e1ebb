/** Limits requests per second, with a burst (token bucket). */
export interface RateLimit {
  /** Whether one more request is within the limit; if so, it is counted. */
  take(): boolean;
}

/** @param now ms, of a clock that is not set */
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
