/** The wall clock, and a bound for times of records that a clock that is set back does not move. */
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
