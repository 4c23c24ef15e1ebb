import { randomUUID } from 'node:crypto';
import type { Batch, OffsetStore, Source } from '../../../src/sources/source';
import {
  createPrometheusSource,
  type PrometheusSourceOptions,
  type PrometheusSourceSettings,
} from '../../../src/sources/prometheus/prometheus';
import {
  clientOf,
  createSimulatedClock,
  freeLease,
  sourceSettings,
  startFakePrometheus,
  stopFakes,
  type FakePrometheus,
  type FakeSeries,
} from './fake-prometheus';

const stepMs = 10_000;
const start = Date.UTC(2026, 0, 1);
/** The evaluation time with this number. */
const at = (step: number): number => start + step * stepMs;

/** A device that sends at each step. */
const device = (instance: string, has: (step: number) => boolean = () => true): FakeSeries => ({
  labels: { instance },
  at: (time) => (has((time - start) / stepMs) ? (time - start) / stepMs : undefined),
});

function createOffsets(stored?: bigint): OffsetStore & { stored: bigint | undefined; refuse: boolean } {
  const store = {
    stored,
    refuse: false,
    load: () => Promise.resolve(store.stored),
    save(_: number, offset: bigint) {
      if (store.refuse) return Promise.reject(new Error('disk is full'));
      store.stored = offset;
      return Promise.resolve();
    },
  };
  return store;
}

let prometheus: FakePrometheus;
const running: Source[] = [];
beforeEach(async () => (prometheus = await startFakePrometheus({ cpu: [device('a')] })));
afterEach(async () => {
  await Promise.all(running.splice(0).map((source) => source.stop()));
  await stopFakes();
});

interface Given {
  /** Steps that have passed at the start, and the part of the next one, ms. */
  now?: number;
  offsets?: ReturnType<typeof createOffsets>;
  settings?: Partial<PrometheusSourceSettings>;
  restorePoint?: (liveFrom: bigint) => bigint | undefined;
  timeoutMs?: number;
  acquireLease?: PrometheusSourceOptions['acquireLease'];
}

