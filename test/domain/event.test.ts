import fc from 'fast-check';
import type { Detection } from '../../src/domain/detection';
import { createEventTracker, type EventPolicy, type LabelEffect } from '../../src/domain/event';
import type { Label, LabelName } from '../../src/domain/label';
import { detection } from './detections';
import { eventPolicy as policy } from './event-policy';

/** One letter a record: `!` is anomalous, `.` is not. Returns what each record did. */
function replay(pattern: string, overrides: Partial<EventPolicy> = {}): string {
  const tracker = createEventTracker({ ...policy, ...overrides });
  return Array.from(pattern)
    .map((letter, i) => tracker.observe(detection(i, letter === '!' ? 4 : 0))[0]?.status ?? '-')
    .map((status) => status.charAt(0))
    .join('');
}

describe('an event', () => {
  test.each([
    ['opens when k of the last n records are anomalous', '!.!', {}, '--o'],
    ['opens with the second of two in a row', '.!!', {}, '--o'],
    ['does not open on anomalous records that lie further apart than n', '!..!..!', {}, '-------'],
    ['opens at once when one record is enough', '!', { openRecords: 1, openWindow: 1 }, 'o'],
    ['closes after m quiet records in a row', '!!..', {}, '-o-c'],
    ['stays open while the quiet records are fewer than m', '!!.!.!.!', {}, '-o------'],
    ['needs k anomalous records again after it closed', '!!..!.!', {}, '-o-c--o'],
    ['waits for its least number of anomalous records', '!!.!!', { minRecords: 4 }, '----o'],
    ['is none when it ends before it has enough of them', '!!..!!', { minRecords: 4 }, '------'],
    ['waits until it is long enough', '!!!!!', { minLengthMs: 3 }, '---o-'],
    ['is none when it ends before it is long enough', '!!..', { minLengthMs: 3 }, '----'],
    ['does not open on records that belonged to the one before', '!!!..!', {}, '-o--c-'],
  ])('%s', (_, pattern, overrides, expected) => {
    expect(replay(pattern, overrides)).toBe(expected);
  });

  test('begins with the first anomalous record and says when it was opened', () => {
    const tracker = createEventTracker(policy);
    tracker.observe(detection(1000, 4));
    tracker.observe(detection(2000, 0));
    expect(tracker.observe(detection(3000, 3.5))[0]).toEqual({
      id: 'plant/pump-1/1970-01-01T00:00:01.000Z',
      detector: 'plant',
      key: 'pump-1',
      kind: 'anomaly',
      status: 'open',
      start: 1000,
      end: 3000,
      openedAt: 3000,
      anomalousRecords: 2,
      peakSurprise: 4,
      peakAt: 1000,
      threshold: 3,
      contributions: [
        { ...detection(1000, 4).contributions[0], at: 1000, records: 1 },
        { ...detection(3000, 3.5).contributions[0], at: 3000, records: 1 },
      ],
      limits: [],
      modelVersion: 'v1',
    });
  });

  test('ends with its newest anomalous record and shows the most surprising one', () => {
    const tracker = createEventTracker(policy);
    for (const [time, surprise] of [
      [1, 4],
      [2, 5],
      [3, 9],
      [4, 6],
      [5, 0],
    ] as const)
      tracker.observe(detection(time, surprise));
    expect(tracker.observe(detection(6, 0))[0]).toMatchObject({
      status: 'closed',
      closedBy: 'quiet',
      start: 1,
      end: 4,
      openedAt: 2,
      anomalousRecords: 4,
      peakSurprise: 9,
      peakAt: 3,
    });
  });

  test('does not change any more once it has been handed out', () => {
    const tracker = createEventTracker({ ...policy, openRecords: 1 });
    const [opened] = tracker.observe(detection(1, 4));
    tracker.observe(detection(2, 9));
    expect(opened).toMatchObject({ peakSurprise: 4, anomalousRecords: 1 });
  });

  test('is that of one key alone', () => {
    const tracker = createEventTracker(policy);
    expect(tracker.observe(detection(1, 4, 'a'))).toEqual([]);
    expect(tracker.observe(detection(2, 4, 'b'))).toEqual([]);
    expect(tracker.observe(detection(3, 4, 'a'))).toMatchObject([{ key: 'a', status: 'open' }]);
    expect(tracker.currentEvents().map(({ key }) => key)).toEqual(['a']);
  });
});

