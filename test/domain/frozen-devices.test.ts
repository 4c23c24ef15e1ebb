/** Devices that freeze together, in the events of a partition. */
import fc from 'fast-check';
import type { AnomalyEvent } from '../../src/domain/anomaly-event';
import type { Detection } from '../../src/domain/detection';
import { createEventTracker, type EventPolicy, type EventsSnapshot } from '../../src/domain/event';
import { eventPolicy } from './event-policy';

const policy: EventPolicy = {
  ...eventPolicy,
  watchedDevices: 100,
  eventsPerMs: 1e-12,
};

const interval = 10;
type State = 'normal' | 'frozen' | 'odd';

function detection(key: string, timestamp: number, state: State): Detection {
  const channel = (name: string, repeats: number) => ({
    channel: name,
    contribution: 1,
    actual: 1,
    expected: 0,
    surprise: 3,
    repeats,
  });
  return {
    detector: 'plant',
    key,
    timestamp,
    origin: { topic: 't', partition: 0, offset: String(timestamp) },
    surprise: state === 'normal' ? 0 : 9,
    threshold: 3,
    targetThreshold: 3,
    anomalous: state !== 'normal',
    extrapolated: false,
    limits: [],
    statistics: { runs: state === 'frozen' ? 6 : 0 },
    contributions: [channel('flow', state === 'frozen' ? 5 : 0), channel('load', 5)],
    modelVersion: 'v1',
  };
}

/** Devices that send every 10 ms, one after the other. */
function createPlant(devices: number, overrides: Partial<EventPolicy> = {}, beginning?: EventsSnapshot) {
  const tracker = createEventTracker({ ...policy, ...overrides }, beginning);
  return {
    tracker,
    /** One record of each device; returns the events. */
    round(i: number, stateOf: (device: number) => State): AnomalyEvent[] {
      return Array.from({ length: devices }, (_, d) => {
        const timestamp = i * interval + d / 10;
        const silent = tracker.hear(`d${d}`, timestamp, undefined);
        return [...silent, ...tracker.observe(detection(`d${d}`, timestamp, stateOf(d)))];
      }).flat();
    },
  };
}

const normal = (): State => 'normal';
const first = (frozen: number) => (d: number) => (d < frozen ? 'frozen' : 'normal') as State;

function warmedUp(devices: number, overrides: Partial<EventPolicy> = {}) {
  const plant = createPlant(devices, overrides);
  for (let i = 0; i < 25; i++) plant.round(i, normal);
  return plant;
}

test('are one event with the list of them, and one charge; it opens an interval later and ends with the last one', () => {
  const { tracker, round } = warmedUp(12);
  const opened = [25, 26, 27, 28, 29].map((i) => round(i, first(10)));
  expect(opened.map((events) => events.length)).toEqual([0, 0, 1, 0, 0]);
  const keys = Array.from({ length: 10 }, (_, d) => `d${d}`);
  expect(opened[2]).toMatchObject([
    { status: 'open', kind: 'anomaly', key: 'd0', keys, start: 250, openedAt: 270, peakSurprise: 9 },
  ]);
  expect([tracker.open, tracker.budgetSpentRatio]).toEqual([1, expect.closeTo(1 / 8)]);
  expect(tracker.openEvents(10)).toMatchObject([{ keys, anomalousRecords: 50 }]);
  expect(tracker.currentEvents()).toMatchObject([{ keys }]);
  // One resumes late.
  const one = (d: number): State => (d === 3 ? 'frozen' : 'normal');
  expect([30, 31, 32].flatMap((i) => round(i, one))).toEqual([]);
  const [closed, ...others] = [33, 34].flatMap((i) => round(i, normal));
  expect(others).toEqual([]);
  expect(closed).toMatchObject({ status: 'closed', closedBy: 'quiet', key: 'd0', keys, end: 320.3 });
  expect(closed!.anomalousRecords).toBe(53);
  expect([tracker.open, tracker.currentEvents()]).toEqual([0, []]);
});

test('a device that freezes alone, or much later, has an event of its own', () => {
  const { tracker, round } = warmedUp(12);
  const events = [25, 26, 27, 28].flatMap((i) => round(i, first(1)));
  expect(events).toMatchObject([{ status: 'open', key: 'd0' }]);
  expect(events[0]).not.toHaveProperty('keys');
  const later = [40, 41, 42, 43].flatMap((i) => round(i, first(3)));
  expect(later).toMatchObject([{ status: 'open', key: 'd1', keys: ['d1', 'd2'], start: 400.1 }]);
  expect([tracker.open, tracker.budgetSpentRatio]).toEqual([2, expect.closeTo(2 / 8)]);
});

