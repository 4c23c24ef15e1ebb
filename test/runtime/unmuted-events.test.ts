import type { AnomalyEvent } from '../../src/domain/event';
import { unmutedEvents } from '../../src/runtime/unmuted-events';
import { createEvent } from '../sinks/events';

const all = Array.from({ length: 1_000 }, (_, i) => createEvent({ id: `e${i}`, peakSurprise: 1_000 - i }));

function create(isMuted: (i: number) => boolean, mutes = 1) {
  const asked: number[] = [];
  const open = (limit: number) => {
    asked.push(limit);
    return all.slice(0, limit);
  };
  const find = unmutedEvents(open, {
    list: () => Array.from({ length: mutes }),
    mark: (events: readonly AnomalyEvent[]) =>
      events.map((event) => (isMuted(Number(event.id.slice(1))) ? { ...event, muted: true } : event)),
  });
  return { find: (limit: number) => find(limit).map(({ id }) => id), asked };
}

test('without a mute, the most surprising events are returned as they are', () => {
  expect(create(() => true, 0).find(2)).toEqual(['e0', 'e1']);
});

test('muted events make room for the next ones', () => {
  const { find, asked } = create((i) => i < 10);
  expect(find(3)).toEqual(['e10', 'e11', 'e12']);
  expect(asked).toEqual([3, 12, 48]);
});

test('there are none where all are muted, and none are asked for where none is wanted', () => {
  expect(create(() => true).find(3)).toEqual([]);
  expect(create(() => false).find(0)).toEqual([]);
  expect(create((i) => i !== 999).find(3)).toEqual(['e999']);
});