test('closing all ends what is open and forgets what was about to open', () => {
  const tracker = createEventTracker(policy);
  tracker.observe(detection(1, 4, 'a'));
  tracker.observe(detection(2, 4, 'a'));
  tracker.observe(detection(2, 4, 'b'));
  expect(tracker.closeAll()).toMatchObject([{ key: 'a', status: 'closed', closedBy: 'end', end: 2 }]);
  expect(tracker.currentEvents()).toEqual([]);
  expect(tracker.closeAll()).toEqual([]);
  expect(tracker.observe(detection(3, 4, 'b'))).toEqual([]);
});

describe('a key that falls silent', () => {
  const silent = { ...policy, silenceMs: 10 };

  test('has its event closed when the event time of the detector has moved on', () => {
    const tracker = createEventTracker(silent);
    for (const time of [1, 2]) tracker.observe(detection(time, 4, 'a'));
    expect(tracker.observe(detection(12, 0, 'b'))).toEqual([]);
    expect(tracker.observe(detection(13, 0, 'b'))).toMatchObject([
      { key: 'a', status: 'closed', closedBy: 'silence', end: 2 },
    ]);
    expect(tracker.observe(detection(30, 0, 'b'))).toEqual([]);
  });

  test('has no event closed twice, nor is it held, when it had none', () => {
    const tracker = createEventTracker(silent);
    tracker.observe(detection(1, 4, 'a'));
    expect(tracker.observe(detection(20, 0, 'b'))).toEqual([]);
    // The anomalous record before the silence does not count any more.
    expect(tracker.observe(detection(21, 4, 'a'))).toEqual([]);
  });

  test('is not one that only lags behind the others', () => {
    const tracker = createEventTracker(silent);
    tracker.observe(detection(100, 0, 'b'));
    tracker.observe(detection(1, 4, 'a'));
    tracker.observe(detection(101, 0, 'b'));
    expect(tracker.observe(detection(2, 4, 'a'))).toMatchObject([{ key: 'a', status: 'open' }]);
    expect(tracker.observe(detection(102, 0, 'b'))).toEqual([]);
  });

  test('and speaks again only after the silence has its old event closed first', () => {
    const tracker = createEventTracker({ ...silent, openRecords: 1 });
    tracker.observe(detection(1, 4, 'a'));
    const seen = tracker.observe(detection(50, 4, 'a'));
    expect(seen.map(({ status, start }) => [status, start])).toEqual([
      ['closed', 1],
      ['open', 50],
    ]);
  });
});

describe('after an event', () => {
  const suppressing = { ...policy, openRecords: 1, closeAfter: 1, suppressForMs: 5 };

  test('none opens for its key until the time is over, and what was suppressed is counted', () => {
    const tracker = createEventTracker(suppressing);
    const pattern = '!.!!!!!!!';
    const statuses = Array.from(pattern, (letter, i) =>
      tracker.observe(detection(i, letter === '!' ? 4 : 0)).map(({ status }) => status),
    );
    expect(statuses).toEqual([['open'], ['closed'], [], [], [], [], [], ['open'], []]);
    expect(tracker.suppressedRecords).toBe(5);
  });

  test('another key is not suppressed', () => {
    const tracker = createEventTracker(suppressing);
    tracker.observe(detection(0, 4, 'a'));
    tracker.observe(detection(1, 0, 'a'));
    expect(tracker.observe(detection(2, 4, 'b'))).toMatchObject([{ status: 'open' }]);
  });
});