function startSource({
  now = at(100) + 5_000,
  offsets = createOffsets(),
  settings,
  restorePoint,
  timeoutMs = 5_000,
  acquireLease = freeLease,
}: Given = {}) {
  const clock = createSimulatedClock(now);
  const batches: Batch[] = [];
  const errors: string[] = [];
  const logged: [string, unknown][] = [];
  const lost: bigint[] = [];
  const sink = { refuse: 0 };
  const source = createPrometheusSource({
    settings: { ...sourceSettings, ...settings },
    queryRange: clientOf(prometheus, { timeoutMs }),
    observer: {
      error: ({ message }) => errors.push(message),
      info: () => undefined,
      gap: (missing) => lost.push(missing),
    },
    restorePoints: {
      keepOnly: () => undefined,
      restorePoint: (_, liveFrom) => Promise.resolve(restorePoint?.(liveFrom)),
    },
    offsets,
    acquireLease,
    log: {
      info: (message, fields) => logged.push([message, fields]),
      warn: (message, fields) => logged.push([message, fields]),
    },
    stopTimeoutMs: 1_000,
    clock,
  });
  running.push(source);
  void source.run((batch) => {
    if (sink.refuse > 0) {
      sink.refuse--;
      return Promise.reject(new Error('the sink is full'));
    }
    batches.push(batch);
    return Promise.resolve();
  });
  const messages = () => batches.flatMap((batch) => batch.messages);
  return {
    clock,
    source,
    offsets,
    batches,
    errors,
    logged,
    lost,
    sink,
    /** Numbers of the steps that were delivered, in this order. */
    steps: (of: 'live' | 'warm-up') =>
      messages()
        .filter(({ warmUp }) => warmUp === (of === 'warm-up'))
        .map(({ timestamp }) => (timestamp - start) / stepMs),
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('the first start scores each step once, the delay after its time, and stores how far it is', async () => {
  const { clock, steps, offsets, source, batches } = startSource();
  await clock.goTo(at(101));
  // Steps up to 97 were due at the start.
  expect(steps('live')).toEqual([98]);
  expect(offsets.stored).toBe(BigInt(at(98) + 1));
  await clock.goTo(at(101) + stepMs - 1);
  expect(steps('live')).toEqual([98]);
  await clock.goTo(at(110));
  expect(steps('live')).toEqual(range(98, 107));
  expect(source.ready()).toEqual({ ready: true, reason: '' });
  expect(batches.map(({ assignment }) => assignment !== undefined)).toEqual([
    true,
    ...Array<boolean>(9).fill(false),
  ]);
  expect(batches[1]).toMatchObject({ committed: BigInt(at(98) + 1), next: BigInt(at(99) + 1), lag: 0 });
});

test('a start without state reads what fills the windows; with state it continues after that', async () => {
  const fresh = startSource({ settings: { warmUpMs: 5 * stepMs } });
  await fresh.clock.goTo(at(101));
  expect(fresh.steps('warm-up')).toEqual(range(93, 97));
  expect(fresh.batches[0]!.assignment).toMatchObject({ processedBefore: false, after: undefined });

  const again = startSource({
    offsets: createOffsets(BigInt(at(60) + 1)),
    restorePoint: () => BigInt(at(55)),
    settings: { warmUpMs: 5 * stepMs },
  });
  await again.clock.goTo(at(101));
  expect(again.steps('warm-up')).toEqual(range(56, 60));
  expect(again.steps('live')).toEqual(range(61, 98));
  expect(again.batches[0]!.assignment).toMatchObject({ processedBefore: true, after: BigInt(at(55)) });
});

test('after a long stop every step is scored in order, in requests of a bounded size and batches of whole steps', async () => {
  prometheus.series['cpu'] = [device('a'), device('b'), device('c')];
  const { clock, batches, steps } = startSource({
    now: at(30_000),
    offsets: createOffsets(BigInt(at(0))),
    settings: { maxBatchRecords: 100 },
  });
  await clock.goTo(at(30_000) + 1);
  expect(steps('live')).toEqual(range(0, 29_997).flatMap((step) => [step, step, step]));
  expect(Math.max(...batches.map(({ messages }) => messages.length))).toBe(102);
  const points = prometheus.requests.map(({ start: from, end, step }) => (end - from) / step + 1);
  expect(Math.max(...points)).toBe(11_000);
  expect(batches[0]!.lag).toBe(3 * (29_997 - 33));
});

test('a server that refuses, is slow, breaks off or is away delays the steps, and loses none', async () => {
  const { clock, steps, errors, source, offsets } = startSource({
    offsets: createOffsets(BigInt(at(60))),
    timeoutMs: 300,
  });
  prometheus.refuse(429, 503, 500);
  prometheus.instead.push(
    () => undefined,
    (response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('{"status":');
      setImmediate(() => response.destroy());
    },
    (response) => response.end('{"status":"success","data":{"resultType":"matrix","result":[{'),
  );
  await clock.goTo(at(103));
  // The pauses have passed on the simulated clock.
  expect(errors.map((error) => error.replace(/.*query "cpu": /, ''))).toEqual([
    'HTTP 429 (status 429)',
    'HTTP 503 (status 503)',
    'HTTP 500 (status 500)',
    'no answer within 300 ms',
    expect.stringContaining('aborted'),
    expect.stringContaining('cut off'),
  ]);
  expect(steps('live')).toEqual(range(60, 100));
  await stopFakes();
  await clock.goTo(at(200));
  expect(source.ready()).toMatchObject({ ready: false, reason: expect.stringContaining('ECONNREFUSED') });
  expect(offsets.stored).toBe(BigInt(at(100) + 1));
});

test('a batch that is refused comes again, and no later step before it', async () => {
  const { clock, steps, sink, errors, offsets } = startSource();
  sink.refuse = 3;
  await clock.goTo(at(101));
  expect(offsets.stored).toBe(BigInt(at(97) + 1));
  await clock.goTo(at(105));
  expect(errors).toEqual(Array(3).fill('the sink is full'));
  expect(steps('live')).toEqual(range(98, 102));
});

test('where the position cannot be stored, scoring continues; a restart scores again what is not stored', async () => {
  const { clock, steps, offsets, errors } = startSource();
  await clock.goTo(at(101));
  offsets.refuse = true;
  await clock.goTo(at(103));
  expect(steps('live')).toEqual([98, 99, 100]);
  expect(errors).toEqual(Array(2).fill('the time up to which everything is scored could not be stored'));
  expect(offsets.stored).toBe(BigInt(at(98) + 1));
  offsets.refuse = false;
  await clock.goTo(at(104));
  expect(offsets.stored).toBe(BigInt(at(101) + 1));
});

test('a gap leaves no records, moves on, and is named', async () => {
  prometheus.series['cpu'] = [device('a', (step) => step < 100 || step >= 160)];
  const { clock, steps, source, offsets, logged } = startSource();
  await clock.goTo(at(150));
  expect(steps('live')).toEqual([98, 99]);
  expect(offsets.stored).toBe(BigInt(at(147) + 1));
  expect(source.ready().ready).toBe(true);
  expect(source.ready().reason).toMatch(/^no query has returned a series since 2026-01-01T00:/);
  await clock.goTo(at(170));
  expect(steps('live')).toEqual([98, 99, ...range(160, 167)]);
  expect(source.ready()).toEqual({ ready: true, reason: '' });
  expect(logged.slice(1)).toEqual([
    ['queries returned no series', { queries: ['cpu'] }],
    ['all queries return series again, without warnings', {}],
  ]);
});

test('a sample that is late by less than the delay is scored; later ones are counted as lost, once', async () => {
  let arrivals = 0;
  const clockOf = { now: () => 0 };
  prometheus.series['cpu'] = [
    device('on time'),
    // Sent 20 s after its time.
    { labels: { instance: 'late' }, at: (time) => (time + 20_000 <= clockOf.now() ? 1 : undefined) },
    // Sent 50 s after its time, three records in all.
    {
      labels: { instance: 'too late' },
      at: (time) =>
        time >= at(110) && time < at(113) && time + 50_000 <= clockOf.now() && ++arrivals ? 1 : undefined,
    },
  ];
  const { clock, lost, batches, logged } = startSource();
  clockOf.now = () => clock.now();
  for (let step = 101; step <= 130; step++) await clock.goTo(at(step));
  const keys = batches.flatMap(({ messages }) => messages.map(({ key }) => key!.toString()));
  expect(keys.filter((key) => key === 'late')).toHaveLength(30);
  expect(keys).not.toContain('too late');
  expect(arrivals).toBeGreaterThan(3);
  expect(lost).toEqual([1n, 1n, 1n]);
  expect(logged.filter(([message]) => message.includes('raise source.prometheus.delay'))).toHaveLength(3);
});

test('a query with 20,000 series scores nothing, says so, and holds up nothing for good', async () => {
  prometheus.series['cpu'] = Array.from({ length: 20_000 }, (_, i) => device(`${i}`));
  const { clock, steps, source } = startSource({ offsets: createOffsets(BigInt(at(97))) });
  await clock.goTo(at(101));
  expect(source.ready()).toEqual({
    ready: false,
    reason: expect.stringMatching(
      /query "cpu": 20000 series, more than source.prometheus.maxSeries \(10000\)/,
    ),
  });
  prometheus.series['cpu'] = [device('a')];
  await clock.goTo(at(110));
  expect(steps('live')).toEqual(range(97, 107));
  expect(source.ready().ready).toBe(true);
}, 20_000);

test('many series are read in short ranges', async () => {
  prometheus.series['cpu'] = Array.from({ length: 2_000 }, (_, i) => device(`${i}`));
  const { clock, steps } = startSource({ offsets: createOffsets(BigInt(at(30))) });
  await clock.goTo(at(100) + 5_001);
  expect(new Set(steps('live'))).toEqual(new Set(range(30, 97)));
  expect(steps('live')).toHaveLength(68 * 2_000);
  const points = prometheus.requests.slice(1).map(({ start: from, end, step }) => (end - from) / step + 1);
  expect(Math.max(0, ...points)).toBeLessThanOrEqual(50);
});

test('a position ahead of the clock is reported, and waited for', async () => {
  const { clock, source, steps } = startSource({ offsets: createOffsets(BigInt(at(400))) });
  await clock.goTo(at(200));
  expect(source.ready()).toEqual({
    ready: false,
    reason: `everything up to ${new Date(at(400)).toISOString()} is scored, which the clock has not reached`,
  });
  await clock.goTo(at(403));
  expect(steps('live')).toEqual([400]);
});

test('a time is not scored before the clock of the server says that it is old enough', async () => {
  const { clock, source, steps } = startSource();
  const serverAt = (time: number) =>
    prometheus.instead.push((response) => {
      response.setHeader('date', new Date(time).toUTCString());
      response.end(JSON.stringify({ status: 'success', data: { resultType: 'matrix', result: [] } }));
    });
  serverAt(at(98) + 20_000);
  await clock.goTo(at(101));
  expect(source.ready()).toMatchObject({
    ready: false,
    reason: expect.stringMatching(/^the clock of Prometheus is at 2026-01-01T00:16:40.000Z, /),
  });
  expect(steps('live')).toEqual([]);
  // That of the fake server is far ahead, as any clock of a test run.
  await clock.goTo(at(103));
  expect(steps('live')).toEqual([98, 99, 100]);
});

test('an unreadable position is an error, and nothing is scored', async () => {
  const offsets = createOffsets();
  offsets.load = () => Promise.reject(new Error(`${randomUUID()} is damaged`));
  const { clock, source, batches } = startSource({ offsets });
  await clock.goTo(at(110));
  expect(source.ready()).toMatchObject({ ready: false, reason: expect.stringContaining('is damaged') });
  expect(batches).toEqual([]);
});

test('stop waits for the batch in progress, and stores it', async () => {
  const { clock, source, offsets } = startSource();
  await clock.goTo(at(101));
  await source.stop();
  expect(offsets.stored).toBe(BigInt(at(98) + 1));
  expect(source.ready()).toEqual({ ready: false, reason: 'stopped' });
});

test('while another process scores the detector nothing is scored; after that it continues where the other one ended', async () => {
  const offsets = createOffsets(BigInt(at(90) + 1));
  let isFree = false;
  let released = 0;
  const other = new AbortController();
  const acquireLease = () =>
    isFree
      ? Promise.resolve({
          lost: other.signal,
          release() {
            released++;
            return Promise.resolve();
          },
        })
      : Promise.reject(new Error('process 7 on host scores detector "web"'));
  const { clock, steps, source, errors } = startSource({ offsets, acquireLease });
  await clock.goTo(at(101));
  expect(steps('live')).toEqual([]);
  expect(source.ready()).toEqual({ ready: false, reason: 'process 7 on host scores detector "web"' });
  expect(errors[0]).toMatch(/process 7/);

  offsets.stored = BigInt(at(95) + 1);
  isFree = true;
  await clock.goTo(at(110));
  expect(steps('live')).toEqual(range(96, 107));

  // Another process takes over, scores some steps, and ends.
  isFree = false;
  other.abort();
  await clock.goTo(at(115));
  const after = steps('live').length;
  expect(source.ready().ready).toBe(false);
  expect(after).toBe(range(96, 107).length);
  await source.stop();
  expect(released).toBe(1);
});

test('a server that states when it wants to be asked again is not asked before', async () => {
  const { clock, steps } = startSource({ offsets: createOffsets(BigInt(at(90) + 1)) });
  prometheus.instead.push((response) => response.writeHead(503, { 'retry-after': '40' }).end('{}'));
  await clock.goTo(at(104));
  expect([prometheus.requests.length, steps('live')]).toEqual([1, []]);
  await clock.goTo(at(105));
  expect(steps('live')).toEqual(range(91, 102));
});
