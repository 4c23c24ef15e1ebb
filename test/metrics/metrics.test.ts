import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { metricsDocument } from '../../scripts/metrics-document';
import { rejectReasons } from '../../src/errors';
import { createMetrics } from '../../src/metrics/metrics';
import type { DetectorMetrics, Metrics } from '../../src/metrics/metrics';

const bounds = { topics: ['sensors'], sinks: ['kafka', 'log'] };

function create(now?: () => number): { metrics: Metrics; pump: DetectorMetrics } {
  const metrics = createMetrics({ version: '1.2.3', engine: 'cpu', process: false, ...(now && { now }) });
  return { metrics, pump: metrics.forDetector('pump', bounds) };
}

/** The samples of one scrape: series as it stands in the text → value. */
async function scrape(metrics: Metrics): Promise<Map<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1).replace('Inf', 'Infinity'))];
    }),
  );
}

describe('the declarations', () => {
  const all = create()
    .metrics.describe()
    .filter(({ name }) => name.startsWith('vaemon_'));

  test.each(all)('$name has a help text that is a sentence', ({ help }) => {
    expect(help).toMatch(/^[A-Z].{20,}\.$/s);
  });

  test.each(all)('$name ends as its type and unit ask', ({ name, type }) => {
    expect(/_total$/.test(name)).toBe(type === 'counter');
    expect(name).toMatch(/^vaemon(_[a-z]+)+$/);
    expect(name).not.toMatch(
      /_(ms|millis|milliseconds|minutes|bytes_total_bytes|percent|count|sum|bucket)(_|$)/,
    );
    if (/duration|age|timestamp/.test(name)) expect(name).toMatch(/_seconds$/);
    if (name.includes('lag')) expect(name).toMatch(/_records$/);
  });

  test.each(all)('$name has only labels whose values are bounded', ({ name, labelNames }) => {
    const allowed = ['detector', 'model', 'stage', 'reason', 'topic', 'result'];
    if (name === 'vaemon_build_info') allowed.push('version', 'engine', 'node');
    expect(allowed).toEqual(expect.arrayContaining([...labelNames]));
  });

  test('every name is there once', () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    expect(all.length).toBeGreaterThan(25);
  });

  test('docs/metrics.md says what they say', () => {
    const file = path.join(__dirname, '../../docs/metrics.md');
    const document = metricsDocument(all);
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, document);
    expect(existsSync(file) ? readFileSync(file, 'utf8') : '').toBe(document);
  });

  test('a label without a meaning cannot be documented', () => {
    const metric = { name: 'vaemon_x', type: 'gauge', help: 'X.', labelNames: ['colour'] };
    expect(() => metricsDocument([metric])).toThrow('label "colour" has no meaning');
  });
});

describe('before anything happens', () => {
  test('every counter of a detector is there with 0', async () => {
    const { metrics } = create();
    const samples = await scrape(metrics);
    const counters = metrics.describe().filter(({ type }) => type === 'counter');
    expect(counters.length).toBeGreaterThan(12);
    for (const { name } of counters) {
      const series = [...samples].filter(([key]) => key.startsWith(`${name}{`));
      expect({ name, some: series.length > 0 }).toEqual({ name, some: true });
      expect(series.every(([, value]) => value === 0)).toBe(true);
    }
    for (const reason of rejectReasons) {
      expect(samples.get(`vaemon_records_rejected_total{detector="pump",reason="${reason}"}`)).toBe(0);
    }
    expect(samples.get('vaemon_sink_errors_total{detector="pump",stage="log"}')).toBe(0);
    expect(samples.get('vaemon_surprise_count{detector="pump"}')).toBe(0);
  });

  test('what nobody measured has no series', async () => {
    const text = await create().metrics.text();
    for (const name of ['alarm_ratio', 'model_age_seconds', 'model_info', 'consumer_lag_records']) {
      expect(text).toContain(`# HELP vaemon_${name} `);
      expect(text).not.toContain(`\nvaemon_${name}{`);
    }
  });

  test('the build says what is running', async () => {
    const series = `vaemon_build_info{version="1.2.3",engine="cpu",node="${process.versions.node}"}`;
    expect((await scrape(create().metrics)).get(series)).toBe(1);
  });
});

