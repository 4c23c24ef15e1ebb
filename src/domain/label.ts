/** Labels of people for stretches of records, and their effect on training, the alarm budget, and new normals. */

/**
 * `anomaly`: there was an anomaly. `normal`: the records were normal, whatever alarms there were. `new normal`: the records are
 * normal from now on, although they differ from all earlier ones.
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
  /** Whether training uses the records. If true, it uses them despite alarms; if false, it never does. */
  isLearned: boolean;
  /** Whether the alarm budget is refunded the unpaid part of the event. */
  refunds: boolean;
  /** Whether the label undoes an event's acceptance as a new normal. */
  undoes: boolean;
  /** Whether the label accepts an event that is not over as a new normal. */
  accepts: boolean;
}

export const meaningOf: Readonly<Record<LabelName, Meaning>> = {
  anomaly: { isLearned: false, refunds: true, undoes: true, accepts: false },
  normal: { isLearned: true, refunds: false, undoes: false, accepts: false },
  'new normal': { isLearned: true, refunds: false, undoes: false, accepts: true },
};

/** The stretch of an event up to now, to compare with labels. */
export interface LabelledSpan {
  /** Devices. */
  keys: readonly string[];
  /** Event time, Unix ms. */
  start: number;
  end: number;
}

/** The label of an event: the last label whose time and device overlap those of the event. */
export function labelOf(labels: readonly Label[], { keys, start, end }: LabelledSpan): LabelName | undefined {
  return labels.findLast(
    ({ key, from, to }) => from <= end && to >= start && (key === '' || keys.includes(key)),
  )?.label;
}
