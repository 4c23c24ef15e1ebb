import fc from 'fast-check';
import type { AnomalyEvent } from '../../src/domain/event';
import { createEventTracker, type EventPolicy } from '../../src/domain/event';
import type { Label, LabelName } from '../../src/domain/label';
import type { SilenceRules } from '../../src/domain/silent-devices';
import { seededUniform } from '../calibration/seeded';
import { eventPolicy } from './event-policy';

const policy: EventPolicy = {
  ...eventPolicy,
  watchedDevices: 100,
};

/** Five intervals are a silence, and each further one adds a decade. */
const rules: SilenceRules = {
  detector: 'plant',
  modelVersion: 'v1',
  threshold: 2,
  shortest: 5,
  surpriseAt: (length) => Math.max(0, length - 3),
};

const interval = 30_000;

interface Heard {
  key: string;
  time: number;
}

/** Devices that speak every 30 s, each at its own second, without the records for which `isLost`. */
function plant(devices: number, rounds: number, isLost: (key: string, round: number) => boolean): Heard[] {
  return Array.from({ length: rounds }, (_, round) =>
    Array.from({ length: devices }, (_device, d) => ({
      key: `d${d}`,
      time: round * interval + (d * interval) / devices,
      round,
    })),
  )
    .flat()
    .filter(({ key, round }) => !isLost(key, round));
}

function listen(records: readonly Heard[], overrides: Partial<EventPolicy> = {}, given = rules) {
  const tracker = createEventTracker({ ...policy, ...overrides });
  const events = records.flatMap(({ key, time }) => [...tracker.hear(key, time, given)]);
  return { tracker, events };
}
const brief = (events: readonly AnomalyEvent[]) =>
  events.map(({ status, closedBy, keys }) => [closedBy ?? status, keys?.join()]);

describe('a device that stops speaking', () => {
  const stopped = plant(4, 60, (key, round) => key === 'd2' && round >= 40 && round < 55);

  test('is an event, until it speaks again', () => {
    const { events, tracker } = listen(stopped);
    const last = 39 * interval + interval / 2;
    expect(events).toMatchObject([
      { status: 'open', kind: 'silent', key: 'd2', keys: ['d2'], start: last, threshold: 2 },
      { status: 'closed', closedBy: 'resumed', key: 'd2', start: last, end: 55 * interval + interval / 2 },
    ]);
    // Five intervals, and one more in which others may join it.
    expect((events[0]!.openedAt - last) / interval).toBeCloseTo(6, 0);
    expect(events[0]!.id).toBe(events[1]!.id);
    const during = listen(stopped.filter(({ time }) => time < 50 * interval));
    expect(during.tracker.openEvents(5)).toMatchObject([{ kind: 'silent', keys: ['d2'], status: 'open' }]);
    expect(tracker.openEvents(5)).toEqual([]);
    expect(events[1]!.peakSurprise).toBeCloseTo(13, 0);
    expect(tracker.open).toBe(0);
  });

  test('is not looked for where the version knows no gaps, nor by a tracker that watches none', () => {
    const tracker = createEventTracker(policy);
    expect(stopped.flatMap(({ key, time }) => [...tracker.hear(key, time, undefined)])).toEqual([]);
    expect(listen(stopped, { watchedDevices: undefined }).events).toEqual([]);
  });

  test('is not one that has hardly spoken yet', () => {
    expect(listen(plant(4, 60, (key, round) => key === 'd2' && round >= 18)).events).toEqual([]);
  });

  test('is not one of which a few records are lost', () => {
    expect(listen(plant(4, 60, (key, round) => key === 'd2' && round >= 40 && round < 44)).events).toEqual(
      [],
    );
  });

  test('is measured by its own interval', () => {
    const slow = plant(4, 400, (key, round) => key === 'd2' && round % 10 !== 0);
    expect(listen(slow).events).toEqual([]);
    const stopping = slow.filter(({ key, time }) => key !== 'd2' || time < 300 * interval);
    const { events } = listen(stopping);
    expect(brief(events)).toEqual([['open', 'd2']]);
    expect((events[0]!.openedAt - events[0]!.start) / interval).toBeCloseTo(60, -1);
  });

  test('has its event closed with the input', () => {
    const { tracker, events } = listen(plant(4, 60, (key, round) => key === 'd2' && round >= 40));
    expect(brief(events)).toEqual([['open', 'd2']]);
    expect(tracker.open).toBe(1);
    expect(brief(tracker.closeAll())).toEqual([['end', 'd2']]);
    expect(tracker.open).toBe(0);
  });

  test('is forgotten after a while, and its event closes', () => {
    const { events } = listen(
      plant(4, 200, (key, round) => key === 'd2' && round >= 40),
      { acceptAfter: 50 },
    );
    expect(brief(events)).toEqual([
      ['open', 'd2'],
      ['accepted', 'd2'],
    ]);
    expect((events[1]!.end - events[1]!.start) / interval).toBeCloseTo(50, 0);
  });

  test('has its event closed when more devices are watched than there is room for', () => {
    const { events } = listen(
      [
        ...plant(4, 60, (key, round) => key === 'd2' && round >= 40),
        ...plant(5, 20, () => false).map(({ key, time }) => ({
          key: `new-${key}`,
          time: time + 60 * interval,
        })),
      ],
      { watchedDevices: 5 },
    );
    expect(brief(events).at(-1)).toEqual(['accepted', 'd2']);
  });
});