describe('the channels of an event', () => {
  const said = (channel: string, surprise: number) => ({
    channel,
    contribution: surprise,
    actual: surprise,
    expected: 0,
    surprise,
    repeats: 0,
  });
  function channelsOf(records: Partial<Detection>[]) {
    const tracker = createEventTracker(policy);
    records.forEach((record, i) => tracker.observe({ ...detection(i, 4), ...record }));
    return tracker.closeAll()[0]!;
  }

  test('are those of all its records: one that was off all the time comes before one that was wild once', () => {
    const { contributions } = channelsOf([
      { contributions: [said('steady', 4), said('wild', 0.1)] },
      { contributions: [said('wild', 90), said('steady', 5)] },
      { contributions: [said('steady', 3.5), said('wild', 0.1)] },
    ]);
    expect(contributions).toMatchObject([
      { channel: 'steady', surprise: 5, actual: 5, at: 1, records: 3 },
      { channel: 'wild', surprise: 90, actual: 90, at: 1, records: 1 },
    ]);
  });

  test('begin with one beyond a limit, and each limit is told once with its worst value', () => {
    const over = (actual: number) => [{ channel: 'level', limit: 'max', bound: 9, actual } as const];
    const event = channelsOf([
      { contributions: [said('steady', 4), said('level', 1)], limits: over(10) },
      { contributions: [said('steady', 4), said('level', 1)], limits: over(12) },
      { contributions: [said('steady', 4), said('level', 1)], limits: over(11) },
    ]);
    expect(event.limits).toEqual(over(12));
    expect(event.contributions.map(({ channel }) => channel)).toEqual(['level', 'steady']);
  });

  test('are ten at the most', () => {
    const many = Array.from({ length: 40 }, (_, i) => said(`c${i}`, 4 - i / 10));
    const { contributions } = channelsOf([{ contributions: many }, { contributions: many }]);
    expect(contributions).toHaveLength(10);
    expect(contributions[0]).toMatchObject({ channel: 'c0' });
  });
});

describe('a weak event', () => {
  const bar = { margin: 2, lasting: 1 };
  /** The anomalous record of the given surprise with which it opens; its threshold is 3. */
  function openedWith(surprise: number, overrides: Partial<EventPolicy> = {}): number {
    const tracker = createEventTracker({ ...policy, openRecords: 1, openWindow: 1, ...overrides });
    for (let i = 1; i <= 1000; i++)
      if (tracker.observe(detection(i, surprise), bar)[0]?.status === 'open') return i;
    return NaN;
  }

  test('opens once it has lasted for as many records as make it as rare as a strong one', () => {
    expect(openedWith(5)).toBe(1);
    expect(openedWith(3.1)).toBe(10);
    expect(openedWith(3.6)).toBe(4);
    expect(openedWith(3.1, { minRecords: 20 })).toBe(20);
  });

  test('opens later while the budget is spent', () => {
    const tracker = createEventTracker({ ...policy, openRecords: 1, openWindow: 1, eventsPerMs: 1e-9 });
    for (let i = 0; i < 4; i++) tracker.observe(detection(i, 9, `other-${i}`), bar);
    expect(tracker.open).toBe(4);
    // Four of eight events spent raise the bar by a decade.
    const opened = Array.from({ length: 200 }, (_, i) =>
      tracker.observe(detection(4 + i, 3.1), bar),
    ).findIndex(([event]) => event?.status === 'open');
    expect(opened).toBe(99);
  });
});

