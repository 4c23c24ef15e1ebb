import type { AnomalyEvent } from '../../../src/domain/event';
import { createAlertmanagerSink } from '../../../src/sinks/alertmanager/alertmanager';
import { RefusedError } from '../../../src/sinks/notification/endpoint';
import { createRecordedLog } from '../../runtime/recorded-log';
import { createEvent } from '../events';
import { createCounts, createSimulatedTiming, settle } from '../notification/simulated';

interface Posted {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
}

const minuteMs = 60_000;
const start = Date.UTC(2026, 0, 1);

/** An Alertmanager that keeps the newest of each alert, and what it notified of. */
function create(
  options: {
    maxAlerts?: number;
    urls?: string[];
    repeatMs?: number;
    passes?: (event: AnomalyEvent) => boolean;
  } = {},
) {
  const { timing, advance } = createSimulatedTiming(start);
  const { counted, counts } = createCounts();
  const log = createRecordedLog();
  const requests: { host: string; alerts: Posted[]; at: number }[] = [];
  let answer: (host: string, alerts: Posted[]) => Error | undefined = () => undefined;
  let open: AnomalyEvent[] = [];
  const sink = createAlertmanagerSink({
    settings: {
      urls: options.urls ?? ['http://am:9093'],
      repeatMs: options.repeatMs ?? minuteMs,
      minFiringMs: 5 * minuteMs,
      maxAlerts: options.maxAlerts ?? 100,
      labels: ['team=pumps'],
      links: {
        page: '',
        dashboard: 'https://g/d/vaemon-device',
        runbook: 'https://r/runbooks.md#vaemonanomaly',
      },
      headersFile: '',
      clientCert: '',
      clientKey: '',
      ca: '',
      timeoutMs: 1_000,
    },
    passes: options.passes ?? (() => true),
    openEvents: (limit) => open.slice(0, limit),
    counts,
    log,
    timing,
    async post(url, body) {
      await Promise.resolve();
      const alerts = JSON.parse(body) as Posted[];
      const error = answer(url.host, alerts);
      if (error !== undefined) throw error;
      expect(url.pathname).toBe('/api/v2/alerts');
      requests.push({ host: url.host, alerts, at: timing.now() });
    },
  });
  const write = (...events: AnomalyEvent[]) => sink.write({ detections: [], events, deadLetters: [] });
  /** Whether the alert of a device fires at Alertmanager now. */
  const fires = (key: string, host = 'am:9093') => {
    const alerts = requests.filter((one) => one.host === host).flatMap((one) => one.alerts);
    const last = alerts.findLast(({ labels }) => labels['key'] === key);
    return last !== undefined && Date.parse(last.endsAt) > timing.now();
  };
  return {
    sink,
    write,
    fires,
    advance,
    counted,
    log,
    requests,
    now: timing.now,
    sent: () => requests.flatMap(({ alerts }) => alerts),
    answers: (next: typeof answer) => (answer = next),
    set: (events: AnomalyEvent[]) => (open = events),
  };
}

const eventOf = (key: string, given: Partial<AnomalyEvent> = {}) =>
  createEvent({ id: `plant/${key}`, key, ...given });

test('an alert has the labels of the rule, the channel in its annotations, and an end in the future', async () => {
  const { write, sent, sink, now } = create();
  await write(createEvent());
  await settle();
  expect(sent()).toEqual([
    {
      labels: {
        alertname: 'VaemonAnomaly',
        severity: 'warning',
        team: 'pumps',
        detector: 'plant',
        key: 'pump-3',
        kind: 'anomaly',
      },
      annotations: {
        summary: 'pump-3: flow 1.23, expected 0.1',
        description: expect.stringContaining('surprise 7.12, once in 13,000,000 normal records'),
        event_id: createEvent().id,
        dashboard_url: 'https://g/d/vaemon-device?var-detector=plant&var-key=pump-3',
        runbook_url: 'https://r/runbooks.md#vaemonanomaly',
      },
      startsAt: new Date(start).toISOString(),
      endsAt: new Date(now() + 4 * minuteMs).toISOString(),
      generatorURL: 'https://g/d/vaemon-device?var-detector=plant&var-key=pump-3',
    },
  ]);
  await sink.close();
});

