/** Records per second over the last half minute. */

const slots = 30;

/** @param now monotonic time, ms */
export function createRecordRate(now: () => number) {
  const counts = new Float64Array(slots);
  const began = Math.floor(now() / 1000);
  let newest = began;

  /** Clears the slots of the seconds since the newest one. */
  function advance(): number {
    const second = Math.floor(now() / 1000);
    for (let at = Math.max(newest + 1, second - slots + 1); at <= second; at++) counts[at % slots] = 0;
    newest = Math.max(newest, second);
    return second;
  }

  return {
    add(records: number): void {
      counts[advance() % slots]! += records;
    },
    perSecond(): number {
      const seconds = Math.min(slots, advance() - began + 1);
      return counts.reduce((sum, count) => sum + count, 0) / seconds;
    },
  };
}