describe('a channel that reports in some records only', () => {
  /** `!`: flow is odd; `.`: a normal record; `_`: one without a value of flow; `l`: one without a value of load. */
  function replayFlow(pattern: string, overrides: Partial<EventPolicy> = {}): string {
    const tracker = createEventTracker({ ...policy, ...overrides });
    const missing: Record<string, readonly string[]> = { _: ['flow'], l: ['load'] };
    return Array.from(pattern)
      .map((letter, i) => {
        const odd = detection(i, 4);
        const contributions = [{ ...odd.contributions[0]!, channel: 'flow' }];
        const events =
          letter === '!'
            ? tracker.observe({ ...odd, contributions })
            : tracker.pass(odd.key, i, missing[letter]);
        return (events[0]?.status ?? '-').charAt(0);
      })
      .join('');
  }

  test.each([
    [
      'opens an event with its second odd value, however many records lie in between',
      '!_________!',
      {},
      '----------o',
    ],
    ['opens none if its values in between are normal', '!_.._!', {}, '------'],
    ['keeps the event open where it has no value', '!!_____!____', {}, '-o----------'],
    ['closes it after as many normal values as are configured', '!!___.__.', {}, '-o------c'],
    ['keeps the event open after a normal value among odd ones', '!!___.__!___.', {}, '-o-----------'],
    ['does not hold it open for another channel without a value', '!!ll', {}, '-o-c'],
    ['closes it by silence if it never has a value again', '!!________', { silenceMs: 5 }, '-o-----c--'],
    ['… or none after a normal one', '!!_.______', { silenceMs: 5 }, '-o-------c'],
  ])('%s', (_, pattern, overrides, expected) => {
    expect(replayFlow(pattern, overrides)).toBe(expected);
  });
});

describe('a new normal', () => {
  const accepting = { ...policy, openRecords: 1, openWindow: 1, closeAfter: 2, acceptAfter: 6 };
  /** One surprise a record; 0 is a normal one. Returns the status, and why the event ended. */
  function statuses(surprises: readonly number[], overrides: Partial<EventPolicy> = {}) {
    const tracker = createEventTracker({ ...accepting, ...overrides });
    return surprises.map((surprise, i) =>
      tracker
        .observe(detection(i, surprise))
        .map(({ status, closedBy }) => closedBy ?? status)
        .join(),
    );
  }

  test('is what lasts without becoming more surprising: no other event opens while it lasts', () => {
    expect(statuses([5, 4, 4, 4, 6, 4, 4, 5, 0, 4, 4])).toEqual([
      'open',
      ...Array<string>(4).fill(''),
      'accepted',
      '',
      '',
      '',
      '',
      '',
    ]);
  });

  test('can be left: what comes after normal records is another event', () => {
    expect(statuses([5, 4, 4, 4, 6, 4, 0, 0, 4]).slice(5)).toEqual(['accepted', '', '', 'open']);
  });

  test('does not hide what is ten times less probable', () => {
    expect(statuses([5, 4, 4, 4, 6, 4, 7, 7.1, 4]).slice(5)).toEqual(['accepted', '', 'open', '']);
  });

  test('is not what still grows', () => {
    const growing = Array.from({ length: 30 }, (_, i) => 4 + i / 2);
    expect(statuses(growing).filter((one) => one !== '')).toEqual(['open']);
    // It stands still from the thirtieth record on: a half of six records is compared with all before.
    expect(statuses([...growing, ...Array<number>(6).fill(10)]).filter((one) => one !== '')).toEqual([
      'open',
      'accepted',
    ]);
  });

  test('is nothing where the setting is 0, and never beyond a limit', () => {
    expect(statuses(Array<number>(20).fill(4), { acceptAfter: 0 }).filter((one) => one !== '')).toEqual([
      'open',
    ]);
    const tracker = createEventTracker(accepting);
    const limits = [{ channel: 'level', limit: 'max', bound: 9, actual: 10 } as const];
    for (let i = 0; i < 20; i++) tracker.observe({ ...detection(i, 300), limits });
    expect(tracker.open).toBe(1);
  });
});

