/** Labels of people for stretches of records, and their effect on training, the alarm budget, and new normals. */

/**
 * `anomaly`: it was one. `normal`: it was normal, whatever alarms there were. `new normal`: it is normal from now on, although it is
 * unlike all before.
 */
export const labelNames = ['anomaly', 'normal', 'new normal'] as const;
export type LabelName = (typeof labelNames)[number];

export interface Label {
  /** Device; empty = all, for example while a plant is serviced. */
  key: string;
  /** Event time, Unix ms, both ends included. */
  from: number;
  to: number;
  label: LabelName;
}

interface Meaning {
  /** Whether training learns from the records: if so, even with alarms; if not, without exception. */
  isLearned: boolean;
  /** Whether the alarm budget gets back what the event still costs. */
  refunds: boolean;
  /** Whether the new normal of an event that was accepted as one is undone. */
  undoes: boolean;
  /** Whether an event that is not over is accepted as a new normal. */
  accepts: boolean;
}

export const meaningOf: Readonly<Record<LabelName, Meaning>> = {
  anomaly: { isLearned: false, refunds: true, undoes: true, accepts: false },
  normal: { isLearned: true, refunds: false, undoes: false, accepts: false },
  'new normal': { isLearned: true, refunds: false, undoes: false, accepts: true },
};

/** An event so far, for labels. */
export interface LabelledSpan {
  /** Devices. */
  keys: readonly string[];
  /** Event time, Unix ms. */
  start: number;
  end: number;
}

/** The label of an event: the last one of the list whose stretch and device it has in part. */
export function labelOf(labels: readonly Label[], { keys, start, end }: LabelledSpan): LabelName | undefined {
  return labels.findLast(
    ({ key, from, to }) => from <= end && to >= start && (key === '' || keys.includes(key)),
  )?.label;
}
