import type { AnomalyEvent } from '../../src/domain/event';
import { createEventTracker } from '../../src/domain/event';
import { createMetrics } from '../../src/metrics/metrics';
import { eventPolicy } from '../domain/event-policy';
import { createDetection, createEvent } from '../sinks/events';

const bounds = { topics: ['sensors'], sinks: ['kafka', 'log'] };

function create(process = false) {
  const metrics = createMetrics({ version: '1.2.3', engine: 'cpu', process });
  const recorder = metrics.forDetector('plant', bounds).openEvents;
  const openEvents = {
    ended: recorder.ended,
    from: (find: () => readonly AnomalyEvent[], others = 0) =>
      recorder.from(() => ({ listed: find(), others })),
  };
  const scrape = async () =>
    (await metrics.text()).split('\n').filter((line) => /^vaemon_event(s_(open_)?unlisted|_)/.test(line));
  return { metrics, openEvents, scrape };
}

const channel = (name: string, actual: number, expected: number): AnomalyEvent['contributions'] => [
  { channel: name, contribution: 1, surprise: 4, actual, expected, repeats: 0, at: 0, records: 1 },
];

describe('an open event', () => {
  test('has its surprise, the value of its leading channel and the expected one', async () => {
    const { openEvents, scrape } = create();
    openEvents.from(() => [
      createEvent({ key: 'pump-7', peakSurprise: 5.04, contributions: channel('vib', 4.1, 1.8) }),
    ]);
    const labels = '{detector="plant",key="pump-7",channel="vib",kind="anomaly"}';
    expect(await scrape()).toEqual([
      `vaemon_event_open${labels} 5.04`,
      `vaemon_event_value${labels} 4.1`,
      `vaemon_event_expected${labels} 1.8`,
      `vaemon_event_devices${labels} 1`,
      'vaemon_events_open_unlisted{detector="plant"} 0',
      'vaemon_events_unlisted_total{detector="plant"} 0',
    ]);
  });

  test('has no other series when another channel leads, and none when it has ended', async () => {
    const { openEvents, scrape } = create();
    let events = [createEvent({ contributions: channel('vib', 4.1, 1.8) })];
    openEvents.from(() => events);
    await scrape();
    events = [createEvent({ contributions: channel('temp', NaN, 40) })];
    expect((await scrape()).filter((line) => line.includes('channel='))).toEqual([
      expect.stringMatching(/^vaemon_event_open\{.*channel="temp"/),
      expect.stringMatching(/^vaemon_event_expected\{.*channel="temp"/),
      expect.stringMatching(/^vaemon_event_devices\{.*channel="temp"/),
    ]);
    events = [];
    expect(await scrape()).toEqual([
      'vaemon_events_open_unlisted{detector="plant"} 0',
      'vaemon_events_unlisted_total{detector="plant"} 0',
    ]);
  });

  test('of silent devices is one, with their number', async () => {
    const { openEvents, scrape } = create();
    const keys = Array.from({ length: 10_000 }, (_, i) => `d${i}`);
    openEvents.from(() => [
      createEvent({ kind: 'silent', key: 'd0', keys, contributions: [], peakSurprise: 7 }),
    ]);
    const labels = '{detector="plant",key="d0",channel="",kind="silent"}';
    expect(await scrape()).toEqual([
      `vaemon_event_open${labels} 7`,
      `vaemon_event_devices${labels} 10000`,
      'vaemon_events_open_unlisted{detector="plant"} 0',
      'vaemon_events_unlisted_total{detector="plant"} 0',
    ]);
  });

  test('that only violates a limit has the channel of the limit', async () => {
    const { openEvents, scrape } = create();
    const limits = [{ channel: 'vib', limit: 'max' as const, bound: 3, actual: 9 }];
    openEvents.from(() => [createEvent({ contributions: [], limits })]);
    expect((await scrape())[1]).toBe(
      'vaemon_event_value{detector="plant",key="pump-3",channel="vib",kind="anomaly"} 9',
    );
  });

  test('with a long or strange key has a bounded label, and two of them two labels', async () => {
    const { openEvents, scrape } = create();
    const long = `${'x'.repeat(110)}😀${'y'.repeat(20)}`;
    const keys = [`${long}1`, `${long}2`, 'a"b\\c\nd'];
    openEvents.from(() => keys.map((key) => createEvent({ key, id: key })));
    const shown = (await scrape()).filter((line) => line.startsWith('vaemon_event_open'));
    const labels = shown.map((line) => /key="(.*)",channel/.exec(line)![1]!);
    expect(labels[0]).toMatch(/^x{110}…[0-9a-f]{8}$/);
    expect(labels[1]).toMatch(/^x{110}…[0-9a-f]{8}$/);
    expect(labels[0]).not.toBe(labels[1]);
    expect(labels[2]).toBe('a\\"b\\\\c\\nd');
  });
});

test('an event that ends without having been in a scrape is counted, and one that was is not', async () => {
  const { openEvents, scrape } = create();
  const [listed, short, heldBack] = [
    createEvent({ id: 'listed' }),
    createEvent({ id: 'short', status: 'closed' }),
    createEvent({ id: 'held', status: 'held_back' }),
  ];
  let events = [listed];
  openEvents.from(() => events);
  await scrape();
  events = [];
  const muted = createEvent({ id: 'muted', status: 'closed', muted: true });
  openEvents.from(() => events, 7);
  openEvents.ended([short, heldBack, { ...listed, status: 'closed' }, { ...listed, id: 'new' }, muted]);
  expect(await scrape()).toEqual([
    'vaemon_events_open_unlisted{detector="plant"} 7',
    'vaemon_events_unlisted_total{detector="plant"} 1',
  ]);
});

test('of more open events than can be configured, a scrape has the most surprising ones, and less than 1 MB', async () => {
  const [devices, most] = [1_500, 1_000];
  const tracker = createEventTracker({ ...eventPolicy, openRecords: 1, openWindow: 1 });
  const contributions = ['load', 'current', 'temperature', 'vibration', 'flow'].flatMap((name) =>
    channel(name, 4.123456789, 1.87654321),
  );
  for (let i = 0; i < devices; i++) {
    const key = `plant-north/hall-3/line-12/pump-${i}`;
    const surprise = 3 + (i * 7919) / 100_000;
    tracker.observe(createDetection(i, { key, anomalous: true, surprise, contributions }));
  }
  expect(tracker.open).toBe(devices);

  const { metrics, openEvents } = create(true);
  openEvents.from(() => tracker.openEvents(most));
  const text = await metrics.text();
  const open = text.split('\n').filter((line) => line.startsWith('vaemon_event_open{'));
  expect(open).toHaveLength(most);
  expect(open[0]).toContain(`/pump-${devices - 1}"`);
  expect(Buffer.byteLength(text)).toBeLessThan(1_000_000);
});
