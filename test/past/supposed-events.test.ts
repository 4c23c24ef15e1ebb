import type { Detection } from '../../src/domain/detection';
import { createEventTracker, type AnomalyEvent, type EventPolicy } from '../../src/domain/event';
import { createRecentRecords } from '../../src/past/recent-records';
import { createScoreMinutes, minuteMs } from '../../src/past/score-minutes';
import { createSupposition, type SupposedEvent } from '../../src/past/supposed-events';
import { seededUniform } from '../calibration/seeded';

const policy: EventPolicy = {
  openRecords: 3,
  openWindow: 5,
  minRecords: 1,
  minLengthMs: 0,
  closeAfter: 10,
  silenceMs: 3_600_000,
  suppressForMs: 0,
  acceptAfter: 0,
};
const began = 29_000_000 * minuteMs;
const intervalMs = 10_000;

/** Surprises of each device, one per record; all devices are in one partition. */
type Devices = Readonly<Record<string, readonly number[]>>;

function detection(key: string, i: number, surprise: number, threshold: number): Detection {
  return {
    detector: 'plant',
    key,
    timestamp: began + intervalMs * i,
    origin: { topic: 't', partition: 0, offset: String(i) },
    surprise,
    threshold,
    targetThreshold: threshold,
    anomalous: surprise >= threshold,
    extrapolated: false,
    limits: [],
    statistics: {},
    contributions: [{ channel: 'flow', contribution: 1, actual: 1, expected: 0, surprise: 3, repeats: 0 }],
    modelVersion: 'v1',
  };
}

/** The events that open with each record judged by itself, as the daemon does. */
function real(
  devices: Devices,
  threshold: number,
  eventMargin: number,
  eventsPerMs?: number,
): AnomalyEvent[] {
  const tracker = createEventTracker({ ...policy, ...(eventsPerMs !== undefined && { eventsPerMs }) });
  const events: AnomalyEvent[] = [];
  const records = Math.max(...Object.values(devices).map(({ length }) => length));
  for (let i = 0; i < records; i++)
    for (const [key, surprises] of Object.entries(devices)) {
      const surprise = surprises[i];
      if (surprise === undefined) continue;
      tracker.hear(key, began + intervalMs * i, undefined);
      events.push(
        ...tracker.observe(detection(key, i, surprise, threshold), {
          margin: eventMargin,
          lasting: Infinity,
        }),
      );
    }
  return events.filter(({ status }) => status === 'open');
}

/** Those that the minutes of a detector with another threshold suppose. */
function supposed(
  devices: Devices,
  threshold: number,
  eventMargin: number,
  eventsPerMs?: number,
): SupposedEvent[] {
  const kept = Object.entries(devices).map(([key, surprises]) => {
    const recent = createRecentRecords(60, 0);
    const minutes = createScoreMinutes(1440);
    surprises.forEach((surprise, i) => {
      const timestamp = began + intervalMs * i;
      // Whatever the threshold was.
      recent.add(timestamp, surprise, 5, surprise, () => undefined);
      minutes.add({ timestamp, surprise, threshold: 5, aboveBaseline: surprise, anomalous: false }, () =>
        recent.opening(policy.openRecords, policy.openWindow),
      );
    });
    return { key, partition: 0, minutes };
  });
  const eventBar = { margin: eventMargin, lasting: Infinity };
  const rules = { ...policy, threshold, eventBar, ...(eventsPerMs !== undefined && { eventsPerMs }) };
  const supposition = createSupposition(kept, rules);
  const newest =
    (intervalMs * (Math.max(...Object.values(devices).map(({ length }) => length)) - 1)) / minuteMs;
  for (let minute = 0; minute <= newest; minute++) supposition.minute(began / minuteMs + minute);
  return supposition.events();
}

/** Normal records, with faults of 4 to 30 records at least 40 records apart. */
function withFaults(seed: number): number[] {
  const uniform = seededUniform(seed);
  const surprises: number[] = [];
  while (surprises.length < 4000) {
    const quiet = 40 + Math.floor(200 * uniform());
    for (let i = 0; i < quiet; i++) surprises.push(-Math.log10(1 - 0.999 * uniform()) / 3);
    const [size, length] = [1 + 5 * uniform(), 4 + Math.floor(26 * uniform())];
    for (let i = 0; i < length; i++) surprises.push(size + uniform());
  }
  return surprises;
}

const opened = (events: readonly SupposedEvent[]): SupposedEvent[] =>
  events.filter(({ status }) => status !== 'held_back');
/** Device and minute in which it opened. */
const namesOf = (events: readonly { key: string; start: number; openedAt?: number }[]): string[] =>
  events.map(({ key, start, openedAt = start }) => `${key} ${Math.floor(openedAt / minuteMs)}`).sort();

test.each([1.5, 2.5, 3, 4.25, 5.5])(
  'from the minutes follow the events that the daemon would have opened at %d',
  (threshold) => {
    const devices = { a: withFaults(1), b: withFaults(2), c: withFaults(3) };
    const expected = real(devices, threshold, 0);
    expect(expected.length).toBeGreaterThan(5);
    expect(namesOf(opened(supposed(devices, threshold, 0)))).toEqual(namesOf(expected));
  },
);

test('the margin and the budget hold back what the daemon would have held back', () => {
  const devices = { a: withFaults(4), b: withFaults(5) };
  const perMs = 4 / 86_400_000;
  const all = real(devices, 2, 0);
  const expected = real(devices, 2, 0.5, perMs);
  expect(expected.length).toBeLessThan(all.length);
  const events = supposed(devices, 2, 0.5, perMs);
  // Surprises are kept to a hundredth of a decade, so that a bar may be passed by one more or one less.
  expect(Math.abs(opened(events).length - expected.length)).toBeLessThanOrEqual(1);
  expect(events.some(({ status }) => status === 'held_back')).toBe(true);
});

test('a violated limit is outside the budget', () => {
  const fault = [...Array<number>(30).fill(0), ...Array<number>(5).fill(300), ...Array<number>(30).fill(0)];
  const devices = { a: Array.from({ length: 20 }, () => fault).flat() };
  expect(opened(supposed(devices, 3, 0, 1e-12))).toHaveLength(20);
});

test('single records open nothing, and an event that goes on is open', () => {
  expect(supposed({ a: [0, 9, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9] }, 3, 0)).toEqual([]);
  expect(supposed({ a: [0, 0, 4, 4, 6, 4, 4, 4, 4, 4] }, 3, 0)).toEqual([
    { key: 'a', status: 'open', start: began, end: began + minuteMs, peakSurprise: 6 },
  ]);
});

test('a device that sends nothing for longer than the silence ends its event', () => {
  const events = supposed({ a: [5, 5, 5], b: Array<number>(600).fill(0) }, 3, 0);
  expect(events).toEqual([{ key: 'a', status: 'closed', start: began, end: began, peakSurprise: 5 }]);
});
