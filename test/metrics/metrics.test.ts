import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { metricsDocument } from '../../scripts/metrics-document';
import { rejectReasons } from '../../src/errors';
import { eventMetrics } from '../../src/metrics/events';
import { createMetrics, detectorMetrics } from '../../src/metrics/metrics';
import type { DetectorMetrics, Metrics } from '../../src/metrics/metrics';
import { modelMetrics } from '../../src/metrics/model';
import { openEventMetrics } from '../../src/metrics/open-events';
import { processingMetrics } from '../../src/metrics/processing';
import { recordMetrics } from '../../src/metrics/records';
import { sourceMetrics } from '../../src/metrics/source';

const bounds = { topics: ['sensors'], sinks: ['kafka', 'log', 'webhook'], notifiers: ['webhook'] };

function create(now?: () => number): { metrics: Metrics; pump: DetectorMetrics } {
  const metrics = createMetrics({ version: '1.2.3', engine: 'cpu', process: false, ...(now && { now }) });
  return { metrics, pump: metrics.forDetector('pump', bounds) };
}

/** The samples of one scrape: series as written in the text → value. */
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
  const all = create().metrics.describe();

  test.each(all)('$name has a help text that is a sentence', ({ help }) => {
    expect(help).toMatch(/^[A-Z].{20,}\.$/s);
  });

  test.each(all)('$name ends with its unit, or with _total if it is a counter', ({ name, type }) => {
    expect(/_total$/.test(name)).toBe(type === 'counter');
    expect(name).toMatch(/^vaemon(_[a-z]+)+$/);
    expect(name).not.toMatch(
      /_(ms|millis|milliseconds|minutes|bytes_total_bytes|percent|count|sum|bucket)(_|$)/,
    );
    if (/duration|age|timestamp/.test(name)) expect(name).toMatch(/_seconds$/);
    if (name.includes('lag')) expect(name).toMatch(/_records$/);
  });

  test.each(all)('$name has only labels whose values are bounded', ({ name, labels }) => {
    const allowed = ['detector', 'model', 'stage', 'sink', 'reason', 'topic', 'result', 'kind'];
    if (name === 'vaemon_build_info') allowed.push('version', 'engine', 'node');
    if (name.startsWith('vaemon_event_')) allowed.push('key', 'channel');
    expect(allowed).toEqual(expect.arrayContaining(labels.map((label) => label.name)));
  });

  test('each name is declared once', () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    expect(all.length).toBeGreaterThan(25);
  });

  test('no two groups of metrics have a method of the same name', () => {
    const groups = [
      recordMetrics,
      sourceMetrics,
      eventMetrics,
      openEventMetrics,
      processingMetrics,
      modelMetrics,
    ];
    const methods = ['ready', ...groups.flatMap((group) => Object.keys(group))];
    expect(methods.sort()).toEqual(Object.keys(detectorMetrics).sort());
  });

  test('docs/metrics.md is generated from them', () => {
    const file = path.join(__dirname, '../../docs/metrics.md');
    const document = metricsDocument(all);
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, document);
    expect(existsSync(file) ? readFileSync(file, 'utf8') : '').toBe(document);
  });
});

describe('before the first record', () => {
  test('every counter of a detector exists with 0', async () => {
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
    expect(samples.get('vaemon_sink_errors_total{detector="pump",sink="log"}')).toBe(0);
    expect(samples.get('vaemon_surprise_count{detector="pump"}')).toBe(0);
  });

  test('a gauge without a value has no series', async () => {
    const text = await create().metrics.text();
    for (const name of ['alarm_ratio', 'model_age_seconds', 'model_info', 'consumer_lag_records']) {
      expect(text).toContain(`# HELP vaemon_${name} `);
      expect(text).not.toContain(`\nvaemon_${name}{`);
    }
  });

  test('the labels of vaemon_build_info are the versions in use', async () => {
    const series = `vaemon_build_info{version="1.2.3",engine="cpu",node="${process.versions.node}"}`;
    expect((await scrape(create().metrics)).get(series)).toBe(1);
  });
});