describe('with an alarm budget', () => {
  /** One event in 1,000 ms; one record opens an event, one normal record closes it. */
  const rationed = { ...policy, openRecords: 1, openWindow: 1, closeAfter: 1, eventsPerMs: 0.001 };
  function observeAll(records: readonly (readonly [time: number, surprise: number])[]) {
    const tracker = createEventTracker(rationed);
    const events = records.flatMap(([time, surprise]) => [...tracker.observe(detection(time, surprise))]);
    return { tracker, events };
  }
  const spend = Array.from({ length: 18 }, (_, i) => [i, i % 2 === 0 ? 300 : 0] as const);

  test('nine sure events open, the tenth is held back and told when it is over', () => {
    const { tracker, events } = observeAll([...spend, [20, 300], [21, 9], [22, 0], [23, 0]]);
    expect(events.filter(({ status }) => status === 'open')).toHaveLength(9);
    expect(events.at(-1)).toMatchObject({
      status: 'held_back',
      closedBy: 'quiet',
      start: 20,
      end: 21,
      openedAt: 20,
      anomalousRecords: 2,
      peakSurprise: 300,
    });
    expect(events).toHaveLength(19);
    expect(tracker.budgetSpentRatio).toBeCloseTo(1.122, 3);
    expect(tracker.open).toBe(0);
  });

  test('an event opens later if it lasts until there is budget, or becomes more surprising', () => {
    const { events } = observeAll([...spend, [1520, 6.4], [1521, 6.45], [1522, 6.55], [1523, 0]]);
    expect(events.slice(18).map(({ status, start, openedAt }) => [status, start, openedAt])).toEqual([
      ['open', 1520, 1522],
      ['closed', 1520, 1522],
    ]);
    const lasting = observeAll([...spend, [20, 5], [3300, 4], [3360, 4], [3361, 0]]);
    expect(lasting.events.slice(18).map(({ status, openedAt }) => [status, openedAt])).toEqual([
      ['open', 3360],
      ['closed', 3360],
    ]);
  });

  test('an event that is held back is among the current ones, and ends with the input', () => {
    const { tracker } = observeAll([...spend, [20, 300]]);
    expect(tracker.currentEvents()).toMatchObject([{ status: 'held_back', start: 20 }]);
    expect(tracker.closeAll()).toMatchObject([{ status: 'held_back', closedBy: 'end' }]);
  });

  test('a violated limit opens an event however much is spent, and costs nothing', () => {
    const { tracker } = observeAll([...spend, [20, 0]]);
    const limits = [{ channel: 'level', limit: 'max', bound: 9, actual: 10 } as const];
    const before = tracker.budgetSpentRatio;
    expect(tracker.observe({ ...detection(20, 300), limits })).toMatchObject([{ status: 'open' }]);
    expect(tracker.budgetSpentRatio).toBe(before);
  });

  test('surprise counts from the threshold of its record', () => {
    const tracker = createEventTracker(rationed);
    tracker.observe(detection(0, 300));
    tracker.observe(detection(1, 0));
    expect(tracker.observe({ ...detection(2, 9), threshold: 8.95 })).toEqual([]);
    expect(tracker.observe({ ...detection(3, 3.6), threshold: 3 })).toMatchObject([{ status: 'open' }]);
  });
});

