/** Time zones: local times and their offsets from UTC. */

/** Offsets from UTC change on quarter hours, so one look-up serves fifteen minutes. */
const offsetStepMs = 900_000;

/** Creates a function from a Unix time to the offset of local time from UTC, both in ms. */
export function createUtcOffset(timeZone: string): (timestamp: number) => number {
  if (timeZone === 'UTC') return () => 0;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  let cachedStep = NaN;
  let cachedOffset = 0;
  return (timestamp) => {
    const step = Math.floor(timestamp / offsetStepMs);
    if (step !== cachedStep) {
      const whole = step * offsetStepMs;
      const part = Object.fromEntries(format.formatToParts(whole).map((p) => [p.type, Number(p.value)]));
      const { year, month, day, hour, minute, second } = part;
      cachedStep = step;
      cachedOffset = Date.UTC(year!, month! - 1, day, hour, minute, second) - whole;
    }
    return cachedOffset;
  };
}

const offsets = new Map<string, (timestamp: number) => number>();

/**
 * The Unix time of a local time, both in ms. For a local time that a change of clocks skips or repeats, the offset before the
 * change applies.
 * @param timeZone an IANA time zone
 */
export function fromLocalTime(local: number, timeZone: string): number {
  let offsetAt = offsets.get(timeZone);
  if (offsetAt === undefined) offsets.set(timeZone, (offsetAt = createUtcOffset(timeZone)));
  const first = local - offsetAt(local - offsetAt(local));
  // The day before has the offset before the change.
  const before = local - offsetAt(local - 86_400_000);
  return before + offsetAt(before) === local ? before : first;
}
