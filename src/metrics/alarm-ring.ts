/** Which of the newest `capacity` scored records were anomalous, one byte each, for the alarm ratio. */
export function createAlarmRing(capacity: number) {
  const ring = new Uint8Array(capacity);
  let next = 0;
  let size = 0;
  let anomalous = 0;
  return {
    /** Adds one scored record and drops the oldest one if the ring is full. */
    add(isAnomalous: boolean): void {
      const value = isAnomalous ? 1 : 0;
      anomalous += value - ring[next]!;
      ring[next] = value;
      next = next + 1 === capacity ? 0 : next + 1;
      if (size < capacity) size++;
    },
    /** Share of anomalous records in the ring; undefined if it is empty. */
    ratio: () => (size === 0 ? undefined : anomalous / size),
  };
}