describe('a label', () => {
  const rules = { ...policy, openRecords: 1, openWindow: 1, acceptAfter: 6, eventsPerMs: 1e-9 };
  type Tracker = ReturnType<typeof createEventTracker>;
  const label = (name: LabelName, from: number, to: number, key = 'pump-1'): Label => ({
    key,
    from,
    to,
    label: name,
  });
  /** What the labels change now. */
  const apply = (tracker: Tracker, ...labels: Label[]): LabelEffect[] =>
    tracker.labelled(labels).map((one) => tracker.label(one));
  /** Records at times `from`, `from` + 1, …; returns their statuses. */
  function feed(tracker: Tracker, from: number, surprises: readonly number[], key = 'pump-1'): string {
    return surprises
      .flatMap((surprise, i) =>
        tracker.observe(detection(from + i, surprise, key), undefined, () => [from + i]),
      )
      .map(({ status, closedBy }) => closedBy ?? status)
      .join();
  }

  test('`anomaly` refunds an event that is open, or over, once', () => {
    const tracker = createEventTracker(rules);
    feed(tracker, 0, [9, 0, 0]);
    feed(tracker, 10, [9]);
    expect(tracker.budgetSpentRatio).toBeCloseTo(2 / 8);
    // Another device, another time.
    expect(apply(tracker, label('anomaly', 0, 0, 'pump-2'), label('anomaly', 1, 9))).toEqual([]);
    expect(apply(tracker, label('anomaly', -5, 0))).toEqual([{ events: [] }]);
    expect(tracker.budgetSpentRatio).toBeCloseTo(1 / 8);
    expect(apply(tracker, label('anomaly', -5, 0), label('anomaly', 10, 99, ''))).toEqual([{ events: [] }]);
    expect(tracker.budgetSpentRatio).toBe(0);
    expect(apply(tracker, label('anomaly', -5, 99, ''))).toEqual([]);
    expect(tracker.open).toBe(1);
  });

  test('`normal` costs as before, and the last label of an event is the one that counts', () => {
    const tracker = createEventTracker(rules);
    feed(tracker, 0, [9, 0, 0]);
    expect(apply(tracker, label('normal', 0, 9))).toEqual([]);
    expect(apply(tracker, label('anomaly', 0, 9), label('normal', 0, 9))).toEqual([]);
    expect(apply(tracker, label('normal', 0, 9), label('anomaly', 0, 9))).toHaveLength(1);
    expect(tracker.budgetSpentRatio).toBe(0);
  });

  test('`new normal` ends an open event at once: no other one opens until it is over or grows', () => {
    const tracker = createEventTracker(rules);
    expect(feed(tracker, 0, [9, 9, 9])).toBe('open');
    const [effect] = apply(tracker, label('new normal', 1, 1));
    expect(effect!.events).toMatchObject([{ status: 'closed', closedBy: 'accepted', anomalousRecords: 3 }]);
    expect(effect!.accepted).toEqual([{ key: 'pump-1', records: 3, at: 2 }]);
    expect(apply(tracker, label('new normal', 1, 1))).toEqual([]);
    expect(feed(tracker, 3, [9, 9, 9, 0, 9])).toBe('');
    expect(feed(tracker, 9, [0, 0, 9])).toBe('open');
  });

  test('`new normal` is nothing to a violated limit, nor to an event that is over', () => {
    const tracker = createEventTracker(rules);
    feed(tracker, 0, [9, 0, 0]);
    const limits = [{ channel: 'level', limit: 'max', bound: 9, actual: 10 } as const];
    tracker.observe({ ...detection(10, 300), limits });
    expect(apply(tracker, label('new normal', 0, 99))).toEqual([]);
  });

  test.each([
    ['by itself', (tracker: Tracker) => void feed(tracker, 3, [9, 9, 9])],
    ['by a label', (tracker: Tracker) => void apply(tracker, label('new normal', 0, 2))],
    ['when its levels moved', (tracker: Tracker) => void tracker.settle('pump-1', ['at-0'])],
  ])('`anomaly` undoes a new normal that was accepted %s, once, also after a restart', (_, accept) => {
    const before = createEventTracker(rules);
    feed(before, 0, [9, 9, 9]);
    accept(before);
    expect(before.open).toBe(0);
    const tracker = createEventTracker(rules, before.snapshot());
    expect(feed(tracker, 6, [9, 9])).toBe('');
    const [effect] = apply(tracker, label('anomaly', 1, 1));
    // The mark is that of the record with which it began to be an event.
    expect(effect).toEqual({
      events: [],
      undone: { key: 'pump-1', since: 0, modelVersion: 'v1', mark: [0] },
    });
    expect(apply(tracker, label('anomaly', 1, 1))).toEqual([]);
    expect(feed(tracker, 8, [9])).toBe('open');
  });

  test('a new normal can be undone until the next one of the device', () => {
    const tracker = createEventTracker(rules);
    feed(tracker, 0, [5, 5, 5, 5, 5, 5, 9, 9, 9, 9, 9, 9]);
    expect(tracker.labelled([label('anomaly', 0, 5)])).toHaveLength(1);
    expect(apply(tracker, label('anomaly', 0, 5))).toEqual([{ events: [] }]);
    expect(apply(tracker, label('anomaly', 6, 11))).toMatchObject([{ undone: { since: 6 } }]);
  });

  test('an event is accepted when the channel that leads it has a new normal, and stays open for another one', () => {
    const tracker = createEventTracker(rules);
    feed(tracker, 0, [9, 4, 4]);
    expect(tracker.settle('pump-1', ['at-9'])).toEqual([]);
    expect(tracker.settle('pump-2', ['at-0'])).toEqual([]);
    expect(tracker.settle('pump-1', ['at-9', 'at-0'])).toMatchObject([
      { status: 'closed', closedBy: 'accepted', anomalousRecords: 3 },
    ]);
    expect(tracker.settle('pump-1', ['at-0'])).toEqual([]);
    expect(feed(tracker, 3, [9, 9, 0, 9])).toBe('');
    expect(feed(tracker, 9, [0, 0, 9])).toBe('open');
  });

  test('a violated limit is no new normal, though its level has moved', () => {
    const tracker = createEventTracker(rules);
    const limits = [{ channel: 'level', limit: 'max', bound: 9, actual: 10 } as const];
    tracker.observe({ ...detection(0, 300), limits });
    expect(tracker.settle('pump-1', ['at-0'])).toEqual([]);
    expect(tracker.open).toBe(1);
  });

  test('for the time ahead takes effect when there is an event', () => {
    const tracker = createEventTracker(rules);
    const service = label('anomaly', 100, 200, '');
    expect(apply(tracker, service)).toEqual([]);
    feed(tracker, 100, [9, 9]);
    expect(apply(tracker, service)).toHaveLength(1);
    expect(tracker.budgetSpentRatio).toBe(0);
  });
});

