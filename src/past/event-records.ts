/** The events of a detector with the records around each, bounded in number and size. */
import type { AnomalyEvent } from '../domain/event';
import { addImage, addRecord, beginFollowing, continueFollowing, type Followed } from './followed-event';
import {
  withoutRecords,
  withTopChannels,
  type EventLabel,
  type ObservedImage,
  type PastEvent,
  type WholeEvent,
} from './past-event';
import type { RecentRecords } from './recent-records';

export interface EventRecordsOptions {
  /** Records before an event and after it. */
  around: number;
  /** Name of this process. */
  by: string;
  /** Unix ms. */
  now: () => number;
}

export function createEventRecords({ around, by, now }: EventRecordsOptions) {
  const followed = new Map<string, Followed>();
  const events = new Map<string, PastEvent>();
  /** Records of events that are over and not stored yet. */
  const finished = new Map<string, WholeEvent>();
  /** Events that another process, or an earlier one, has reported last. */
  const foreign = new Set<string>();
  /** Events that changed since `takeChanged`. */
  const changed = new Set<string>();

  function finish(one: Followed): void {
    if (followed.get(one.event.key) === one) followed.delete(one.event.key);
    finished.set(one.event.id, withTopChannels(wholeOf(one)));
    changed.add(one.event.id);
  }

  /** Follows an event: the newest one, if a device has several. */
  function begin(one: Followed): void {
    const { key, status } = one.event;
    const earlier = followed.get(key);
    if (earlier !== undefined) finish(earlier);
    if (status === 'open') followed.set(key, one);
    else finish(one);
  }

  function wholeOf({ event: { id }, channels, records, picture }: WholeEvent): WholeEvent {
    return { ...events.get(id)!, channels, records, ...(picture && { picture }) };
  }

  return {
    /**
     * Notes an event as it is reported.
     * @param recent the newest records of its device
     * @param image the oddest of its newest images
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
      const one = followed.get(event.key);
      // A recording that is replayed has the same event again.
      const isAgain = event.status === 'open' && known !== undefined && known.event.status !== 'open';
      if (one?.event.id === event.id && !isAgain) {
        if (event.status !== 'open') one.left = around;
      } else if (event.kind === 'anomaly' && (known === undefined || isAgain))
        begin(beginFollowing(past, channels, recent, image));
      return past;
    },
    /**
     * Adds the newest record of a device, if one of its events is followed. Cheap if none is.
     * @param image the oddest of its newest images
     */
    follow(key: string, recent: RecentRecords, image?: ObservedImage): void {
      if (followed.size === 0) return;
      const one = followed.get(key);
      if (one === undefined) return;
      if (addImage(one, image)) changed.add(one.event.id);
      // After a restart the event has its most important channels alone, and gets no further records.
      if (one.channels.length !== recent.channels) return;
      addRecord(one, recent);
      if (one.left !== undefined && --one.left <= 0) finish(one);
    },
    /** Takes in an event of an earlier process. */
    restore(whole: WholeEvent): void {
      const { id, key, status, kind } = whole.event;
      events.set(id, withoutRecords(whole));
      foreign.add(id);
      if (status === 'open' && kind === 'anomaly') followed.set(key, continueFollowing(whole, around));
    },
    /** The records of an event that are not stored, or not all of them; undefined if they are, or if there are none. */
    unstored(id: string): WholeEvent | undefined {
      const past = events.get(id);
      if (past === undefined) return undefined;
      const one = followed.get(past.event.key);
      if (one?.event.id === id) return wholeOf(one);
      const over = finished.get(id);
      return over && wholeOf(over);
    },
    /** Takes in what another process has written of an event; undefined if this one has newer ones to write. */
    adopt(theirs: PastEvent): PastEvent | undefined {
      const { id, key } = theirs.event;
      const known = events.get(id);
      if (known !== undefined && changed.has(id)) return undefined;
      const isLabelledHere = known !== undefined && known.revision > theirs.revision;
      const { label, revision } = isLabelledHere ? known : theirs;
      const past = { ...theirs, ...(label && { label }), revision };
      events.set(id, past);
      foreign.add(id);
      // Its partition is elsewhere now.
      if (followed.get(key)?.event.id === id) followed.delete(key);
      return past;
    },
    /** @param revision number of the label */
    label(id: string, label: EventLabel, revision: number): PastEvent | undefined {
      const known = events.get(id);
      if (known === undefined) return undefined;
      const past = { ...known, label, updatedAt: now(), revision };
      events.set(id, past);
      // The file of another process's event is not replaced: that one may have more. The label has a file of its own.
      if (!foreign.has(id)) changed.add(id);
      return past;
    },
    get: (id: string): PastEvent | undefined => events.get(id),
    /** In the order in which they were reported first. */
    list: (): PastEvent[] => [...events.values()],
    get size() {
      return events.size;
    },
    /** Forgets the events reported longest ago beyond `most`, open ones last. Returns their ids. */
    prune(most: number): string[] {
      if (events.size <= most) return [];
      const order = [...events.values()].sort(
        (a, b) =>
          Number(a.event.status === 'open') - Number(b.event.status === 'open') || a.updatedAt - b.updatedAt,
      );
      const ids = order.slice(0, events.size - most).map(({ event }) => event.id);
      for (const id of ids) {
        const { key } = events.get(id)!.event;
        if (followed.get(key)?.event.id === id) followed.delete(key);
        events.delete(id);
        finished.delete(id);
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
    /** The event could not be stored. */
    keepChanged(id: string): void {
      if (events.has(id)) changed.add(id);
    },
    /** The records of an event are stored as they are in `whole`. */
    stored(id: string, whole: WholeEvent): void {
      if (finished.get(id)?.records === whole.records) finished.delete(id);
    },
  };
}