describe('createMetrics', () => {
  test('two instances share nothing', async () => {
    const a = create();
    const b = create();
    a.pump.consumed('sensors', 5);
    expect(
      (await scrape(b.metrics)).get('vaemon_records_consumed_total{detector="pump",topic="sensors"}'),
    ).toBe(0);
  });

  test('a detector that is started again has the same metrics', async () => {
    const { metrics, pump } = create();
    pump.consumed('sensors', 5);
    metrics.forDetector('pump', bounds).consumed('sensors', 2);
    expect(
      (await scrape(metrics)).get('vaemon_records_consumed_total{detector="pump",topic="sensors"}'),
    ).toBe(7);
  });

  test('the metrics of the process cover CPU and event loop, and only its counters end in _total', async () => {
    const metrics = createMetrics({ version: '1.2.3', engine: 'cpu' });
    const text = await metrics.text();
    expect(text).toContain('\nprocess_cpu_seconds_total ');
    expect(text).toContain('\nnodejs_eventloop_lag_p99_seconds ');
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    expect(types.length).toBeGreaterThan(60);
    for (const [, name, type] of types) {
      expect({ name, total: name!.endsWith('_total') }).toEqual({ name, total: type === 'counter' });
    }
  });

  test('concurrent scrapes return the same text, with `_total` in place', async () => {
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
  test('each record of a batch is counted by its result', async () => {
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
    expect(samples.get('vaemon_records_window_not_full_total{detector="pump"}')).toBe(4);
    expect(samples.get('vaemon_records_warm_up_total{detector="pump"}')).toBe(2);
    expect(samples.get('vaemon_records_rejected_total{detector="pump",reason="not_json"}')).toBe(1);
    expect(samples.get('vaemon_records_rejected_total{detector="pump",reason="empty"}')).toBe(2);
    expect(samples.get('vaemon_unknown_conditions_total{detector="pump"}')).toBe(3);
  });

  test('the alarm ratio covers the last 10,000 records', async () => {
    const { metrics, pump } = create();
    pump.scored(Float64Array.of(9, 0, 0, 0), 4, 3);
    expect((await scrape(metrics)).get('vaemon_alarm_ratio{detector="pump"}')).toBe(0.25);
    pump.scored(new Float64Array(9_999), 9_999, 3);
    pump.scored(Float64Array.of(9), 1, 3);
    expect((await scrape(metrics)).get('vaemon_alarm_ratio{detector="pump"}')).toBe(0.0001);
  });

  test('lag is summed over the assigned partitions', async () => {
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

  test('detection power is that of the training until live records have one; a version without it has no series', async () => {
    const { metrics, pump } = create();
    const power = async (name: string, kind: string) =>
      (await scrape(metrics)).get(`vaemon_detection_power_${name}{detector="pump",kind="${kind}"}`);
    pump.detectionPower.trained({ shift: 0.8, spike: 0.6 });
    expect(await power('ratio', 'shift')).toBe(0.8);
    pump.detectionPower.live({ shift: 0.1 });
    expect([await power('ratio', 'shift'), await power('trained_ratio', 'shift')]).toEqual([0.1, 0.8]);
    expect(await power('ratio', 'spike')).toBe(0.6);
    expect(await power('ratio', 'blur')).toBeUndefined();
    pump.detectionPower.trained();
    expect([await power('ratio', 'shift'), await power('trained_ratio', 'shift')]).toEqual([
      undefined,
      undefined,
    ]);
  });

  test('only the model version in use has a series; the first version is not a swap', async () => {
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

  test('the age of a model from the future is 0', async () => {
    const { metrics, pump } = create(() => 1_000);
    pump.modelLoaded('v1', 2_000);
    expect((await scrape(metrics)).get('vaemon_model_age_seconds{detector="pump"}')).toBe(0);
  });

  test('a training runs and ends with a result and a duration', async () => {
    const { metrics, pump } = create();
    pump.training.trainingStarted();
    expect((await scrape(metrics)).get('vaemon_training_running{detector="pump"}')).toBe(1);
    pump.training.trainingEnded('killed', 42);
    const samples = await scrape(metrics);
    expect(samples.get('vaemon_training_running{detector="pump"}')).toBe(0);
    expect(samples.get('vaemon_trainings_total{detector="pump",result="killed"}')).toBe(1);
    expect(samples.get('vaemon_trainings_total{detector="pump",result="ok"}')).toBe(0);
    expect(samples.get('vaemon_training_duration_seconds_sum{detector="pump"}')).toBe(42);
  });

  test('each of the other methods records the metric of its name', async () => {
    const { metrics, pump } = create();
    pump.ready(true);
    pump.eventsOpened(2);
    pump.eventsOpen(1);
    pump.falseAlarmTarget(1e-4);
    pump.windowKeys(7);
    pump.batchDuration('score', 0.02);
    pump.sinkError('kafka');
    pump.sourceError();
    pump.sourceGap(12);
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
    expect(samples.get('vaemon_sink_errors_total{detector="pump",sink="kafka"}')).toBe(1);
    expect(samples.get('vaemon_source_errors_total{detector="pump"}')).toBe(1);
    expect(samples.get('vaemon_records_lost_total{detector="pump"}')).toBe(12);
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