test('every opened event is closed once, and has all its anomalous records', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom(0, 4), fc.integer({ min: 0, max: 8 })),
        {
          maxLength: 200,
        },
      ),
      fc.record({
        openRecords: fc.integer({ min: 1, max: 3 }),
        openWindow: fc.integer({ min: 3, max: 5 }),
        minRecords: fc.integer({ min: 1, max: 4 }),
        minLengthMs: fc.integer({ min: 0, max: 10 }),
        closeAfter: fc.integer({ min: 1, max: 3 }),
        silenceMs: fc.integer({ min: 1, max: 30 }),
        suppressForMs: fc.integer({ min: 0, max: 10 }),
        acceptAfter: fc.constantFrom(0, 4, 6),
        eventsPerMs: fc.constantFrom(undefined, 0.1, 0.001),
      }),
      (steps, anyPolicy) => {
        const tracker = createEventTracker(anyPolicy);
        let time = 0;
        const anomalies: { key: string; time: number }[] = [];
        const seen = steps.flatMap(([key, surprise, step]) => {
          time += step;
          if (surprise > 0) anomalies.push({ key, time });
          return [...tracker.observe(detection(time, surprise, key))];
        });
        const all = [...seen, ...tracker.closeAll()];
        const opened = all.filter(({ status }) => status === 'open');
        const closed = all.filter(({ status }) => status === 'closed');
        expect(closed).toHaveLength(opened.length);
        const heldBack = all.filter(({ status }) => status === 'held_back');
        if (anyPolicy.eventsPerMs === undefined) expect(heldBack).toEqual([]);
        expect(tracker.currentEvents()).toEqual([]);
        for (const event of [...closed, ...heldBack]) {
          expect(event.anomalousRecords).toBeGreaterThanOrEqual(
            Math.max(anyPolicy.openRecords, anyPolicy.minRecords),
          );
          expect(event.end - event.start).toBeGreaterThanOrEqual(anyPolicy.minLengthMs);
          const within = anomalies.filter(
            (one) => one.key === event.key && one.time >= event.start && one.time <= event.end,
          );
          expect(event.anomalousRecords).toBeLessThanOrEqual(within.length);
        }
      },
    ),
  );
});

test('an event keeps the explanation of the record that was explained last', () => {
  const tracker = createEventTracker({ ...policy, openRecords: 1, openWindow: 1, closeAfter: 2 });
  const leftOutAfter = (next: Detection): readonly string[] | undefined => {
    tracker.observe(next);
    return tracker.currentEvents()[0]!.nearestNormal?.leftOut;
  };
  const explained = (one: Detection, channel: string): Detection => ({
    ...one,
    nearestNormal: { reconstruction: 1, leftOut: [channel], latent: [] },
  });
  expect(leftOutAfter(explained(detection(1, 4), 'flow'))).toEqual(['flow']);
  expect(leftOutAfter(detection(2, 4.5))).toEqual(['flow']);
  expect(leftOutAfter(explained(detection(3, 6), 'load'))).toEqual(['load']);
});

