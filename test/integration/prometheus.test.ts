import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createMetrics } from '../../src/metrics/metrics';
import { createPump, newFolder, removeFolders, toCsv, writeConfig } from './plant';
import { hasPrometheus, startPrometheus, until } from './prometheus-server';
import type { PrometheusServer } from './prometheus-server';
import { endAllVaemon, startVaemon, type VaemonProcess } from './vaemon-process';

jest.setTimeout(240_000);

const root = path.join(__dirname, '../..');
const deployed = path.join(root, 'deploy/prometheus');

interface Dashboard {
  title: string;
  templating: { list: { name: string; definition?: string }[] };
  annotations: { list: { name: string; expr?: string }[] };
  panels: { type: string; title: string; targets?: { expr: string; instant?: boolean }[] }[];
}
const folder = path.join(root, 'deploy/grafana/dashboards');
const dashboards = readdirSync(folder).map(
  (file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as Dashboard,
);
const queries = dashboards.flatMap(({ title: of, panels }) =>
  panels.flatMap(({ title, targets }) =>
    (targets ?? []).map(({ expr, instant }) => ({ of, title, expr, instant: instant === true })),
  ),
);

/** As Grafana would, for one detector and a short look back. */
function filledIn(expression: string): string {
  return expression
    .replaceAll('$detector', 'plant')
    .replaceAll('$key', 'pump-1')
    .replaceAll('$__rate_interval', '5s')
    .replaceAll('$__range', '1m');
}

function promtool(args: readonly string[], input = ''): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { code: status, output: stdout + stderr };
}

/** A replay with all that a dashboard can show: faults again and again, records that are refused, unknown modes. */
async function startBusyDaemon(): Promise<VaemonProcess> {
  const history = 1500;
  const records = createPump('pump-1', {
    seed: 1,
    count: history + 2000,
    start: Date.UTC(2026, 0, 1),
    disturb: (values, i) => {
      if (i >= history && i % 400 < 200) values[2]! += 20;
    },
  });
  const [header, ...rows] = toCsv(records).trimEnd().split('\n');
  const busy = rows.map((row, i) => {
    if (i < history) return row;
    if (i % 50 === 7) return row.replace(/,[^,]*$/, ',n/a');
    return i % 50 === 8 ? row.replace(/,(idle|busy),/, ',washing,') : row;
  });
  const file = path.join(await newFolder(), 'pump.csv');
  await writeFile(file, [header, ...busy, ''].join('\n'));
  const daemon = startVaemon(['run'], await writeConfig(), {
    'store.path': await newFolder(),
    'source.file.path': file,
    'source.file.columns.conditions': 'mode',
    'source.file.historyRecords': history,
    'source.file.loop': 'true',
    'source.file.rate': 100,
    'training.schedule': '*/3 * * * * *',
    // Nothing listens there.
    'sinks.webhook.url': 'http://127.0.0.1:9/',
  });
  await daemon.ready(60_000);
  return daemon;
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

withPrometheus('a Prometheus that scrapes the daemon', () => {
  let daemon: VaemonProcess;
  let prometheus: PrometheusServer;

  beforeAll(async () => {
    daemon = await startBusyDaemon();
    const { host } = new URL(String(daemon.log('web server listens')[0]!['url']));
    prometheus = await startPrometheus(host);
    // Rates need a few scrapes, and the panels on training a training that ended between two of them.
    await until(
      async () => (await prometheus.query('count_over_time(vaemon_ready[1m]) > 10')).length > 0,
      40_000,
    );
    await until(
      async () => (await prometheus.query('increase(vaemon_model_swaps_total[1m]) > 0')).length > 0,
      40_000,
    );
  }, 150_000);

  afterAll(async () => {
    await (prometheus as PrometheusServer | undefined)?.stop();
    await endAllVaemon();
    await removeFolders();
  });

  test('its scrapes succeed and are free of lint', async () => {
    expect((await prometheus.query('up{job="vaemon"}')).map(({ value }) => value[1])).toEqual(['1']);
    const { body } = await daemon.get('/metrics');
    expect(promtool(['check', 'metrics'], body)).toEqual({ code: 0, output: '' });
  });

  test.each(queries)('$of, $title: $expr', async ({ expr, instant }) => {
    const query = filledIn(expr);
    expect(query).not.toContain('$');
    // An event is open now and then.
    const isOfEvents = /vaemon_event_/.test(query);
    const values =
      instant && !isOfEvents
        ? (await prometheus.query(query)).map(({ value }) => value[1])
        : (await prometheus.queryRange(query, isOfEvents ? 60 : 10)).flatMap((series) =>
            series.values.map(([, value]) => value),
          );
    expect(values.filter((value) => Number.isFinite(Number(value))).length).toBeGreaterThan(0);
  });

  test.each(dashboards)('$title: its variables have values', async ({ templating }) => {
    for (const { name, definition } of templating.list) {
      if (definition === undefined) continue;
      const { metric, label } = /^label_values\((?<metric>.+), (?<label>\w+)\)$/.exec(definition)!.groups!;
      const values = await prometheus.api(`label/${label!}/values`, { 'match[]': filledIn(metric!) });
      expect({ name, values }).toEqual({ name, values: name === 'key' ? ['pump-1'] : ['plant'] });
    }
  });

  test.each(dashboards)('$title: its annotations mark a new model and an event', async ({ annotations }) => {
    const found = new Map<string, unknown>();
    for (const { name, expr } of annotations.list) {
      if (expr === undefined) continue;
      const marks = await prometheus.queryRange(filledIn(expr), 60);
      found.set(name, new Set(marks.map(({ metric }) => metric['detector'])));
    }
    const plant = new Set(['plant']);
    expect(found).toEqual(
      new Map([
        ['New model version', plant],
        ['Events', plant],
      ]),
    );
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
