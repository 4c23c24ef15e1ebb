/** An event whose device is followed: the records of the device are added as they arrive, in bounded number. */
import type { ObservedImage, PastEvent, WholeEvent } from './past-event';
import { dropNewest, emptyColumns, thin, type RecentRecords } from './recent-records';

/** Maximum number of records of an event, without those before it. If there are more, every second one is dropped. */
const mostRecords = 480;

export interface Followed extends WholeEvent {
  /** Number of records after its end that are still to come; undefined while the event is open. */
  left: number | undefined;
  /** Number of records before the event. */
  before: number;
  /** Number of original records per stored one; it doubles each time the columns are thinned. */
  stride: number;
  /** Number of original records in the newest stored one so far. */
  merged: number;
}

/** Begins with the newest records of the device, and the most anomalous of its newest images. */
export function beginFollowing(
  past: PastEvent,
  channels: readonly string[],
  recent: RecentRecords | undefined,
  image: ObservedImage | undefined,
): Followed {
  const records = emptyColumns(channels.length);
  if (recent?.channels === channels.length) recent.appendTo(records);
  const isItsOwn = image !== undefined && image.timestamp >= past.event.start;
  const whole = { ...past, channels, records, ...(isItsOwn && { picture: image.picture }) };
  return follow(whole, records.timestamps.length);
}

/** Follows an event of an earlier process. @param around records before an event */
export function continueFollowing(whole: WholeEvent, around: number): Followed {
  return follow(whole, Math.min(around, whole.records.timestamps.length));
}

function follow(whole: WholeEvent, before: number): Followed {
  return { ...whole, left: undefined, before, stride: 1, merged: 1 };
}

/** Adds an image of the event if it is the most anomalous one so far; returns whether it is. */
export function addImage(one: Followed, image: ObservedImage | undefined): boolean {
  const isOddest =
    one.left === undefined &&
    image !== undefined &&
    image.timestamp >= one.event.start &&
    image.picture.surprise > (one.picture?.surprise ?? -Infinity);
  if (isOddest) one.picture = image.picture;
  return isOddest;
}

/** Adds the newest record. Among the records that are stored as one, the most surprising is kept. */
export function addRecord(one: Followed, recent: RecentRecords): void {
  const { surprise } = one.records;
  recent.appendTo(one.records, 1);
  if (one.merged < one.stride) {
    one.merged++;
    const [before, newest] = surprise.slice(-2) as [number, number];
    if (newest <= before) dropNewest(one.records);
    else {
      dropNewest(one.records);
      dropNewest(one.records);
      recent.appendTo(one.records, 1);
    }
    return;
  }
  one.merged = 1;
  if (one.records.timestamps.length - one.before <= mostRecords) return;
  one.records = thin(one.records, one.before);
  one.stride *= 2;
}