test('what is anomalous by more than its runs is an event of one device', () => {
  const { tracker, round } = warmedUp(3);
  const odd = (): State => 'odd';
  expect([25, 26].flatMap((i) => round(i, odd)).map(({ key, keys }) => [key, keys])).toEqual([
    ['d0', undefined],
    ['d1', undefined],
    ['d2', undefined],
  ]);
  expect(tracker.open).toBe(3);
});

test('a freeze that is over within an interval is said when it is over', () => {
  const { tracker, round } = warmedUp(4, { closeAfter: 1 });
  expect([25, 26].flatMap((i) => round(i, first(2)))).toEqual([]);
  const events = round(27, normal);
  expect(events.map(({ status, keys }) => [status, keys])).toEqual([
    ['open', ['d0', 'd1']],
    ['closed', ['d0', 'd1']],
  ]);
  expect(tracker.budgetSpentRatio).toBeCloseTo(1 / 8);
});

test('without budget they are held back as one, which is told when it is over', () => {
  const { tracker, round } = warmedUp(12, { acceptAfter: 0 });
  const odd = (d: number): State => (d >= 3 ? 'odd' : 'normal');
  for (const i of [25, 26, 27, 28]) round(i, odd);
  expect(tracker.budgetSpentRatio).toBeGreaterThan(1);
  expect([29, 30, 31, 32].flatMap((i) => round(i, (d) => (d < 3 ? 'frozen' : odd(d))))).toEqual([]);
  const over = [33, 34].flatMap((i) => round(i, normal)).filter(({ status }) => status === 'held_back');
  expect(over).toMatchObject([{ keys: ['d0', 'd1', 'd2'], closedBy: 'quiet', anomalousRecords: 12 }]);
});

test('labels concern the event of all: it is refunded, or all of its devices are accepted', () => {
  const { tracker, round } = warmedUp(5);
  for (const i of [25, 26, 27]) round(i, first(4));
  const label = { key: 'd2', from: 255, to: 256 };
  const apply = (name: 'anomaly' | 'new normal') =>
    tracker.labelled([{ ...label, label: name }]).map((one) => tracker.label(one));
  expect(apply('anomaly')).toEqual([{ events: [] }]);
  expect(tracker.budgetSpentRatio).toBe(0);
  const [effect] = apply('new normal');
  expect(effect!.events).toMatchObject([
    { status: 'closed', closedBy: 'accepted', keys: ['d0', 'd1', 'd2', 'd3'] },
  ]);
  expect(effect!.accepted!.map(({ key, records }) => [key, records])).toEqual([
    ['d0', 3],
    ['d1', 3],
    ['d2', 3],
    ['d3', 3],
  ]);
  expect([28, 29, 30].flatMap((i) => round(i, first(4)))).toEqual([]);
  // An anomaly after all: each device of the label.
  expect(apply('anomaly')).toMatchObject([{ undone: { key: 'd2' } }]);
});

test('a tracker that continues from a snapshot says the same, and each opened event is closed once', () => {
  const states = fc.array(fc.constantFrom<State>('normal', 'frozen', 'frozen', 'odd'), {
    minLength: 4,
    maxLength: 4,
  });
  fc.assert(
    fc.property(
      fc.array(states, { minLength: 1, maxLength: 40 }),
      fc.nat(40),
      fc.constantFrom(1e-12, 0.01, 1),
      (rounds, cut, eventsPerMs) => {
        const overrides = { eventsPerMs, acceptAfter: 8, suppressForMs: 15 };
        const whole = warmedUp(4, overrides);
        let parted = warmedUp(4, overrides);
        const all: AnomalyEvent[] = [];
        rounds.forEach((of, i) => {
          if (i === cut) parted = createPlant(4, overrides, structuredClone(parted.tracker.snapshot()));
          const events = whole.round(25 + i, (d) => of[d]!);
          expect(parted.round(25 + i, (d) => of[d]!)).toEqual(events);
          all.push(...events);
          const opened = whole.tracker.currentEvents().filter(({ status }) => status === 'open');
          expect(opened.length).toBe(whole.tracker.open);
        });
        all.push(...whole.tracker.closeAll());
        const idsOf = (status: string) =>
          all
            .filter((one) => one.status === status)
            .map(({ id }) => id)
            .sort();
        expect(idsOf('closed')).toEqual(idsOf('open'));
        expect(new Set(idsOf('open')).size).toBe(idsOf('open').length);
        expect(whole.tracker.open).toBe(0);
      },
    ),
  );
});
