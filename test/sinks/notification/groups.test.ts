import type { AnomalyEvent } from '../../../src/domain/anomaly-event';
import { alone, type Claim, type Claims } from '../../../src/sinks/notification/claims';
import { createGroups, groupWaitMs } from '../../../src/sinks/notification/groups';
import { createEvent } from '../events';
import { createSimulatedTiming } from './simulated';

function create(claims: Partial<Claims> = {}) {
  const { timing, advance } = createSimulatedTiming();
  const sent: AnomalyEvent[] = [];
  const groups = createGroups({
    notify: (event) => sent.push(event),
    claims: { ...alone, ...claims },
    timing,
  });
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
  await advance(0);
  expect(sent.slice(1)).toMatchObject([
    { id: 'plant/p19/silent', status: 'closed', closedBy: 'resumed', start: 3100, end: 90_019 },
  ]);
  expect(sent[1]!.keys).toHaveLength(40);
  await groups.close();
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
  await advance(0);
  expect(sent.at(-1)).toEqual(over(late, 1e6));
  await groups.close();
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
  await groups.close();
});

test('a stop sends what waits at once', async () => {
  const { groups, sent } = create();
  groups.add(silent('a', 0));
  groups.add(silent('b', 10));
  await groups.close();
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
    await groups.close();
  }
  expect(ids).toEqual([
    ['plant/a/silent', 'plant/c/silent'],
    ['plant/a/silent', 'plant/c/silent'],
  ]);
});

describe('of several processes', () => {
  const own = silent('a', 0);
  const theirs = silent('b', 100);

  test('one sends a message of all, and follows the events of the others to their end', async () => {
    const reported = new Map<string, AnomalyEvent>([[theirs.id, theirs]]);
    const { groups, sent, advance } = create({
      claim: () => Promise.resolve({ number: 1, as: undefined, events: [own, theirs] }),
      reported: (id) => reported.get(id),
    });
    groups.add(own);
    await advance(groupWaitMs);
    expect(sent).toMatchObject([{ id: own.id, status: 'open', keys: ['a', 'ab', 'b', 'bb'] }]);
    groups.add(over(own, 200_000));
    await advance(10 * groupWaitMs);
    expect(sent).toHaveLength(1);
    reported.set(theirs.id, over(theirs, 300_000));
    await advance(groupWaitMs);
    expect(sent.slice(1)).toMatchObject([{ id: own.id, status: 'closed', end: 300_000 }]);
    await groups.close();
  });

  test('an event of a partition that has moved to another process is over when that one reports it', async () => {
    const reported = new Map<string, AnomalyEvent>([[own.id, own]]);
    const { groups, sent, advance } = create({ reported: (id) => reported.get(id) });
    groups.add(own);
    await advance(groupWaitMs);
    reported.set(own.id, over(own, 300_000));
    await advance(groupWaitMs);
    expect(sent.map(({ status }) => status)).toEqual(['open', 'closed']);
    await groups.close();
  });

  test('the others send nothing while it is at work, and one of them its message again when it is gone', async () => {
    const claims = { claimed: undefined as Claim | undefined };
    const { groups, sent, advance } = create({ claim: () => Promise.resolve(claims.claimed) });
    groups.add(own);
    groups.add(theirs);
    await advance(20 * groupWaitMs);
    expect(sent).toEqual([]);
    claims.claimed = { number: 2, as: theirs.id, events: [own, theirs] };
    await advance(groupWaitMs);
    expect(sent).toMatchObject([{ id: theirs.id, status: 'open', keys: ['a', 'ab', 'b', 'bb'] }]);
    await advance(20 * groupWaitMs);
    expect(sent).toHaveLength(1);
    await groups.close();
  });

  test('an end that another process tells of is not sent, nor one that another process has claimed since', async () => {
    const claims = { claimed: undefined as Claim | undefined };
    const { groups, sent, advance } = create({
      claim: () => Promise.resolve(claims.claimed),
      release: () => Promise.resolve(false),
    });
    groups.add(own);
    await advance(groupWaitMs);
    groups.add(over(own, 100_000));
    await advance(groupWaitMs);
    expect(sent).toEqual([]);
    claims.claimed = { number: 3, as: undefined, events: [theirs] };
    groups.add(theirs);
    await advance(groupWaitMs);
    groups.add(over(theirs, 100_000));
    await advance(groupWaitMs);
    expect(sent.map(({ status }) => status)).toEqual(['open']);
    await groups.close();
  });

  test('what changes while it is claimed is sent as it is', async () => {
    let answer: (claim: Claim) => void = () => undefined;
    const { groups, sent, advance } = create({
      claim: () => new Promise((resolve) => (answer = resolve)),
    });
    groups.add(own);
    await advance(groupWaitMs);
    groups.add(over(own, 100_000));
    answer({ number: 1, as: undefined, events: [own] });
    await advance(0);
    expect(sent.map(({ status }) => status)).toEqual(['open', 'closed']);
    await groups.close();
  });

  test('devices that are back before the message is sent are not named in it', async () => {
    const { groups, sent, advance } = create();
    groups.add(own);
    groups.add(theirs);
    groups.add(over(own, 10_000));
    await advance(groupWaitMs);
    expect(sent).toMatchObject([{ id: theirs.id, status: 'open', keys: ['b', 'bb'] }]);
    await groups.close();
  });
});
