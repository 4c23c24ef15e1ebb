/** The wall clock, and a bound for times of records that a clock that is set back does not move. */
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import { Poll } from './poll';

/** Interval at which the wall clock is compared with the time that has passed, ms, and the difference that is reported. */
const checkMs = 5_000;
const reportedJumpMs = 5_000;

export interface ClockWatch {
  /** Unix ms: at least the time at the start plus the time passed since. A clock set back must not reject good records. */
  latest(): number;
  /** How far the wall clock has jumped since the last call, ms; positive: ahead. Also after a sleep of the machine. */
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
