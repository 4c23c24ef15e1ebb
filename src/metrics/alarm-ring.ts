/** Whether each of the last records was anomalous, for the realised alarm ratio. */
export interface AlarmRing {
  /** Takes one scored record; the oldest one leaves when the ring is full. */
  add(anomalous: boolean): void;
  /** Share of anomalous records in the ring; undefined before the first. */
  ratio(): number | undefined;
}

/** Holds the newest `capacity` records, a byte each. */
export function createAlarmRing(capacity: number): AlarmRing {
  const ring = new Uint8Array(capacity);
  let next = 0;
  let held = 0;
  let anomalous = 0;
  return {
    add(isAnomalous) {
      const value = isAnomalous ? 1 : 0;
      anomalous += value - ring[next]!;
      ring[next] = value;
      next = next + 1 === capacity ? 0 : next + 1;
      if (held < capacity) held++;
    },
    ratio: () => (held === 0 ? undefined : anomalous / held),
  };
}