test('an open event fires for as long as it is open, and is resolved with it', async () => {
  const { write, advance, fires, requests, counted, set, sink } = create();
  const event = eventOf('pump-1');
  set([event]);
  await write(event);
  for (let minute = 0; minute < 60; minute++) {
    await advance(minuteMs);
    expect(fires('pump-1')).toBe(true);
  }
  expect(requests.length).toBeGreaterThanOrEqual(55);
  expect(requests.length).toBeLessThanOrEqual(62);
  set([]);
  await write({ ...event, status: 'closed', closedBy: 'quiet' });
  await advance(5_000);
  expect(fires('pump-1')).toBe(false);
  const before = requests.length;
  await advance(60 * minuteMs);
  expect(requests.length).toBe(before);
  // Repetitions are no news.
  expect(counted).toEqual({ delivered: 2, dropped: 0, refused: 0, failed: 0, queued: 0 });
  await sink.close();
});

test('an alert that is repeated each second does not expire in between', async () => {
  const { write, advance, fires, set, sink } = create({ repeatMs: 1_000 });
  set([eventOf('pump-1')]);
  await write(eventOf('pump-1'));
  for (let i = 0; i < 100; i++) {
    await advance(500);
    expect(fires('pump-1')).toBe(true);
  }
  await sink.close();
});

test('an event that closes at once fires for five minutes, so that Alertmanager notifies of it', async () => {
  const { write, advance, fires, sink } = create();
  const event = eventOf('pump-1');
  await write(event, { ...event, status: 'closed' });
  await advance(4 * minuteMs);
  expect(fires('pump-1')).toBe(true);
  await advance(2 * minuteMs);
  expect(fires('pump-1')).toBe(false);
  await sink.close();
});

test('another event of a device continues its alert; the late end of the earlier one does not end it', async () => {
  const { write, advance, fires, set, sink } = create();
  const first = eventOf('pump-1', { id: 'first', start: 1_000 });
  const second = eventOf('pump-1', { id: 'second', start: 9_000 });
  set([first]);
  await write(first);
  await advance(10 * minuteMs);
  // Seen before it is written.
  set([second]);
  await advance(minuteMs);
  await write({ ...first, status: 'closed' });
  await write(second);
  await advance(10 * minuteMs);
  expect(fires('pump-1')).toBe(true);
  set([]);
  await write({ ...second, status: 'closed' });
  await advance(minuteMs);
  expect(fires('pump-1')).toBe(false);
  await sink.close();
});

test('an Alertmanager that is away for an hour delays nothing, and then gets what is open and what opened and ended meanwhile', async () => {
  const { write, advance, fires, counted, answers, set, sink, now } = create();
  answers(() => new Error('connect ECONNREFUSED'));
  const [long, short] = [eventOf('long'), eventOf('short')];
  // The clock stands still meanwhile.
  set([long]);
  await write(long, short);
  await write({ ...short, status: 'closed' });
  await advance(60 * minuteMs);
  expect(counted).toMatchObject({ delivered: 0, dropped: 0, queued: 2 });
  expect(counted.failed).toBeGreaterThan(50);
  expect(counted.failed).toBeLessThan(100);
  answers(() => undefined);
  await advance(minuteMs);
  expect([fires('long'), fires('short')]).toEqual([true, true]);
  await advance(6 * minuteMs);
  expect([fires('long'), fires('short')]).toEqual([true, false]);
  expect(counted.queued).toBe(0);
  expect(now()).toBe(start + 67 * minuteMs);
  await sink.close();
});

test('after a restart the open events fire again, and those that another process has now expire', async () => {
  const { advance, fires, set, sink } = create();
  set([eventOf('pump-1')]);
  await advance(10_000);
  expect(fires('pump-1')).toBe(true);
  await advance(10 * minuteMs);
  set([]);
  await advance(10_000);
  expect(fires('pump-1')).toBe(true);
  await advance(5 * minuteMs);
  expect(fires('pump-1')).toBe(false);
  await sink.close();
});