describe('createMetrics', () => {
  test('two of them share nothing', async () => {
    const a = create();
    const b = create();
    a.pump.consumed('sensors', 5);
    expect(
      (await scrape(b.metrics)).get('vaemon_records_consumed_total{detector="pump",topic="sensors"}'),
    ).toBe(0);
  });

  test('a detector cannot have its metrics twice', () => {
    expect(() => create().metrics.forDetector('pump', bounds)).toThrow(
      'detector "pump" has its metrics already',
    );
  });

  test('with the process come CPU, memory and event loop, none named like another type', async () => {
    const metrics = createMetrics({ version: '1.2.3', engine: 'cpu' });
    const text = await metrics.text();
    expect(text).toContain('\nprocess_cpu_seconds_total ');
    expect(text).toContain('\nnodejs_eventloop_lag_p99_seconds ');
    for (const { name, type } of metrics.describe()) {
      expect({ name, total: name.endsWith('_total') }).toEqual({ name, total: type === 'counter' });
    }
  });

  test('scrapes at the same time give the same text, with `_total` in place', async () => {
    const { metrics } = create();
    const [one, two] = await Promise.all([metrics.text(), metrics.text()]);
    expect(one).toBe(two);
    expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(one).toContain('vaemon_records_scored_total{detector="pump"} 0');
  });

  test('a detector with quotes, backslash and line feed in its name is escaped', async () => {
    const metrics = createMetrics({ version: '1', engine: 'cpu', process: false });
    metrics.forDetector('a"b\\c\nd', { topics: [], sinks: [] }).ready(true);
    expect(await metrics.text()).toContain('vaemon_ready{detector="a\\"b\\\\c\\nd"} 1');
  });
});

