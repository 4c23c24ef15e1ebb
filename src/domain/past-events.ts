/** Events that are over and that a label can still act on: those with an unpaid charge, and new normals. */
import type { AnomalyEvent } from './anomaly-event';
import { spanOf } from './gathering';
import type { LabelledSpan } from './label';
import type { ForgottenDevices } from './silent-groups';

/** The data needed to undo a new normal. */
export interface NewNormal {
  /** Version whose baselines learned the new normal. */
  modelVersion: string;
  /** State of the baseline of the device when the event began. */
  mark: readonly number[];
  /** Devices whose silence was accepted. */
  forgotten?: ForgottenDevices;
}

export interface PastEvent extends LabelledSpan {
  id: string;
  /** Set for an event that was accepted, until the acceptance is undone. Only the newest event of a device has it. */
  newNormal?: NewNormal;
}

/** An event that was accepted. */
export type AcceptedEvent = PastEvent & { newNormal: NewNormal };

/** Maximum number of new normals of a partition that can be undone, the newest ones. */
const mostNewNormals = 100;

export type PastEvents = ReturnType<typeof createPastEvents>;

/** @param costs whether a part of an event's charge is still unpaid */
export function createPastEvents(costs: (id: string) => boolean, beginning: readonly PastEvent[] = []) {
  let events = beginning;
  const isOfUse = ({ id, newNormal }: PastEvent): boolean => newNormal !== undefined || costs(id);

  function add(event: PastEvent): void {
    const { newNormal, keys } = event;
    const others = events.map((one) =>
      newNormal !== undefined && one.keys.some((key) => keys.includes(key)) ? withoutNormal(one) : one,
    );
    const all = [...others, event];
    const newest = new Set(all.filter((one) => one.newNormal !== undefined).slice(-mostNewNormals));
    events = all.map((one) => (newest.has(one) ? one : withoutNormal(one))).filter(isOfUse);
  }

  return {
    /** Adds an event that is over. @param newNormal the new normal, if the event was accepted as one */
    note(event: AnomalyEvent, newNormal?: NewNormal): void {
      if (newNormal !== undefined || costs(event.id))
        add({ ...spanOf(event), id: event.id, ...(newNormal && { newNormal }) });
    },
    /** Adds those of the reported events of several devices that are over. Returns the reported events. */
    noteGroups(reported: readonly AnomalyEvent[]): readonly AnomalyEvent[] {
      for (const event of reported)
        if (event.status === 'closed' && costs(event.id) && !events.some(({ id }) => id === event.id))
          add({ ...spanOf(event), id: event.id });
      return reported;
    },
    /** Events, the oldest first. */
    list: (): readonly PastEvent[] => events,
    /**
     * Marks that an event is no longer a new normal. Returns the event as it was before; undefined if it was no new normal.
     */
    undo(id: string): AcceptedEvent | undefined {
      const event = events.find((one) => one.id === id && one.newNormal !== undefined);
      if (event?.newNormal === undefined) return undefined;
      events = events.map((one) => (one === event ? withoutNormal(one) : one)).filter(isOfUse);
      return { ...event, newNormal: event.newNormal };
    },
  };
}

function withoutNormal({ id, keys, start, end }: PastEvent): PastEvent {
  return { id, keys, start, end };
}