describe('a silence that was accepted', () => {
  const rounds = 260;
  const lost = (key: string, round: number) => key === 'd2' && round >= 40 && round < 220;
  const label = (name: LabelName): Label => ({ key: 'd2', from: 0, to: 45 * interval, label: name });

  /** All events of a partition that gets labels before a round, and is restored from its snapshot with each of them. */
  function listenWith(labels: Readonly<Record<number, Label>>, acceptAfter = 50) {
    let tracker = createEventTracker({ ...policy, acceptAfter });
    const events: AnomalyEvent[] = [];
    const known: Label[] = [];
    let round = 0;
    for (const { key, time } of plant(4, rounds, lost)) {
      while (time >= round * interval) {
        const given = labels[round++];
        if (given !== undefined) {
          known.push(given);
          tracker = createEventTracker(
            { ...policy, acceptAfter },
            JSON.parse(JSON.stringify(tracker.snapshot())) as ReturnType<typeof tracker.snapshot>,
          );
        }
        for (const found of tracker.labelled([...known])) events.push(...tracker.label(found).events);
      }
      events.push(...tracker.hear(key, time, rules));
    }
    return { tracker, events };
  }

  test('is undone by a label: the device is missed again, until it sends', () => {
    const { events, tracker } = listenWith({ 120: label('anomaly') });
    expect(brief(events)).toEqual([
      ['open', 'd2'],
      ['accepted', 'd2'],
      ['open', 'd2'],
      ['resumed', 'd2'],
    ]);
    const [open, , again, resumed] = events;
    expect([again!.id, again!.start]).toEqual([open!.id, open!.start]);
    expect(again!.openedAt / interval).toBeCloseTo(121, 0);
    expect(resumed!.end / interval).toBeCloseTo(220.5, 0);
    expect(tracker.open).toBe(0);
  });

  test('and so is one that a label has accepted', () => {
    const { events } = listenWith({ 60: label('new normal'), 120: label('anomaly') }, 0);
    expect(brief(events)).toEqual([
      ['open', 'd2'],
      ['accepted', 'd2'],
      ['open', 'd2'],
      ['resumed', 'd2'],
    ]);
  });

  test('is no longer undone once the device has sent again', () => {
    const { events } = listenWith({ 230: label('anomaly') });
    expect(brief(events)).toEqual([
      ['open', 'd2'],
      ['accepted', 'd2'],
    ]);
  });

  test('is undone although another label says that it was normal, if that was given before', () => {
    const { events } = listenWith({ 100: label('normal'), 120: label('anomaly') });
    expect(events.filter(({ status }) => status === 'open')).toHaveLength(2);
  });
});

