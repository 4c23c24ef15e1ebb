import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { dashboards } from '../scripts/dashboards';
import { daemonSchema } from '../src/config/daemon';
import { readRunbooks, runbooksPath } from '../src/web/runbooks';

const deploy = path.join(__dirname, '../deploy');
const read = (file: string) => readFileSync(path.join(deploy, file), 'utf8');

interface Service {
  volumes?: string[];
  privileged?: boolean;
  ports?: string[];
  mem_limit?: string;
}
const compose = parse(read('compose.yaml')) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const mounts = Object.values(compose.services)
  .flatMap(({ volumes }) => volumes ?? [])
  .map((volume) => volume.split(':') as [string, string, string?]);

describe('the compose file', () => {
  test('mounts files that exist and volumes that are declared', () => {
    expect(mounts.length).toBeGreaterThan(4);
    for (const [from] of mounts) {
      const there = from.startsWith('.') ? existsSync(path.join(deploy, from)) : from in compose.volumes;
      expect({ from, there }).toEqual({ from, there: true });
    }
  });

  test('publishes ports on loopback only and grants no privileges', () => {
    for (const { ports, privileged } of Object.values(compose.services)) {
      expect(ports ?? []).toEqual((ports ?? []).filter((port) => port.startsWith('127.0.0.1:')));
      expect(privileged).toBeUndefined();
    }
  });

  test('runs the service on the default port, which Prometheus scrapes', () => {
    const { scrape_configs } = parse(read('prometheus/prometheus.yml')) as {
      scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
    };
    const port = String(daemonSchema.http.port.default);
    expect(scrape_configs).toEqual([
      { job_name: 'vaemon', static_configs: [{ targets: [`vaemon:${port}`] }] },
    ]);
    expect(compose.services['vaemon']!.ports).toEqual([`127.0.0.1:${port}:${port}`]);
    expect(readFileSync(path.join(deploy, '../Dockerfile'), 'utf8')).toContain(`EXPOSE ${port}\n`);
  });

  test('creates the topics of the configuration, which are retained for longer than trainings read', () => {
    const text = readFileSync(path.join(deploy, '../config/compose/detectors/host.yaml'), 'utf8');
    const topics = [...text.matchAll(/[tT]opic: (\S+)/g)].map(([, topic]) => topic!);
    const created = [...read('compose.yaml').matchAll(/^ +create (\S+) (\d+)$/gm)];
    expect(created.map(([, topic]) => topic)).toEqual(topics);
    const { training } = parse(text) as { training: { history: string } };
    expect(training.history).toBe('24h');
    for (const [, , retention] of created) expect(Number(retention)).toBeGreaterThan(86_400_000);
  });

  test('limits the memory of every service', () => {
    for (const [name, { mem_limit: limit }] of Object.entries(compose.services))
      expect({ name, limit }).toEqual({ name, limit: expect.stringMatching(/^\d+[mg]$/) });
  });

  test('mounts the dashboards into the folder that Grafana reads', () => {
    const { providers } = parse(read('grafana/provisioning/dashboards/vaemon.yaml')) as {
      providers: { options: { path: string } }[];
    };
    expect(mounts).toContainEqual(['./grafana/dashboards', providers[0]!.options.path, 'ro']);
  });
});

