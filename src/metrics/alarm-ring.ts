/** Which of the newest scored records were anomalous, for the alarm ratio. */
export interface AlarmRing {
  /** Adds one scored record and drops the oldest one if the ring is full. */
  add(anomalous: boolean): void;
  /** Share of anomalous records in the ring; undefined if it is empty. */
  ratio(): number | undefined;
}

/** A ring of the newest `capacity` records, one byte each. */
export function createAlarmRing(capacity: number): AlarmRing {
  const ring = new Uint8Array(capacity);
  let next = 0;
  let size = 0;
  let anomalous = 0;
  return {
    add(isAnomalous) {
      const value = isAnomalous ? 1 : 0;
      anomalous += value - ring[next]!;
      ring[next] = value;
      next = next + 1 === capacity ? 0 : next + 1;
      if (size < capacity) size++;
    },
    ratio: () => (size === 0 ? undefined : anomalous / size),
  };
}
