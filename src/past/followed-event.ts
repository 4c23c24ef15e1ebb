/** An event whose device is followed: its records are added as they come, in a bounded number. */
import type { ObservedImage, PastEvent, WholeEvent } from './past-event';
import { dropNewest, emptyColumns, thin, type RecentRecords } from './recent-records';

/** Most records of an event after those before it; beyond it, every second one is dropped. */
const mostRecords = 480;

export interface Followed extends WholeEvent {
  /** Records after its end that are still to come; undefined while it is open. */
  left: number | undefined;
  /** Records before the event. */
  before: number;
  /** Number of records that one stands for: it doubles each time that the columns are thinned. */
  stride: number;
  /** Records that the newest one stands for so far. */
  merged: number;
}

/** With the newest records of its device, and the oddest of its newest images. */
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

/** Takes an image of the event if it is the oddest one so far; whether it is. */
export function addImage(one: Followed, image: ObservedImage | undefined): boolean {
  const isOddest =
    one.left === undefined &&
    image !== undefined &&
    image.timestamp >= one.event.start &&
    image.picture.surprise > (one.picture?.surprise ?? -Infinity);
  if (isOddest) one.picture = image.picture;
  return isOddest;
}

/** Adds the newest record. Of the records that one stands for, the most surprising one is kept. */
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