describe('the alert rules', () => {
  interface Rule {
    alert: string;
    annotations: Record<string, string>;
  }
  const { groups } = parse(read('prometheus/vaemon.rules.yml')) as { groups: { rules: Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  const page = readFileSync(path.join(deploy, '../docs/runbooks.md'), 'utf8');

  test('each has its own section of the runbooks, and each section its rule', () => {
    const sections = [...page.matchAll(/^### (\w+)$/gm)].map(([, name]) => name!);
    expect(rules.map(({ alert }) => alert).sort()).toEqual([...sections].sort());
    for (const { alert, annotations } of rules)
      expect(annotations).toMatchObject({
        summary: expect.any(String),
        description: expect.any(String),
        runbook_url: `http://localhost:${String(daemonSchema.http.port.default)}/runbooks#${alert.toLowerCase()}`,
      });
  });

  test('the page that the daemon serves has the anchor that each link leads to', () => {
    const served = String(readRunbooks().body);
    const links = rules.map(({ annotations }) => new URL(annotations['runbook_url']!));
    expect(links.length).toBeGreaterThan(20);
    for (const { pathname, hash } of links) {
      expect(pathname).toBe(runbooksPath);
      expect(served).toContain(`<h3 id="${hash.slice(1)}">`);
    }
    expect(served).not.toMatch(/\*\*|\]\(|`/);
  });

  test('each section has its meaning, where to look, the remedy, and when to silence the alert', () => {
    for (const section of page.split(/^### /m).slice(1)) {
      const items = [...section.matchAll(/^- \*\*([^*]+)\*\*: \S/gm)].map(([, item]) => item);
      expect([section.split('\n')[0], ...items]).toEqual([
        section.split('\n')[0],
        'Meaning',
        'Look at',
        'Do',
        'Silence',
      ]);
    }
  });

  test('the metrics, settings and alerts that the runbooks name exist', () => {
    const docs = (name: string) => readFileSync(path.join(deploy, '../docs', name), 'utf8');
    const [metrics, keys] = [docs('metrics.md'), docs('configuration.md')];
    const names = (pattern: RegExp) => [...new Set(page.match(pattern))];
    expect(names(/\bvaemon_[a-z_]+/g).filter((name) => !metrics.includes(`\`${name}\``))).toEqual([]);
    const named = names(/`(?:window|record|sinks|fields|store|training|events|metrics)\.[A-Za-z.]+`/g);
    const settings = named.map((name) => name.slice(1, -1));
    expect(settings.length).toBeGreaterThan(8);
    expect(settings.filter((name) => !keys.includes(`\`${name}`))).toEqual([]);
    const alerts = new Set(rules.map(({ alert }) => alert));
    expect(names(/\bVaemon[A-Z]\w+/g).filter((name) => !alerts.has(name))).toEqual([]);
  });

  test('the dashboards that they link to exist', () => {
    const uids = readdirSync(path.join(deploy, 'grafana/dashboards')).map(
      (file) => (JSON.parse(read(`grafana/dashboards/${file}`)) as { uid: string }).uid,
    );
    const linked = rules.flatMap(({ annotations: { dashboard_url: link } }) =>
      link === undefined ? [] : [link],
    );
    expect(linked.length).toBeGreaterThan(0);
    for (const link of linked) expect(uids).toContain(/\/d\/([\w-]+)\?/.exec(link)![1]);
  });

  test('the links of the runbooks lead to headings that exist', () => {
    for (const [, file, anchor] of page.matchAll(/\]\((\w+\.md)#?([\w-]*)\)/g)) {
      const headings = readFileSync(path.join(deploy, '../docs', file!), 'utf8')
        .split('\n')
        .filter((line) => /^#+ /.test(line))
        .map((line) =>
          line
            .replace(/^#+ /, '')
            .toLowerCase()
            .replaceAll(/[^\w -]/g, '')
            .replaceAll(' ', '-'),
        );
      if (anchor !== '')
        expect({ file, headings }).toEqual({ file, headings: expect.arrayContaining([anchor]) });
    }
  });
});

test('the chart has the same alert rules: UPDATE_DOCS=1 npx jest test/deploy.test.ts', () => {
  const copy = 'helm/vaemon/files/vaemon.rules.yml';
  if (process.env['UPDATE_DOCS'] === '1')
    writeFileSync(path.join(deploy, copy), read('prometheus/vaemon.rules.yml'));
  expect(read(copy)).toBe(read('prometheus/vaemon.rules.yml'));
});

test.each(Object.keys(dashboards))('the chart has the dashboard %s', (file) => {
  const copy = `helm/vaemon/files/dashboards/${path.basename(file)}`;
  const original = `grafana/dashboards/${path.basename(file)}`;
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(path.join(deploy, copy), read(original));
  expect(read(copy)).toBe(read(original));
});

test('the chart has the version of the program', () => {
  const { version } = JSON.parse(readFileSync(path.join(deploy, '../package.json'), 'utf8')) as {
    version: string;
  };
  expect(parse(read('helm/vaemon/Chart.yaml'))).toMatchObject({ version, appVersion: version });
});

describe.each(Object.entries(dashboards))('the dashboard %s', (file, generated) => {
  interface Panel {
    id: number;
    type: string;
    title: string;
    description?: string;
    gridPos: { x: number; y: number; w: number; h: number };
    fieldConfig?: { defaults: { unit?: string } };
    targets?: { refId: string; expr: string; datasource: unknown }[];
  }
  const path_ = `grafana/dashboards/${file}`;
  const { panels, templating } = JSON.parse(JSON.stringify(generated)) as {
    panels: Panel[];
    templating: { list: { name: string }[] };
  };

  test('is what scripts/dashboards.ts makes: UPDATE_DOCS=1 npx jest test/deploy.test.ts, then prettier', () => {
    if (process.env['UPDATE_DOCS'] === '1')
      writeFileSync(path.join(deploy, path_), JSON.stringify(generated, undefined, 2));
    expect(JSON.parse(read(path_))).toEqual(JSON.parse(JSON.stringify(generated)));
  });

  test('has panels with distinct numbers that do not overlap', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
  });

  test('has a query, a description and a unit in every panel that is not a heading', () => {
    for (const { type, title, description = '', fieldConfig, targets } of panels) {
      expect({ title, queries: (targets ?? []).length > 0 }).toEqual({ title, queries: type !== 'row' });
      expect(new Set(targets?.map(({ refId }) => refId)).size).toBe(targets?.length ?? 0);
      if (type === 'row') continue;
      expect(description).not.toBe('');
      expect(fieldConfig!.defaults.unit).toEqual(expect.any(String));
    }
  });

  test('asks the chosen data source, with counters inside a rate, and uses each variable', () => {
    const targets = panels.flatMap((panel) => panel.targets ?? []);
    for (const { expr, datasource } of targets) {
      expect(datasource).toEqual({ type: 'prometheus', uid: '${datasource}' });
      for (const [counter] of expr.matchAll(/\bvaemon_\w+_total\b/g))
        expect(expr).toMatch(new RegExp(`(rate|increase)\\(${counter}`));
    }
    const text = JSON.stringify(generated);
    for (const { name } of templating.list) expect(text).toMatch(new RegExp(`\\$(\\{${name}\\}|${name}\\b)`));
  });
});

test('the folder of dashboards contains no other file', () => {
  expect(readdirSync(path.join(deploy, 'grafana/dashboards')).sort()).toEqual(Object.keys(dashboards).sort());
});
