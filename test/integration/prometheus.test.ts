import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createMetrics } from '../../src/metrics';
import type { DetectorMetrics } from '../../src/metrics';
import { createWebServer } from '../../src/web/server';
import type { WebServer } from '../../src/web/server';
import { hasPrometheus, startPrometheus, until } from './prometheus-server';
import type { PrometheusServer } from './prometheus-server';

jest.setTimeout(90_000);

const root = path.join(__dirname, '../..');
const deployed = path.join(root, 'deploy/prometheus');

interface Dashboard {
  templating: { list: { name: string; definition?: string }[] };
  annotations: { list: { expr: string }[] };
  panels: { type: string; title: string; targets?: { expr: string; instant?: boolean }[] }[];
}
const dashboard = JSON.parse(
  readFileSync(path.join(root, 'deploy/grafana/dashboards/vaemon.json'), 'utf8'),
) as Dashboard;
const queries = dashboard.panels.flatMap(({ title, targets }) =>
  (targets ?? []).map(({ expr, instant }) => ({ title, expr, instant: instant === true })),
);

/** As Grafana would, for one detector and a short look back. */
function filledIn(expression: string): string {
  return expression.replaceAll('$detector', 'pump').replaceAll('$__rate_interval', '5s');
}

function promtool(args: readonly string[], input = ''): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { code: status, output: stdout + stderr };
}

/** What a busy detector does in a tenth of a second. */
function live(pump: DetectorMetrics, round: number): void {
  const surprises = Float64Array.from({ length: 50 }, (_, i) => -Math.log10((i + 1) / 51));
  surprises[0] = 4.5;
  pump.consumed('sensors', 54);
  pump.scored(surprises, 50, 3);
  pump.warming(1);
  pump.refilled(1);
  pump.rejected('not_json', 2);
  pump.unknownConditions(1);
  pump.lag('sensors', round % 3, round);
  pump.eventsOpened(1);
  pump.eventsOpen(1);
  pump.windowKeys(4);
  for (const stage of ['decode', 'score', 'sink', 'total'] as const) pump.batchDuration(stage, 0.003);
  if (round % 10 !== 0) return;
  pump.modelLoaded(`v${round / 10}`, Date.now() - 60_000);
  pump.trainingStarted();
  pump.trainingEnded(round % 20 === 0 ? 'ok' : 'failed', 12);
}

// Counted as skipped where they are not installed; .ci/run installs them.
const withPrometheus = hasPrometheus() ? describe : describe.skip;

withPrometheus('what is deployed with Prometheus', () => {
  test('the alert rules are well-formed', () => {
    expect(
      promtool(['check', 'rules', '--lint=all', '--lint-fatal', `${deployed}/vaemon.rules.yml`]),
    ).toMatchObject({
      code: 0,
    });
  });

  test('each alert fires where it should and not where it should not', () => {
    const { code, output } = promtool(['test', 'rules', `${deployed}/vaemon.rules.test.yml`]);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('SUCCESS') });
  });

  test('each alert has a test where it fires and one where it does not', () => {
    const names = (file: string, pattern: RegExp) =>
      [...readFileSync(`${deployed}/${file}`, 'utf8').matchAll(pattern)].map(([, name]) => name!);
    const rules = names('vaemon.rules.yml', /- alert: (\w+)/g);
    const silent = names('vaemon.rules.test.yml', /\{ alertname: (\w+), eval_time: \w+ \}/g);
    const firing = names('vaemon.rules.test.yml', /- alertname: (\w+)\n/g);
    expect(new Set(firing)).toEqual(new Set(rules));
    expect(new Set(silent)).toEqual(new Set(rules));
  });

  test('the configuration is well-formed', () => {
    expect(promtool(['check', 'config', `${deployed}/prometheus.yml`])).toMatchObject({ code: 0 });
  });

  test('a rule that asks for a metric we do not have is found', () => {
    const declared = createMetrics({ version: '0', engine: 'cpu', process: false }).describe();
    const known = new Set(declared.map(({ name }) => name));
    const texts = [readFileSync(`${deployed}/vaemon.rules.yml`, 'utf8'), ...queries.map(({ expr }) => expr)];
    const used = texts.flatMap((text) => text.match(/\bvaemon_[a-z_]+/g) ?? []);
    const unknown = used.filter(
      (name) => !known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, '')),
    );
    expect(used.length).toBeGreaterThan(40);
    expect(unknown).toEqual([]);
  });
});

withPrometheus('a Prometheus that scrapes vaemon', () => {
  let web: WebServer;
  let prometheus: PrometheusServer;
  let timer: NodeJS.Timeout;

  beforeAll(async () => {
    const metrics = createMetrics({ version: '1.2.3', engine: 'cpu' });
    const pump = metrics.forDetector('pump', { topics: ['sensors'], sinks: ['kafka', 'log'] });
    pump.ready(true);
    pump.falseAlarmTarget(0.001);
    let round = 0;
    timer = setInterval(() => live(pump, round++), 100);
    web = await createWebServer({
      host: '127.0.0.1',
      port: 0,
      metrics,
      health: () => ({ ok: true, details: {} }),
      readiness: () => ({ ready: true, detectors: [] }),
    });
    prometheus = await startPrometheus(`127.0.0.1:${web.address.port}`);
    await until(
      async () => (await prometheus.query('count_over_time(vaemon_ready[1m]) > 10')).length > 0,
      40_000,
    );
  });

  afterAll(async () => {
    clearInterval(timer);
    // Each of them, even where the other failed to start.
    await Promise.all([
      (prometheus as PrometheusServer | undefined)?.stop(),
      (web as WebServer | undefined)?.close(),
    ]);
  });

  test('its scrapes succeed and are free of lint', async () => {
    expect((await prometheus.query('up{job="vaemon"}')).map(({ value }) => value[1])).toEqual(['1']);
    const text = await (await fetch(`${web.address.url}/metrics`)).text();
    expect(promtool(['check', 'metrics'], text)).toEqual({ code: 0, output: '' });
  });

  test.each(queries)('dashboard, $title: $expr', async ({ expr, instant }) => {
    const query = filledIn(expr);
    expect(query).not.toContain('$');
    const values = instant
      ? (await prometheus.query(query)).map(({ value }) => value[1])
      : (await prometheus.queryRange(query, 10)).flatMap(({ values }) => values.map(([, value]) => value));
    expect(values.filter((value) => Number.isFinite(Number(value))).length).toBeGreaterThan(0);
  });

  test('the dashboard’s variable has the detector', async () => {
    const definition = dashboard.templating.list.find(({ name }) => name === 'detector')?.definition;
    expect(definition).toBe('label_values(vaemon_ready, detector)');
    const values = await prometheus.api('label/detector/values', { 'match[]': 'vaemon_ready' });
    expect(values).toEqual(['pump']);
  });

  test('the dashboard’s annotations mark a new model', async () => {
    const marks = await prometheus.query(filledIn(dashboard.annotations.list[0]!.expr));
    expect(marks.map(({ metric }) => metric['detector'])).toEqual(['pump']);
  });

  test('the rules are loaded without an error, and an open event raises the alert', async () => {
    interface Rules {
      groups: { rules: { name: string; health: string; lastError?: string }[] }[];
    }
    const { groups } = await prometheus.api<Rules>('rules');
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(10);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    await until(async () => (await firing()).includes('VaemonAnomaly'));
    expect(await firing()).not.toContain('VaemonDown');
  });

  async function firing(): Promise<string[]> {
    const alerts = await prometheus.query('ALERTS{alertstate="firing"}');
    return alerts.map(({ metric }) => metric['alertname']!);
  }
});
