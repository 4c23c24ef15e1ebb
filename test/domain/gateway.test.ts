/** A gateway that takes all of its devices down at once. */
import { createEventTracker } from '../../src/domain/event';
import { eventPolicy } from './event-policy';

const interval = 30_000;
const rules = {
  detector: 'plant',
  modelVersion: 'v1',
  threshold: 2,
  shortest: 5,
  surpriseAt: (length: number) => Math.max(0, length - 3),
};

test('its 10,000 devices are one event, which opens and closes once, names all of them, and costs the budget once', () => {
  const devices = 10_000;
  const others = 20;
  const tracker = createEventTracker({ ...eventPolicy, watchedDevices: devices + others, eventsPerMs: 1e-9 });
  const events = [];
  for (let round = 0; round < 38; round++)
    for (let d = 0; d < devices + others; d++) {
      const isLost = d >= others && round >= 25 && round < 35;
      const time = round * interval + (d * interval) / (devices + others);
      if (!isLost) events.push(...tracker.hear(`d${d}`, time, rules));
    }
  expect(events.map(({ status, closedBy }) => [status, closedBy])).toEqual([
    ['open', undefined],
    ['closed', 'resumed'],
  ]);
  // Those found a little later join the event that is open.
  expect(events[0]!.keys!.length).toBeGreaterThan(devices / 2);
  expect(events[1]!.keys).toHaveLength(devices);
  expect(tracker.budgetSpentRatio).toBeCloseTo(1 / 8, 1);
});