describe('the metrics of a detector', () => {
  test('a batch is counted by what became of its records', async () => {
    const { metrics, pump } = create();
    pump.consumed('sensors', 10);
    pump.scored(Float64Array.of(0.2, 3, 4.5, 99), 3, 3);
    pump.windowNotFull(4);
    pump.warmUps(2);
    pump.rejected('not_json');
    pump.rejected('empty', 2);
    pump.unknownConditions(3);
    const samples = await scrape(metrics);
    expect(samples.get('vaemon_records_consumed_total{detector="pump",topic="sensors"}')).toBe(10);
    expect(samples.get('vaemon_records_scored_total{detector="pump"}')).toBe(3);
    expect(samples.get('vaemon_anomalies_total{detector="pump"}')).toBe(2);
    expect(samples.get('vaemon_surprise_count{detector="pump"}')).toBe(3);
    expect(samples.get('vaemon_records_warming_total{detector="pump"}')).toBe(4);
    expect(samples.get('vaemon_records_refilled_total{detector="pump"}')).toBe(2);
    expect(samples.get('vaemon_records_rejected_total{detector="pump",reason="not_json"}')).toBe(1);
    expect(samples.get('vaemon_records_rejected_total{detector="pump",reason="empty"}')).toBe(2);
    expect(samples.get('vaemon_unknown_conditions_total{detector="pump"}')).toBe(3);
  });

  test('the realised alarm ratio looks back on 10,000 records', async () => {
    const { metrics, pump } = create();
    pump.scored(Float64Array.of(9, 0, 0, 0), 4, 3);
    expect((await scrape(metrics)).get('vaemon_alarm_ratio{detector="pump"}')).toBe(0.25);
    pump.scored(new Float64Array(9_999), 9_999, 3);
    pump.scored(Float64Array.of(9), 1, 3);
    expect((await scrape(metrics)).get('vaemon_alarm_ratio{detector="pump"}')).toBe(0.0001);
  });

  test('lag is summed over the partitions and forgotten with them', async () => {
    const { metrics, pump } = create();
    const lag = async () =>
      (await scrape(metrics)).get('vaemon_consumer_lag_records{detector="pump",topic="sensors"}');
    pump.lag('sensors', 0, 100);
    pump.lag('sensors', 1, 20);
    pump.lag('sensors', 0, 50);
    expect(await lag()).toBe(70);
    pump.lag('sensors', 0, undefined);
    expect(await lag()).toBe(20);
    pump.lag('sensors', 1, undefined);
    expect(await lag()).toBeUndefined();
  });

  test('only the model version that scores has a series; the first one is no swap', async () => {
    let now = 1_000_000;
    const { metrics, pump } = create(() => now);
    pump.modelLoaded('v1', 900_000);
    let samples = await scrape(metrics);
    expect(samples.get('vaemon_model_info{detector="pump",model="v1"}')).toBe(1);
    expect(samples.get('vaemon_model_swaps_total{detector="pump"}')).toBe(0);
    expect(samples.get('vaemon_model_age_seconds{detector="pump"}')).toBe(100);

    now += 5_000;
    pump.modelLoaded('v2', 1_004_000);
    pump.modelLoaded('v2', 1_004_000);
    samples = await scrape(metrics);
    expect(samples.has('vaemon_model_info{detector="pump",model="v1"}')).toBe(false);
    expect(samples.get('vaemon_model_info{detector="pump",model="v2"}')).toBe(1);
    expect(samples.get('vaemon_model_swaps_total{detector="pump"}')).toBe(1);
    expect(samples.get('vaemon_model_age_seconds{detector="pump"}')).toBe(1);
    expect(samples.get('vaemon_model_created_timestamp_seconds{detector="pump"}')).toBe(1004);
  });

  test('a model from a clock ahead of ours is not of negative age', async () => {
    const { metrics, pump } = create(() => 1_000);
    pump.modelLoaded('v1', 2_000);
    expect((await scrape(metrics)).get('vaemon_model_age_seconds{detector="pump"}')).toBe(0);
  });

  test('a training runs, ends with a result, and takes its time', async () => {
    const { metrics, pump } = create();
    pump.trainingStarted();
    expect((await scrape(metrics)).get('vaemon_training_running{detector="pump"}')).toBe(1);
    pump.trainingEnded('killed', 42);
    const samples = await scrape(metrics);
    expect(samples.get('vaemon_training_running{detector="pump"}')).toBe(0);
    expect(samples.get('vaemon_trainings_total{detector="pump",result="killed"}')).toBe(1);
    expect(samples.get('vaemon_trainings_total{detector="pump",result="ok"}')).toBe(0);
    expect(samples.get('vaemon_training_duration_seconds_sum{detector="pump"}')).toBe(42);
  });

  test('the rest goes where its name says', async () => {
    const { metrics, pump } = create();
    pump.ready(true);
    pump.eventsOpened(2);
    pump.eventsOpen(1);
    pump.falseAlarmTarget(1e-4);
    pump.windowKeys(7);
    pump.batchDuration('score', 0.02);
    pump.sinkError('kafka');
    pump.sourceError();
    pump.sourceGap(12n);
    pump.sourceConnected(true);
    pump.sourceRestarted('stalled');
    pump.modelLoadFailed('checksum');
    const samples = await scrape(metrics);
    expect(samples.get('vaemon_ready{detector="pump"}')).toBe(1);
    expect(samples.get('vaemon_events_total{detector="pump"}')).toBe(2);
    expect(samples.get('vaemon_events_open{detector="pump"}')).toBe(1);
    expect(samples.get('vaemon_false_alarm_target_ratio{detector="pump"}')).toBe(1e-4);
    expect(samples.get('vaemon_window_keys{detector="pump"}')).toBe(7);
    expect(
      samples.get('vaemon_batch_duration_seconds_bucket{le="0.025",detector="pump",stage="score"}'),
    ).toBe(1);
    expect(samples.get('vaemon_batch_duration_seconds_bucket{le="0.01",detector="pump",stage="score"}')).toBe(
      0,
    );
    expect(samples.get('vaemon_sink_errors_total{detector="pump",stage="kafka"}')).toBe(1);
    expect(samples.get('vaemon_source_errors_total{detector="pump"}')).toBe(1);
    expect(samples.get('vaemon_source_gap_records_total{detector="pump"}')).toBe(12);
    expect(samples.get('vaemon_model_load_failures_total{detector="pump",reason="checksum"}')).toBe(1);
    expect(samples.get('vaemon_source_connected{detector="pump"}')).toBe(1);
    expect(samples.get('vaemon_source_restarts_total{detector="pump",reason="stalled"}')).toBe(1);
    expect(samples.get('vaemon_source_restarts_total{detector="pump",reason="crashed"}')).toBe(0);
    expect(samples.get('vaemon_source_last_fetch_timestamp_seconds{detector="pump"}')).toBeUndefined();
    pump.sourceFetched();
    expect(
      (await scrape(metrics)).get('vaemon_source_last_fetch_timestamp_seconds{detector="pump"}'),
    ).toBeGreaterThan(0);
    let isReady = false;
    pump.ready(() => isReady);
    expect((await scrape(metrics)).get('vaemon_ready{detector="pump"}')).toBe(0);
    isReady = true;
    expect((await scrape(metrics)).get('vaemon_ready{detector="pump"}')).toBe(1);
    pump.ready(false);
    expect((await scrape(metrics)).get('vaemon_ready{detector="pump"}')).toBe(0);
  });
});