test('a thousand events are sent in batches of 64; those beyond the bound, the least surprising, are counted', async () => {
  const { write, requests, sent, counted, fires, advance, sink, log } = create({ maxAlerts: 500 });
  const events = Array.from({ length: 1_000 }, (_, i) => eventOf(`d${i}`, { peakSurprise: 3 + i / 100 }));
  await write(...events);
  await settle();
  expect(requests.map(({ alerts }) => alerts.length)).toEqual([64, 64, 64, 64, 64, 64, 64, 52]);
  expect(sent()[0]!.labels['key']).toBe('d999');
  expect([fires('d500'), fires('d499')]).toEqual([true, false]);
  expect(counted).toMatchObject({ delivered: 500, dropped: 500, queued: 0 });
  expect(log.entries.map(({ message }) => message)).toContain('alerts dropped: too many events are open');
  await advance(1_000);
  await sink.close();
});

test('an event of a further device whose alert was left out has one as soon as there is room', async () => {
  const { write, advance, fires, set, sink } = create({ maxAlerts: 1 });
  const [high, low] = [eventOf('high', { peakSurprise: 9 }), eventOf('low', { peakSurprise: 5 })];
  set([high, low]);
  await write(high, low);
  await advance(6 * minuteMs);
  expect([fires('high'), fires('low')]).toEqual([true, false]);
  set([low]);
  await write({ ...high, status: 'closed' });
  await advance(minuteMs);
  expect([fires('high'), fires('low')]).toEqual([false, true]);
  await sink.close();
});

test('one alert that Alertmanager refuses does not hold the others of its batch', async () => {
  const { write, counted, fires, answers, advance, sink } = create();
  answers((_, alerts) =>
    alerts.some(({ labels }) => labels['key'] === 'bad') ? new RefusedError('HTTP 400') : undefined,
  );
  await write(eventOf('a'), eventOf('bad'), eventOf('b'));
  await settle();
  expect([fires('a'), fires('bad'), fires('b')]).toEqual([true, false, true]);
  expect(counted).toMatchObject({ delivered: 2, refused: 1, queued: 0 });
  await advance(1_000);
  await sink.close();
});

test('each replica gets every alert, also while another one is away', async () => {
  const { write, advance, fires, answers, set, sink } = create({ urls: ['http://a:1', 'http://b:1'] });
  answers((host) => (host === 'a:1' ? new Error('away') : undefined));
  set([eventOf('pump-1')]);
  await write(eventOf('pump-1'));
  await advance(30 * minuteMs);
  expect([fires('pump-1', 'a:1'), fires('pump-1', 'b:1')]).toEqual([false, true]);
  answers(() => undefined);
  await advance(minuteMs);
  expect([fires('pump-1', 'a:1'), fires('pump-1', 'b:1')]).toEqual([true, true]);
  await sink.close();
});

test('what the filter rejects and what was held back has no alert; an event that fires is resolved whatever the filter', async () => {
  let passes = true;
  const { write, advance, fires, sent, set, sink } = create({ passes: ({ key }) => passes && key !== 'x' });
  set([eventOf('pump-1'), eventOf('x')]);
  await write(eventOf('pump-1'), eventOf('x'), eventOf('held', { status: 'held_back' }));
  await advance(6 * minuteMs);
  expect(new Set(sent().map(({ labels }) => labels['key']))).toEqual(new Set(['pump-1']));
  passes = false;
  set([]);
  await write(eventOf('pump-1', { status: 'closed' }));
  await advance(10_000);
  expect(fires('pump-1')).toBe(false);
  await sink.close();
});

test('a long key has the label that it has in the metrics', async () => {
  const { write, sent, sink } = create();
  await write(eventOf('x'.repeat(1_000)));
  await settle();
  expect(sent()[0]!.labels['key']).toMatch(/^x{111}…[0-9a-f]{8}$/);
  await sink.close();
});

test('ten thousand devices of a gateway are one alert', async () => {
  const { write, sent, sink } = create();
  const keys = Array.from({ length: 10_000 }, (_, i) => `d${i}`);
  await write(eventOf('d0', { kind: 'silent', keys, contributions: [] }));
  await settle();
  expect(sent()).toMatchObject([
    { labels: { key: 'd0', kind: 'silent' }, annotations: { summary: 'd0: silent, 10000 devices in all' } },
  ]);
  await sink.close();
});
