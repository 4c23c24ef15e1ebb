/** The wall clock, and a bound for the times of records that does not move when the clock is set back. */
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import { Poll } from './poll';

/**
 * Interval at which the wall clock is compared with the monotonic clock, ms; also the smallest difference that is reported.
 */
const checkMs = 5_000;
const reportedJumpMs = 5_000;

export interface ClockWatch {
  /**
   * Unix ms: at least the time at the start plus the time passed since, so that valid records are not rejected after the clock
   * was set back.
   */
  latest(): number;
  /** How far the wall clock has jumped since the last call, ms; positive = ahead. A sleep of the machine is a jump, too. */
  jump(): number;
}

/**
 * @param wall Unix ms
 * @param monotonic ms from any origin
 */
export function createClockWatch(
  wall: () => number = Date.now,
  monotonic: () => number = () => performance.now(),
): ClockWatch {
  const origin = wall() - monotonic();
  let offset = origin;
  return {
    latest: () => Math.max(wall(), origin + monotonic()),
    jump() {
      const before = offset;
      offset = wall() - monotonic();
      return offset - before;
    },
  };
}

/** Counts and logs jumps of the wall clock, until stopped. */
export function watchClock(metrics: Pick<DetectorMetrics, 'clockJumped'>, log: Pick<Logger, 'warn'>) {
  const clock = createClockWatch();
  const poll = new Poll(checkMs, () => {
    const jumpMs = clock.jump();
    if (Math.abs(jumpMs) >= reportedJumpMs) {
      metrics.clockJumped();
      log.warn('the system clock jumped', { seconds: Math.round(jumpMs / 1000) });
    }
    return Promise.resolve();
  });
  return { latest: () => clock.latest(), stop: () => poll.stop() };
}
