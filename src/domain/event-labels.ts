/** Which labels act on which events: each event obeys its last label, once. */
import type { AnomalyEvent } from './anomaly-event';
import { spanOf, type Gathering } from './gathering';
import { labelOf, meaningOf, type Label, type LabelledSpan, type LabelName } from './label';
import type { PastEvent } from './past-events';

/** A label that acts on an event. */
export interface EventLabel {
  /** Id of the event. */
  event: string;
  label: LabelName;
}

/** An event that labels can act on. */
export interface LabellableEvent extends LabelledSpan {
  id: string;
  /** Whether the event was accepted as a new normal; a label can undo that. */
  isAccepted: boolean;
  isAcceptable: boolean;
}

/**
 * The events that labels can act on, in the order in which labels are applied.
 * @param groups events of several devices that are not over
 */
export function labellable(
  gatherings: readonly Gathering[],
  groups: readonly AnomalyEvent[],
  past: readonly PastEvent[],
): LabellableEvent[] {
  const current = (event: AnomalyEvent, isAcceptable: boolean): LabellableEvent => ({
    ...spanOf(event),
    id: event.id,
    isAccepted: false,
    isAcceptable,
  });
  return [
    ...gatherings.map(({ event, margin }) => current(event, margin < Infinity)),
    ...groups.map((event) => current(event, true)),
    ...past.map((one) => ({ ...one, isAccepted: one.newNormal !== undefined, isAcceptable: false })),
  ];
}

/** @param costs whether a part of an event's charge is still unpaid */
export function createLabelFinder(costs: (id: string) => boolean) {
  /** Cache: the labels that may concern an event, among the labels of the last call. */
  let relevant = { of: undefined as readonly Label[] | undefined, since: Infinity, labels: [] as Label[] };

  /** Returns the labels that have an effect now. @param list the events */
  return (labels: readonly Label[], list: () => readonly LabellableEvent[]): EventLabel[] => {
    if (labels.length === 0) return [];
    const events = list();
    const since = events.reduce((least, { start }) => Math.min(least, start), Infinity);
    if (labels !== relevant.of || since < relevant.since)
      relevant = { of: labels, since, labels: labels.filter(({ to }) => to >= since) };
    return events.flatMap((one) => {
      const label = labelOf(relevant.labels, one);
      if (label === undefined) return [];
      const { refunds, undoes, accepts } = meaningOf[label];
      const acts = (refunds && costs(one.id)) || (undoes && one.isAccepted) || (accepts && one.isAcceptable);
      return acts ? [{ event: one.id, label }] : [];
    });
  };
}
