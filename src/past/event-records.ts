/** The events of a detector with the records around each, bounded in number and size. */
import type { AnomalyEvent } from '../domain/event';
import { beginFollowing } from './followed-event';
import { createFollowing } from './following';
import {
  withoutRecords,
  type EventLabel,
  type ObservedImage,
  type PastEvent,
  type WholeEvent,
} from './past-event';
import type { RecentRecords } from './recent-records';

export interface EventRecordsOptions {
  /** Number of records before and after an event. */
  around: number;
  /** Name of this process. */
  by: string;
  /** Unix ms. */
  now: () => number;
}

export function createEventRecords({ around, by, now }: EventRecordsOptions) {
  const events = new Map<string, PastEvent>();
  /** Events whose last report came from another process, or from an earlier run. */
  const foreign = new Set<string>();
  /** Events that changed since `takeChanged`. */
  const changed = new Set<string>();
  const following = createFollowing({
    around,
    newest: ({ event, channels, records, picture }) => ({
      ...events.get(event.id)!,
      channels,
      records,
      ...(picture && { picture }),
    }),
    onChange: (id) => changed.add(id),
  });

  return {
    /**
     * Stores an event as it is reported.
     * @param recent the newest records of its device
     * @param image the most anomalous of its newest images
     */
    report(
      event: AnomalyEvent,
      channels: readonly string[],
      recent: RecentRecords | undefined,
      image?: ObservedImage,
    ): PastEvent {
      const known = events.get(event.id);
      const at = now();
      const past: PastEvent = {
        ...(known ?? { reportedAt: at, revision: 0 }),
        event,
        updatedAt: at,
        by,
      };
      events.set(event.id, past);
      foreign.delete(event.id);
      changed.add(event.id);
      // A recording that is replayed again yields the same event.
      const isAgain = event.status === 'open' && known !== undefined && known.event.status !== 'open';
      if (following.has(event) && !isAgain) {
        if (event.status !== 'open') following.end(event);
      } else if (event.kind === 'anomaly' && (known === undefined || isAgain))
        following.begin(beginFollowing(past, channels, recent, image));
      return past;
    },
    follow: following.add,
    /** Adds an event of an earlier process. */
    restore(whole: WholeEvent): void {
      const { id, status, kind } = whole.event;
      events.set(id, withoutRecords(whole));
      foreign.add(id);
      if (status === 'open' && kind === 'anomaly') following.continue(whole);
    },
    /** An event whose records are not stored, or not all of them; undefined if they are stored, or if it has none. */
    unstored(id: string): WholeEvent | undefined {
      const past = events.get(id);
      return past && following.unstored(past.event);
    },
    /** Adds an event as another process has written it; undefined if this process has newer data to write. */
    adopt(theirs: PastEvent): PastEvent | undefined {
      const { id } = theirs.event;
      const known = events.get(id);
      if (known !== undefined && changed.has(id)) return undefined;
      const isLabelledHere = known !== undefined && known.revision > theirs.revision;
      const { label, revision } = isLabelledHere ? known : theirs;
      const past = { ...theirs, ...(label && { label }), revision };
      events.set(id, past);
      foreign.add(id);
      following.leave(theirs.event);
      return past;
    },
    /** @param revision number of the label */
    label(id: string, label: EventLabel, revision: number): PastEvent | undefined {
      const known = events.get(id);
      if (known === undefined) return undefined;
      const past = { ...known, label, updatedAt: now(), revision };
      events.set(id, past);
      // The file of another process's event is not replaced, as that process may have newer data. Labels have separate files.
      if (!foreign.has(id)) changed.add(id);
      return past;
    },
    get: (id: string): PastEvent | undefined => events.get(id),
    /** Events in the order in which they were reported first. */
    list: (): PastEvent[] => [...events.values()],
    /** Removes the oldest events above the maximum number `most`, open ones last. Returns their ids. */
    prune(most: number): string[] {
      if (events.size <= most) return [];
      const order = [...events.values()].sort(
        (a, b) =>
          Number(a.event.status === 'open') - Number(b.event.status === 'open') || a.updatedAt - b.updatedAt,
      );
      const ids = order.slice(0, events.size - most).map(({ event }) => event.id);
      for (const id of ids) {
        following.forget(events.get(id)!.event);
        events.delete(id);
        changed.delete(id);
        foreign.delete(id);
      }
      return ids;
    },
    /** Ids of the events that changed since the last call. */
    takeChanged(): string[] {
      const ids = [...changed];
      changed.clear();
      return ids;
    },
    /** Marks an event as changed again, because it could not be stored. */
    keepChanged(id: string): void {
      if (events.has(id)) changed.add(id);
    },
    stored: following.stored,
  };
}
