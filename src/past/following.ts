/**
 * The followed event of each device, to which its records are added as they arrive, and events that are over whose records are
 * not stored yet.
 */
import type { AnomalyEvent } from '../domain/event';
import { addImage, addRecord, continueFollowing, type Followed } from './followed-event';
import { withTopChannels, type ObservedImage, type WholeEvent } from './past-event';
import type { RecentRecords } from './recent-records';

export interface FollowingOptions {
  /** Number of records before and after an event. */
  around: number;
  /** The event as it was reported last, with the records of `one`. */
  newest: (one: WholeEvent) => WholeEvent;
  /** Called when the picture of an event has changed, or when its last record has arrived. */
  onChange: (id: string) => void;
}

type EventName = Pick<AnomalyEvent, 'id' | 'key'>;

export function createFollowing({ around, newest, onChange }: FollowingOptions) {
  /** Followed events by key of the device. */
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

  /** Stops following an event, because its partition has moved or the event was removed. */
  function leave(event: EventName): void {
    if (of(event) !== undefined) followed.delete(event.key);
  }

  return {
    has: (event: EventName): boolean => of(event) !== undefined,
    /** Follows an event; if a device has several, the newest one. An event that is over is finished at once. */
    begin(one: Followed): void {
      const { key, status } = one.event;
      const earlier = followed.get(key);
      if (earlier !== undefined) finish(earlier);
      if (status === 'open') followed.set(key, one);
      else finish(one);
    },
    /** Continues an open event of an earlier process. */
    continue(whole: WholeEvent): void {
      followed.set(whole.event.key, continueFollowing(whole, around));
    },
    /** Call when the event is over: the records after it are added, and it is then finished. */
    end(event: EventName): void {
      const one = of(event);
      if (one !== undefined) one.left = around;
    },
    /**
     * Adds the newest record of a device, if one of its events is followed. Cheap otherwise.
     * @param image the most anomalous of its newest images
     */
    add: (key: string, recent: RecentRecords, image?: ObservedImage): void => {
      if (followed.size === 0) return;
      const one = followed.get(key);
      if (one === undefined) return;
      if (addImage(one, image)) onChange(one.event.id);
      // After a restart the event has only its most important channels, and gets no further records.
      if (one.channels.length !== recent.channels) return;
      addRecord(one, recent);
      if (one.left !== undefined && --one.left <= 0) finish(one);
    },
    /** An event whose records are not stored, or not all of them; undefined if they are stored, or if it has none. */
    unstored(event: EventName): WholeEvent | undefined {
      const one = of(event) ?? finished.get(event.id);
      return one && newest(one);
    },
    /** Call when the records of an event have been stored as in `whole`. */
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
