import { addImage, addRecord, beginFollowing, continueFollowing } from '../../src/past/followed-event';
import { withoutRecords, withTopChannels, type PastEvent, type WholeEvent } from '../../src/past/past-event';
import { createRecentRecords, type RecentRecords } from '../../src/past/recent-records';
import { createEvent } from '../sinks/events';

const past: PastEvent = { event: createEvent({ start: 10 }), reportedAt: 1, updatedAt: 1, revision: 0 };
const jpeg = () => Promise.resolve(undefined);
const image = (timestamp: number, surprise: number) => ({ timestamp, picture: { surprise, jpeg } });

function add(recent: RecentRecords, i: number, surprise = 1): void {
  recent.add(i, surprise, 3, surprise, (into, at) => into.fill(i, at, at + 4));
}

test('begins with the newest records of the device, unless these have other channels', () => {
  const recent = createRecentRecords(3, 2);
  for (let i = 0; i < 5; i++) add(recent, i);
  const one = beginFollowing(past, ['flow', 'load'], recent, undefined);
  expect(one).toMatchObject({ records: { timestamps: [2, 3, 4] }, before: 3, left: undefined });
  expect(beginFollowing(past, ['flow'], recent, undefined)).toMatchObject({
    records: { timestamps: [] },
    before: 0,
  });
  expect(continueFollowing(one, 2)).toMatchObject({ records: { timestamps: [2, 3, 4] }, before: 2 });
});

test('keeps a bounded number of records, the most surprising one of those that one stands for', () => {
  const recent = createRecentRecords(3, 2);
  const one = beginFollowing(past, ['flow', 'load'], recent, undefined);
  for (let i = 0; i < 2000; i++) {
    add(recent, i, i === 1501 ? 9 : 1);
    addRecord(one, recent);
  }
  const { timestamps, surprise } = one.records;
  expect(timestamps.length).toBeLessThanOrEqual(480);
  expect([timestamps.length * one.stride >= 2000 - one.stride, one.stride]).toEqual([true, 8]);
  expect(timestamps[surprise.indexOf(9)]).toBe(1501);
});

test('has the oddest image since it began, until it is over', () => {
  expect(beginFollowing(past, [], undefined, image(9, 5)).picture).toBeUndefined();
  const one = beginFollowing(past, [], undefined, image(10, 5));
  expect([addImage(one, image(11, 4)), addImage(one, image(12, 6)), addImage(one, undefined)]).toEqual([
    false,
    true,
    false,
  ]);
  one.left = 3;
  expect([addImage(one, image(13, 7)), one.picture!.surprise]).toEqual([false, 6]);
});

test('of many channels those that rank highest in the event come first, and others fill the places that are left', () => {
  const channels = Array.from({ length: 20 }, (_, j) => (j === 18 ? 'flow' : `c${j}`));
  const recent = createRecentRecords(1, 20);
  recent.add(0, 1, 3, 1, (into, at) => into.set([...channels.keys()], at));
  const whole: WholeEvent = beginFollowing(past, channels, recent, undefined);
  const kept = withTopChannels(whole);
  expect(kept.channels).toEqual(['flow', ...channels.slice(0, 15)]);
  expect(kept.records.actual.flat()).toEqual([18, ...Array(15).keys()]);
  expect(withTopChannels(kept)).toBe(kept);
  expect(withoutRecords({ ...past, channels, records: whole.records })).toEqual(past);
});
