import { createSilentGroups, raise, type ForgottenDevices } from '../../src/domain/silent-groups';
import { createEvent } from '../sinks/events';

/** A device that sent its last record at `time`, and sends one every 10 ms. */
const device = (time: number) => ({ time, heardAt: time, interval: 10, gaps: 30 });

function create(admits = true) {
  const accepted: [id: string, forgotten: ForgottenDevices][] = [];
  const groups = createSilentGroups(
    () => admits,
    ({ id }, forgotten) => accepted.push([id, forgotten]),
  );
  const join = (key: string, time: number) =>
    groups.join(device(time), createEvent({ id: `${key}/${time}`, key, start: time, peakSurprise: 0 }), 100);
  return { groups, join, accepted };
}

test('devices that fall silent within three of their intervals are one event, which opens an interval later', () => {
  const { groups, join } = create();
  const group = join('a', 50);
  expect([join('b', 80), join('c', 81)].map((one) => one === group)).toEqual([true, false]);
  expect(groups.tryOpen(group, 7, 109, 3)).toEqual([]);
  expect(groups.tryOpen(group, 8, 110, 3)).toMatchObject([
    { id: 'a/50', status: 'open', keys: ['a', 'b'], openedAt: 8 },
  ]);
  expect(groups.tryOpen(group, 9, 120, 3)).toEqual([]);
  expect(groups.openEvents().map(({ id }) => id)).toEqual(['a/50']);
});

test('an event closes with its last silent device; one that did not open is none', () => {
  const { groups, join } = create();
  groups.tryOpen(join('a', 50), 8, 110, 3);
  join('b', 55);
  join('c', 99);
  expect(groups.leave('a', 'resumed', 120)).toEqual([]);
  expect(groups.leave('b', 'resumed', 130)).toMatchObject([
    { status: 'closed', closedBy: 'resumed', end: 130, keys: ['a', 'b'] },
  ]);
  expect(groups.leave('c', 'resumed', 140)).toEqual([]);
  expect([groups.leave('c', 'resumed', 150), groups.silent(), groups.all()]).toEqual([[], [], []]);
});

test('without budget an event is held back, and told when it is over; its devices that are forgotten are accepted', () => {
  const { groups, join, accepted } = create(false);
  const group = join('a', 50);
  expect(groups.tryOpen(group, 8, 110, 3)).toEqual([]);
  expect(groups.current()).toMatchObject([{ status: 'held_back', openedAt: 8 }]);
  group.forgotten.push(['a', device(50)]);
  expect(groups.leave('a', 'accepted', 120)).toMatchObject([{ status: 'held_back', closedBy: 'accepted' }]);
  expect(accepted).toEqual([['a/50', [['a', device(50)]]]]);
});

test('an event has the largest surprise of its silences, and continues from a snapshot', () => {
  const { groups, join } = create();
  const group = join('a', 50);
  raise(group, 5, 1);
  raise(group, 4, 2);
  const snapshot = groups.snapshot();
  raise(group, 9, 3);
  expect(snapshot).toMatchObject([{ event: { peakSurprise: 5, peakAt: 1, keys: ['a'] }, silent: ['a'] }]);
  const again = createSilentGroups(
    () => true,
    () => undefined,
    snapshot,
  );
  expect(again.snapshot()).toEqual(snapshot);
  expect(again.silent()).toEqual(['a']);
});
