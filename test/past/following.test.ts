import type { AnomalyEvent } from '../../src/domain/event';
import { beginFollowing, type Followed } from '../../src/past/followed-event';
import { createFollowing } from '../../src/past/following';
import { createRecentRecords } from '../../src/past/recent-records';
import { createEvent } from '../sinks/events';

const around = 2;
const first = createEvent({ id: 'first', key: 'pump', status: 'open', start: 0 });
const second = createEvent({ id: 'second', key: 'pump', status: 'open', start: 5 });

function follow() {
  const changes: string[] = [];
  const following = createFollowing({ around, newest: (one) => one, onChange: (id) => changes.push(id) });
  const recent = createRecentRecords(3, 1);
  const begin = (event: AnomalyEvent): Followed =>
    beginFollowing({ event, reportedAt: 1, updatedAt: 1, revision: 0 }, ['flow'], undefined, undefined);
  return {
    following,
    changes,
    begin: (event: AnomalyEvent) => following.begin(begin(event)),
    add(time: number): void {
      recent.add(time, 1, 3, 1, (into, at) => into.fill(time, at, at + 2));
      following.add('pump', recent);
    },
    timesOf: (event: AnomalyEvent) => following.unstored(event)?.records.timestamps,
  };
}

test('an event gets the records of its device until a number of them after its end', () => {
  const { following, changes, begin, add, timesOf } = follow();
  begin(first);
  for (const time of [1, 2]) add(time);
  following.end(first);
  expect(following.has(first)).toBe(true);
  for (const time of [3, 4, 5]) add(time);
  expect([following.has(first), timesOf(first), changes]).toEqual([false, [1, 2, 3, 4], ['first']]);
});

test('the newest event of a device is followed, and the records of an earlier one are kept until they are stored', () => {
  const { following, begin, add, timesOf } = follow();
  begin(first);
  add(1);
  begin(second);
  add(6);
  expect([following.has(first), timesOf(first), timesOf(second)]).toEqual([false, [1], [6]]);
  following.stored('first', following.unstored(first)!);
  expect(timesOf(first)).toBeUndefined();
});

test('an event that is over when it is first reported is finished at once', () => {
  const { following, changes, begin, timesOf } = follow();
  begin({ ...first, status: 'closed' });
  expect([following.has(first), timesOf(first), changes]).toEqual([false, [], ['first']]);
});

test('an event that another process has taken over gets no further records', () => {
  const { following, begin, add, timesOf } = follow();
  begin(first);
  following.leave(second);
  expect(following.has(first)).toBe(true);
  following.leave(first);
  add(1);
  expect(timesOf(first)).toBeUndefined();
});