test('a tracker that goes on from a snapshot says what the one it was taken of would have', () => {
  const record = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    surprise: fc.constantFrom(0, 0, 4, 5, 6),
    step: fc.integer({ min: 0, max: 3 }),
    limited: fc.boolean(),
    explained: fc.boolean(),
    lacks: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 80 }), fc.nat(80), (records, cut) => {
      const rules = {
        ...policy,
        minRecords: 3,
        silenceMs: 12,
        suppressForMs: 6,
        acceptAfter: 6,
        eventsPerMs: 0.05,
      };
      const bar = { margin: 0.8, lasting: 0.6 };
      const whole = createEventTracker(rules);
      let parted = createEventTracker(rules);
      let time = 0;
      records.forEach(({ key, surprise, step, limited, explained, lacks }, i) => {
        if (i === cut) {
          // A snapshot is not changed by what comes after it.
          const snapshot = parted.snapshot();
          parted.observe(detection(time, 9, key));
          parted = createEventTracker(rules, snapshot);
        }
        time += step;
        const violation = { channel: 'load', limit: 'max', bound: 3, actual: 3 + i } as const;
        const seen: Detection = {
          ...detection(time, surprise, key),
          ...(lacks && { missing: ['flow'] }),
          contributions: [
            { ...detection(time, surprise).contributions[0]!, channel: i % 2 === 0 ? 'flow' : 'load' },
          ],
          ...(limited && { limits: [violation] }),
          ...(explained && { nearestNormal: { reconstruction: i, leftOut: [], latent: [] } }),
        };
        expect(parted.observe(seen, bar)).toEqual(whole.observe(seen, bar));
        expect(parted.open).toBe(whole.open);
        expect(whole.open).toBe(whole.currentEvents().filter(({ status }) => status === 'open').length);
      });
      expect(parted.closeAll()).toEqual(whole.closeAll());
    }),
  );
});

describe('the most surprising open events', () => {
  test('are as they are so far, without those that are over or held back; equals in the order in which they opened', () => {
    const tracker = createEventTracker({ ...policy, openRecords: 1, openWindow: 1 });
    const observe = (at: number, surprise: number, key: string) =>
      tracker.observe(detection(at, surprise, key));
    observe(1, 4, 'b');
    observe(2, 4, 'a');
    observe(3, 5, 'c');
    observe(4, 9, 'd');
    observe(5, 0, 'd');
    observe(6, 0, 'd');
    // The order of their last records does not matter.
    observe(7, 4, 'b');
    observe(8, 7, 'a');
    expect(tracker.openEvents(9).map(({ key, peakSurprise }) => [key, peakSurprise])).toEqual([
      ['a', 7],
      ['c', 5],
      ['b', 4],
    ]);
    expect(tracker.openEvents(2).map(({ key }) => key)).toEqual(['a', 'c']);
    expect(tracker.openEvents(0)).toEqual([]);
  });
});

test('an event of images has the file of the most surprising one', () => {
  const tracker = createEventTracker(policy);
  const ofFile = (at: number, surprise: number, file: string): Detection => ({
    ...detection(at, surprise),
    origin: { topic: 't', partition: 0, offset: String(at), file },
  });
  tracker.observe(ofFile(1000, 4, 'a.png'));
  expect(tracker.observe(ofFile(2000, 5, 'b.png'))).toMatchObject([{ peakFile: 'b.png' }]);
  tracker.observe(ofFile(3000, 4.5, 'c.png'));
  expect(tracker.observe(ofFile(4000, 0, 'd.png'))).toEqual([]);
  expect(tracker.observe(ofFile(5000, 0, 'e.png'))).toMatchObject([{ status: 'closed', peakFile: 'b.png' }]);
});
