import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { daemonSchema } from '../src/config/daemon';

const deploy = path.join(__dirname, '../deploy');
const read = (file: string) => readFileSync(path.join(deploy, file), 'utf8');

interface Service {
  volumes?: string[];
  privileged?: boolean;
  ports?: string[];
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

  test('creates the topics of the configuration', () => {
    const text = readFileSync(path.join(deploy, '../config/kafka/detectors/plant.yaml'), 'utf8');
    const topics = [...text.matchAll(/[tT]opic: (\S+)/g)].map(([, topic]) => topic!);
    expect(topics).toHaveLength(3);
    for (const topic of topics) expect(read('compose.yaml')).toContain(topic);
  });

  test('mounts the dashboards into the folder that Grafana reads', () => {
    const { providers } = parse(read('grafana/provisioning/dashboards/vaemon.yaml')) as {
      providers: { options: { path: string } }[];
    };
    expect(mounts).toContainEqual(['./grafana/dashboards', providers[0]!.options.path, 'ro']);
  });
});

describe('the dashboard', () => {
  interface Panel {
    id: number;
    type: string;
    title: string;
    gridPos: { x: number; y: number; w: number; h: number };
    targets?: { refId: string }[];
  }
  const { panels } = JSON.parse(read('grafana/dashboards/vaemon.json')) as { panels: Panel[] };

  test('has panels with distinct numbers that do not overlap', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
  });

  test('has a query in every panel that is not a heading', () => {
    for (const { type, title, targets } of panels) {
      expect({ title, queries: (targets ?? []).length > 0 }).toEqual({ title, queries: type !== 'row' });
      expect(new Set(targets?.map(({ refId }) => refId)).size).toBe(targets?.length ?? 0);
    }
  });
});
