/** The chart, as Helm renders it: against the schemas of Kubernetes, of the Prometheus Operator and of KEDA. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { loadSettings } from '../../src/config/load';
import { removeFolders, writeFolder } from '../config/folder';

jest.setTimeout(120_000);

const root = path.join(__dirname, '../..');
const chart = path.join(root, 'deploy/helm/vaemon');
const examples = path.join(root, 'deploy/helm/examples');
/** Where .ci/run installs the programs of this test. */
const cache = path.join(root, '.cache');
const models = path.join(cache, 'kubernetes');
const env = {
  ...process.env,
  PATH: [path.join(cache, 'bin'), path.join(cache, 'lint/bin'), process.env['PATH']].join(path.delimiter),
};

function run(file: string, args: readonly string[], input = '', cwd = root) {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8', env, input, cwd });
  return error === undefined
    ? { status, stdout, stderr }
    : { status: null, stdout: '', stderr: error.message };
}

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels: Record<string, string> };
  spec: Record<string, unknown>;
  data?: Record<string, string>;
}

function render(file: string, ...options: string[]) {
  const args = ['template', 'plant', chart, '--kube-version=1.34', `--values=${path.join(examples, file)}`];
  return run('helm', [...args, ...options]);
}

function manifestsOf(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

const custom = /^(monitoring\.coreos\.com|keda\.sh)\//;

/** What the models of custom resources report; empty if all are valid. */
function problemsOfCustom(manifests: readonly Manifest[]): string {
  const check = `
    import { readFileSync } from 'node:fs';
    import * as operator from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
    import * as keda from '@kubernetes-models/keda/keda.sh/v1alpha1';
    for (const one of JSON.parse(readFileSync(0, 'utf8'))) {
      try {
        new { ...operator, ...keda }[one.kind](one).validate();
      } catch (error) {
        console.log(one.kind + ': ' + error.message);
      }
    }`;
  const input = JSON.stringify(manifests.filter(({ apiVersion }) => custom.test(apiVersion)));
  const { stdout, stderr } = run(process.execPath, ['--input-type=module', '-e', check], input, models);
  return stdout + stderr;
}

const hasPrograms =
  run('helm', ['version']).status === 0 &&
  run('kubernetes-validate', ['--version']).status !== null &&
  existsSync(path.join(models, 'node_modules'));
// Counted as skipped where they are not installed; .ci/run installs them.
const withHelm = hasPrograms ? describe : describe.skip;

afterAll(removeFolders);

withHelm.each(readdirSync(examples))('the chart with %s', (file) => {
  const { stdout, stderr } = render(file);
  const manifests = manifestsOf(stdout);
  const one = (kind: string) => manifests.find((manifest) => manifest.kind === kind)!;

  test('is free of lint', () => {
    expect(stderr).toBe('');
    const { status, stdout: report } = run('helm', [
      'lint',
      '--strict',
      chart,
      `--values=${path.join(examples, file)}`,
    ]);
    expect({ status, report }).toEqual({ status: 0, report: expect.stringContaining('0 chart(s) failed') });
  });

  test.each(['1.31', '1.34'])('fits the schemas of Kubernetes %s', (version) => {
    const {
      status,
      stderr: report,
      stdout: rest,
    } = run('kubernetes-validate', ['--kubernetes-version', version, '--strict', '-'], stdout);
    const passed = [...(report + rest).matchAll(/passed for resource/g)].length;
    const known = manifests.filter(({ apiVersion }) => !custom.test(apiVersion)).length;
    expect({ status, passed, report }).toEqual({ status: 0, passed: known, report: expect.any(String) });
    expect(known).toBeGreaterThan(5);
  });

  test('fits the schemas of custom resources', () => {
    expect(problemsOfCustom(manifests)).toBe('');
  });

  test('gives vaemon a configuration without problems', async () => {
    const { data } = one('ConfigMap');
    const files = Object.entries(data!).map(([name, text]) => [
      name.replace(/^detector-/, 'detectors/'),
      text,
    ]);
    const folder = await writeFolder(Object.fromEntries(files) as Record<string, string>);
    const { daemon, detectors } = await loadSettings(folder, { env: {} });
    expect(daemon.store.path).toBe('/var/lib/vaemon');
    expect(daemon.http).toMatchObject({ host: '0.0.0.0', port: 9464 });
    expect(detectors.length).toBeGreaterThan(0);
  });

  test('asks /readyz whether a pod is ready, and /healthz whether it lives', () => {
    const { template } = one('StatefulSet').spec as {
      template: { spec: { containers: Record<string, { httpGet: { path: string } }>[] } };
    };
    const [container] = template.spec.containers;
    const paths = ['startupProbe', 'livenessProbe', 'readinessProbe'].map(
      (name) => container![name]!.httpGet.path,
    );
    expect(paths).toEqual(['/healthz', '/healthz', '/readyz']);
    expect(one('StatefulSet').spec['podManagementPolicy']).toBe('Parallel');
  });
});

withHelm('the chart', () => {
  const fleet = manifestsOf(render('fleet.yaml').stdout);

  test('has the alert rules of deploy/prometheus, with the addresses of the values', () => {
    const file = readFileSync(path.join(root, 'deploy/prometheus/vaemon.rules.yml'), 'utf8');
    const expected = file
      .replaceAll('http://localhost:9464/runbooks', 'https://vaemon.example.com/runbooks')
      .replaceAll('http://localhost:3000', 'https://grafana.example.com');
    expect(fleet.find(({ kind }) => kind === 'PrometheusRule')!.spec).toEqual(parse(expected));
    expect(expected).toContain('https://vaemon.example.com/runbooks');
    expect(expected).toContain('https://grafana.example.com/');
    expect(JSON.stringify(parse(expected))).not.toContain('localhost');
  });

  test('the dashboards are those of deploy/grafana, with the label of the sidecar of Grafana', () => {
    const map = fleet.find(({ metadata }) => metadata.name.endsWith('-dashboards')) as unknown as {
      metadata: { labels: Record<string, string> };
      data: Record<string, string>;
    };
    expect(map.metadata.labels).toMatchObject({ grafana_dashboard: '1' });
    const folder = path.join(__dirname, '../../deploy/grafana/dashboards');
    const wanted = readdirSync(folder).map((name) => [
      name,
      readFileSync(path.join(folder, name), 'utf8').trim(),
    ]);
    expect(map.data).toEqual(Object.fromEntries(wanted));
  });

  test('gives targets the job that the alert rules select', () => {
    const spec = fleet.find(({ kind }) => kind === 'ServiceMonitor')!.spec as { jobLabel: string };
    const service = fleet.find(({ kind }) => kind === 'Service')!;
    expect(service.metadata.labels[spec.jobLabel]).toBe('vaemon');
  });

  test('scales by the lag of the group of each topic', () => {
    const { spec } = fleet.find(({ kind }) => kind === 'ScaledObject')!;
    const triggers = spec['triggers'] as { metadata: Record<string, string> }[];
    expect(triggers.map(({ metadata }) => [metadata['topic'], metadata['consumerGroup']])).toEqual([
      ['compressors', 'vaemon-compressors'],
      ['plant.sensors', 'plant-anomalies'],
    ]);
    const scorers = fleet.find(({ kind }) => kind === 'StatefulSet')!;
    expect(spec['scaleTargetRef']).toEqual({ kind: 'StatefulSet', name: scorers.metadata.name });
    expect(scorers.spec).not.toHaveProperty('replicas');
  });

  test('opens the ports of the brokers, and no other', () => {
    const { spec } = fleet.find(({ kind }) => kind === 'NetworkPolicy')!;
    const [{ ports }] = spec['egress'] as [{ ports: { port: number }[] }];
    expect(ports.map(({ port }) => port)).toEqual([53, 53, 9093]);
  });

  test('is found invalid where a custom resource is', () => {
    const scaled = fleet.find(({ kind }) => kind === 'ScaledObject')!;
    expect(problemsOfCustom([{ ...scaled, spec: { ...scaled.spec, maxReplicaCount: 'six' } }])).toContain(
      'maxReplicaCount',
    );
  });

  test.each([
    ['fleet.yaml', 'keda.minReplicas=9', 'keda.minReplicas: 9 is more than keda.maxReplicas (6)'],
    [
      'fleet.yaml',
      'store.accessMode=ReadWriteOnce',
      'allows one pod, but there are up to 7 that share the store',
    ],
    ['fleet.yaml', 'daemon.shutdownTimeout=1m', 'must be longer than daemon.shutdownTimeout (1m)'],
    ['fleet.yaml', 'daemon.role=all', 'daemon: leave out role'],
    ['fleet.yaml', 'detectors.plant.detector=pumps', 'the detector is called plant'],
    [
      'fleet.yaml',
      'detectors.plant.source.kafka.brokers=',
      'detectors.plant.source.kafka.brokers: is required',
    ],
    [
      'fleet.yaml',
      'detectors.plant.source.kind=mqtt',
      "at '/detectors/plant/source/kind': value must be one of",
    ],
    ['fleet.yaml', 'keda.lagThreshold=many', "at '/keda/lagThreshold': got string, want integer"],
    ['single.yaml', 'scorers.replicas=0', "at '/scorers/replicas': minimum: got 0, want 1"],
    ['single.yaml', 'scorers.replica=2', "at '/scorers': additional properties 'replica' not allowed"],
    [
      'single.yaml',
      'scorers.resources.limits.memory=2GB',
      "at '/scorers/resources/limits/memory': '2GB' does not match",
    ],
    ['single.yaml', 'image.digest=sha256:1', "at '/image/digest'"],
    ['single.yaml', 'detectors=null', 'detectors: name at least one'],
    ['prometheus.yaml', 'scorers.replicas=2', 'store.accessMode: ReadWriteOnce allows one pod'],
    [
      'prometheus.yaml',
      'scorers.replicas=2,store.accessMode=ReadWriteMany',
      'has no partitions, so each of the 2 scorers would score every record',
    ],
  ])('%s with %s is refused', (file, values, message) => {
    const { status, stderr } = render(file, `--set=${values}`);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(message) });
  });
});

(hasPrograms ? test : test.skip)(
  'the command of docs/kubernetes.md names a chart and values that render',
  () => {
    const page = readFileSync(path.join(root, 'docs/kubernetes.md'), 'utf8');
    const [, args] = /^helm install (.*)$/m.exec(page)!;
    // Without a cluster, what would be installed is rendered.
    const { status, stderr } = run('helm', ['template', '--kube-version=1.34', ...args!.split(' ')]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  },
);
