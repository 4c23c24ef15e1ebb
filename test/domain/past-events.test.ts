import type { AnomalyEvent } from '../../src/domain/anomaly-event';
import { beginGathering } from '../../src/domain/gathering';
import { createPastEvents } from '../../src/domain/past-events';
import { detection } from './detections';

const normal = { modelVersion: 'v1', mark: [7] };

function event(id: string, ...keys: string[]): AnomalyEvent {
  return { ...beginGathering(detection(0, 4), []).event, id, keys, status: 'closed' };
}

test('an event that costs nothing and is no new normal is not kept', () => {
  const past = createPastEvents((id) => id === 'costs');
  past.note(event('free', 'a'));
  past.note(event('costs', 'a'));
  past.note(event('accepted', 'a'), normal);
  expect(past.list().map(({ id }) => id)).toEqual(['costs', 'accepted']);
});

test('of the new normals of a device only the newest can be undone, once', () => {
  const past = createPastEvents(() => false);
  past.note(event('first', 'a', 'b'), normal);
  past.note(event('second', 'b'), { ...normal, mark: [8] });
  expect(past.undo('first')).toBeUndefined();
  expect(past.undo('second')).toMatchObject({ keys: ['b'], newNormal: { mark: [8] } });
  expect(past.undo('second')).toBeUndefined();
  expect(past.list()).toEqual([]);
});

test('of the events of several devices, those that are over and cost something are kept once', () => {
  const past = createPastEvents(() => true);
  const reported = [event('over', 'a', 'b'), { ...event('open', 'c'), status: 'open' as const }];
  expect(past.noteGroups(reported)).toBe(reported);
  past.noteGroups(reported);
  expect(past.list()).toEqual([{ id: 'over', keys: ['a', 'b'], start: 0, end: 0 }]);
});