describe('devices that fall silent together', () => {
  test('are one event, which ends when the last one speaks', () => {
    const gateway = plant(8, 80, (key, round) => {
      if (round < 40) return false;
      return (['d1', 'd2', 'd3'].includes(key) && round < 50) || (key === 'd5' && round < 60);
    });
    expect(brief(listen(gateway).events)).toEqual([
      ['open', 'd1,d2,d3,d5'],
      ['resumed', 'd1,d2,d3,d5'],
    ]);
  });

  test('are two events if some time lies between', () => {
    const apart = plant(
      4,
      80,
      (key, round) => (key === 'd1' && round >= 40) || (key === 'd2' && round >= 46),
    );
    expect(brief(listen(apart).events)).toEqual([
      ['open', 'd1'],
      ['open', 'd2'],
    ]);
  });

  test('cost the budget once, and without budget they are held back', () => {
    const gateway = plant(
      8,
      80,
      (key, round) => ['d1', 'd2', 'd3'].includes(key) && round >= 40 && round < 46,
    );
    const { tracker, events } = listen(gateway, { eventsPerMs: 1e-12 });
    expect(brief(events)).toHaveLength(2);
    expect(tracker.budgetSpentRatio).toBeCloseTo(1 / 8, 6);
    const often = plant(8, 2000, (key, round) => key === 'd1' && round % 50 > 40 && round > 100);
    const spent = listen(often, { eventsPerMs: 1e-12 });
    const kinds = brief(spent.events).map(([kind]) => kind);
    expect(kinds.filter((one) => one === 'open')).toHaveLength(6);
    expect(spent.events.filter(({ status }) => status === 'held_back')).toHaveLength(31);
  });
});

test('when the whole partition is silent, nothing is reported', () => {
  const pause = plant(4, 60, (_, round) => round >= 40 && round < 55);
  expect(listen(pause).events).toEqual([]);
  // Not even if one device is late after the pause.
  const late = plant(4, 60, (key, round) => round >= 40 && (round < 55 || (key === 'd3' && round < 58)));
  expect(listen(late).events).toEqual([]);
  // A single device has no other that goes on.
  expect(listen(plant(1, 60, (_, round) => round >= 40 && round < 55)).events).toEqual([]);
});

test('a watch that goes on from a snapshot reports what the uninterrupted one does', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.array(fc.nat(1500), { maxLength: 4 }), (seed, cuts) => {
      const uniform = seededUniform(seed);
      const down = new Map<string, number>();
      const records = plant(6, 250, (key, round) => {
        if ((down.get(key) ?? -1) >= round) return true;
        if (uniform() < 0.01) down.set(key, round + Math.floor(15 * uniform()));
        return uniform() < 0.05;
      });
      const overrides = { ...policy, eventsPerMs: 1e-6, acceptAfter: 12 };
      const whole = createEventTracker(overrides);
      let parted = createEventTracker(overrides);
      const heard: unknown[] = [];
      const expected: unknown[] = [];
      records.forEach(({ key, time }, i) => {
        if (cuts.includes(i)) {
          const snapshot = parted.snapshot();
          parted.hear('d0', time + 1e6, rules);
          parted = createEventTracker(overrides, snapshot);
        }
        const given = i < records.length / 2 ? rules : { ...rules, modelVersion: 'v2', shortest: 6 };
        heard.push({ events: parted.hear(key, time, given), open: parted.open });
        expected.push({ events: whole.hear(key, time, given), open: whole.open });
      });
      // One assertion for all records, as an assertion costs more than a record.
      expect(heard).toEqual(expected);
      expect(parted.snapshot()).toEqual(whole.snapshot());
      expect(parted.closeAll()).toEqual(whole.closeAll());
    }),
    { numRuns: 25 },
  );
});

test('every event of silent devices opens once and closes once, or is held back once', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.constantFrom(undefined, 1e-7), (seed, eventsPerMs) => {
      const uniform = seededUniform(seed);
      const down = new Map<string, number>();
      const records = plant(8, 200, (key, round) => {
        if ((down.get(key) ?? -1) >= round) return true;
        if (uniform() < 0.02) down.set(key, round + Math.floor(20 * uniform()));
        return false;
      });
      const { tracker, events } = listen(records, { eventsPerMs });
      const all = [...events, ...tracker.closeAll()];
      const ids = (status: AnomalyEvent['status']) =>
        all
          .filter((one) => one.status === status)
          .map(({ id }) => id)
          .sort();
      expect(ids('open')).toEqual(ids('closed'));
      expect(new Set([...ids('open'), ...ids('held_back')]).size).toBe(
        ids('open').length + ids('held_back').length,
      );
    }),
    { numRuns: 40 },
  );
});
