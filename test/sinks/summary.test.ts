import { createSummarySink } from '../../src/sinks/summary';
import type { KnownFault } from '../../src/sources/spec';
import { createDetection, createEvent } from './events';

const hog: KnownFault = { start: 1000, end: 2000, kind: 'cpu_hog', channels: ['cpu'] };
const leak: KnownFault = { start: 5000, end: 6000, kind: 'leak', channels: ['memory'] };

const nothing = { detections: [], events: [], deadLetters: [] };
const opened = (openedAt: number, channel = 'cpu', end = openedAt) =>
  createEvent({
    id: `opened at ${openedAt}`,
    start: openedAt - 100,
    openedAt,
    end,
    contributions: [
      { channel, contribution: 1, actual: 1, expected: 0, surprise: 3, repeats: 0, at: 0, records: 1 },
    ],
  });
const at = (timestamp: number, anomalous: boolean) => createDetection(timestamp, { anomalous });

test('a fault is found by the first event that opened while it lasted', async () => {
  const sink = createSummarySink([hog, leak], 500);
  await sink.write({ ...nothing, events: [opened(1300, 'load1'), opened(1700)] });
  expect(sink.take().faults).toEqual([
    { fault: hog, delayMs: 300, channel: 'load1' },
    { fault: leak, delayMs: undefined, channel: undefined },
  ]);
});

test.each([
  ['ended before the fault', 900, 999],
  ['began in its after-effects', 2101, 2200],
])('an event that %s has not found it', async (_, openedAt, end) => {
  const sink = createSummarySink([hog], 500);
  await sink.write({ ...nothing, events: [opened(openedAt, 'cpu', end)] });
  expect(sink.take().faults).toEqual([{ fault: hog, delayMs: undefined, channel: undefined }]);
});

test('an event that began in a short fault and opened after it has found it', async () => {
  const sink = createSummarySink([hog], 500);
  await sink.write({ ...nothing, events: [opened(2050)] });
  expect(sink.take().faults).toEqual([{ fault: hog, delayMs: 1050, channel: 'cpu' }]);
});

test('an event that is open already and sees the fault, too, has found it at once', async () => {
  const sink = createSummarySink([hog], 500);
  const event = opened(900);
  await sink.write({ ...nothing, events: [event] });
  await sink.write({ ...nothing, events: [{ ...event, end: 1500, status: 'closed' }] });
  expect(sink.take().faults).toEqual([{ fault: hog, delayMs: 0, channel: 'cpu' }]);
});

test('an event counts once, however often it is heard of', async () => {
  const sink = createSummarySink([hog], 500);
  const event = opened(9000);
  await sink.write({ ...nothing, events: [event] });
  await sink.write({ ...nothing, events: [{ ...event, status: 'closed' }] });
  expect(sink.take().falseEvents).toBe(1);
});

test('records of a fault and of its after-effects are neither normal nor false alarms', async () => {
  const sink = createSummarySink([hog], 500);
  const times = [999, 1000, 2000, 2500, 2501];
  await sink.write({ ...nothing, detections: times.map((time) => at(time, true)) });
  await sink.write({ ...nothing, detections: [at(3000, false)] });
  expect(sink.take()).toMatchObject({ records: 6, normalRecords: 3, falseAlarms: 2 });
});

test('an event is false when it overlaps neither a fault nor its after-effects', async () => {
  const sink = createSummarySink([hog], 500);
  // They begin 100 ms before they open.
  await sink.write({
    ...nothing,
    events: [opened(900), opened(1050), opened(2600), opened(2601), opened(9000)],
  });
  expect(sink.take().falseEvents).toBe(3);
});

test('without known faults every alarm is a false one', async () => {
  const sink = createSummarySink([], 500);
  await sink.write({ ...nothing, detections: [at(1, true), at(2, false)], events: [opened(1)] });
  expect(sink.take()).toEqual({ records: 2, normalRecords: 2, falseAlarms: 1, falseEvents: 1, faults: [] });
});

test('taking the summary begins a new one', async () => {
  const sink = createSummarySink([hog], 500);
  await sink.write({ ...nothing, detections: [at(1, true)], events: [opened(1300), opened(9000)] });
  sink.take();
  expect(sink.take()).toEqual({
    records: 0,
    normalRecords: 0,
    falseAlarms: 0,
    falseEvents: 0,
    faults: [{ fault: hog, delayMs: undefined, channel: undefined }],
  });
  await sink.close();
});
