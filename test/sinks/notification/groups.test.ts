import type { AnomalyEvent } from '../../../src/domain/anomaly-event';
import { createGroups, groupWaitMs } from '../../../src/sinks/notification/groups';
import { createEvent } from '../events';
import { createSimulatedTiming } from './simulated';

function create() {
  const { timing, advance } = createSimulatedTiming();
  const sent: AnomalyEvent[] = [];
  const groups = createGroups({ notify: (event) => sent.push(event), timing });
  return { groups, sent, advance };
}

/** Devices of one partition that were silent from `start` on and noticed a minute later. */
const silent = (key: string, start: number, changes: Partial<AnomalyEvent> = {}): AnomalyEvent =>
  createEvent({
    id: `plant/${key}/silent`,
    kind: 'silent',
    key,
    keys: [key, `${key}b`],
    contributions: [],
    start,
    end: start,
    openedAt: start + 60_000,
    ...changes,
  });
const over = (event: AnomalyEvent, end: number): AnomalyEvent => ({
  ...event,
  status: 'closed',
  closedBy: 'resumed',
  end,
});

test('devices of several partitions that fall silent together are one message, and one more when all are back', async () => {
  const { groups, sent, advance } = create();
  const events = Array.from({ length: 20 }, (_, i) =>
    silent(`p${i}`, 5000 - i * 100, { peakSurprise: 5 + i }),
  );
  for (const event of events) groups.add(event);
  await advance(groupWaitMs - 1);
  expect(sent).toEqual([]);
  await advance(1);
  expect(sent).toMatchObject([
    { id: 'plant/p19/silent', status: 'open', key: 'p19', start: 3100, peakSurprise: 24 },
  ]);
  expect(new Set(sent[0]!.keys)).toEqual(new Set(events.flatMap(({ keys }) => keys)));
  events.forEach((event, i) => groups.add(over(event, 90_000 + i)));
  expect(sent.slice(1)).toMatchObject([
    { id: 'plant/p19/silent', status: 'closed', closedBy: 'resumed', start: 3100, end: 90_019 },
  ]);
  expect(sent[1]!.keys).toHaveLength(40);
  groups.close();
});

test('an event of another time, or of one partition alone, is a message of its own', async () => {
  const { groups, sent, advance } = create();
  const [early, late] = [silent('a', 0), silent('b', 60_001)];
  groups.add(early);
  groups.add(late);
  await advance(groupWaitMs);
  expect(sent).toEqual([early, late]);
  // One that falls silent later than the message was sent.
  groups.add(silent('c', 70_000));
  await advance(groupWaitMs);
  expect(sent.at(-1)).toEqual(silent('c', 70_000));
  groups.add(over(late, 1e6));
  expect(sent.at(-1)).toEqual(over(late, 1e6));
  groups.close();
});

test('anomalies do not wait, and an end without a beginning is passed on', async () => {
  const { groups, sent, advance } = create();
  groups.add(createEvent());
  groups.add(over(silent('a', 0), 1e6));
  expect(sent).toEqual([createEvent(), over(silent('a', 0), 1e6)]);
  // Over before it was sent: both are.
  groups.add(silent('b', 0));
  groups.add(over(silent('b', 0), 10));
  await advance(groupWaitMs);
  expect(sent.slice(2).map(({ status }) => status)).toEqual(['open', 'closed']);
  groups.close();
});

test('a stop sends what waits at once', () => {
  const { groups, sent } = create();
  groups.add(silent('a', 0));
  groups.add(silent('b', 10));
  groups.close();
  expect(sent).toMatchObject([{ id: 'plant/a/silent', keys: ['a', 'ab', 'b', 'bb'] }]);
});

test('the same groups come together again from the events that are open after a restart', async () => {
  const events = [silent('a', 0), silent('b', 100), silent('c', 500_000), silent('d', 500_100)];
  const ids: string[][] = [];
  for (const order of [events, events.toReversed()]) {
    const { groups, sent, advance } = create();
    for (const event of order) groups.add(event);
    await advance(groupWaitMs);
    ids.push(sent.map(({ id }) => id).sort());
    groups.close();
  }
  expect(ids).toEqual([
    ['plant/a/silent', 'plant/c/silent'],
    ['plant/a/silent', 'plant/c/silent'],
  ]);
});
