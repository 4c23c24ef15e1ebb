/** The event of each device that gets its records as they come, and the records of events that are over and not stored yet. */
import type { AnomalyEvent } from '../domain/event';
import { addImage, addRecord, continueFollowing, type Followed } from './followed-event';
import { withTopChannels, type ObservedImage, type WholeEvent } from './past-event';
import type { RecentRecords } from './recent-records';

export interface FollowingOptions {
  /** Records before an event and after it. */
  around: number;
  /** The event as it was reported last, with these records. */
  newest: (one: WholeEvent) => WholeEvent;
  /** The picture of an event has changed, or its last record has come. */
  onChange: (id: string) => void;
}

type EventName = Pick<AnomalyEvent, 'id' | 'key'>;

export function createFollowing({ around, newest, onChange }: FollowingOptions) {
  /** By key of the device. */
  const followed = new Map<string, Followed>();
  const finished = new Map<string, WholeEvent>();

  function of({ id, key }: EventName): Followed | undefined {
    const one = followed.get(key);
    return one?.event.id === id ? one : undefined;
  }

  function finish(one: Followed): void {
    const { id, key } = one.event;
    if (followed.get(key) === one) followed.delete(key);
    finished.set(id, withTopChannels(newest(one)));
    onChange(id);
  }

  /** Its partition is elsewhere now, or the event is forgotten. */
  function leave(event: EventName): void {
    if (of(event) !== undefined) followed.delete(event.key);
  }

  return {
    has: (event: EventName): boolean => of(event) !== undefined,
    /** Follows an event: the newest one, if a device has several. One that is over is finished at once. */
    begin(one: Followed): void {
      const { key, status } = one.event;
      const earlier = followed.get(key);
      if (earlier !== undefined) finish(earlier);
      if (status === 'open') followed.set(key, one);
      else finish(one);
    },
    /** Continues with an open event of an earlier process. */
    continue(whole: WholeEvent): void {
      followed.set(whole.event.key, continueFollowing(whole, around));
    },
    /** The event is over: it gets the records after it, and is then finished. */
    end(event: EventName): void {
      const one = of(event);
      if (one !== undefined) one.left = around;
    },
    /**
     * Adds the newest record of a device, if one of its events is followed. Cheap if none is.
     * @param image the oddest of its newest images
     */
    add: (key: string, recent: RecentRecords, image?: ObservedImage): void => {
      if (followed.size === 0) return;
      const one = followed.get(key);
      if (one === undefined) return;
      if (addImage(one, image)) onChange(one.event.id);
      // After a restart the event has its most important channels alone, and gets no further records.
      if (one.channels.length !== recent.channels) return;
      addRecord(one, recent);
      if (one.left !== undefined && --one.left <= 0) finish(one);
    },
    /** The records of an event that are not stored, or not all of them; undefined if they are, or if there are none. */
    unstored(event: EventName): WholeEvent | undefined {
      const one = of(event) ?? finished.get(event.id);
      return one && newest(one);
    },
    /** The records of an event are stored as they are in `whole`. */
    stored: (id: string, whole: WholeEvent): void => {
      if (finished.get(id)?.records === whole.records) finished.delete(id);
    },
    leave,
    forget(event: EventName): void {
      leave(event);
      finished.delete(event.id);
    },
  };
}
