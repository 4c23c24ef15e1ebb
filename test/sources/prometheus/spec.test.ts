import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadSettings } from '../../../src/config/load';
import { ConfigError } from '../../../src/errors';
import { exposedSecrets } from '../../../src/runtime/exposed-secrets';
import { configuredSource } from '../../../src/sources/configured';
import { removeFolders, writeFolder } from '../../config/folder';

afterAll(removeFolders);

const usual = 'url: "http://localhost:9090", queries: { cpu: "rate(cpu[1m])", memory: memory }';

async function load(
  prometheus: string,
  record = 'channels: [cpu, memory]',
  env: Record<string, string> = {},
) {
  const folder = await writeFolder({
    'x.yaml': `detector: x
source: { kind: prometheus, prometheus: { ${prometheus} } }
record: { ${record} }
`,
  });
  const { detectors } = await loadSettings(`${folder}/x.yaml`, { env });
  return detectors[0]!.settings;
}

async function problemsOf(...given: Parameters<typeof load>): Promise<string[]> {
  const error: unknown = await load(...given).catch((reason: unknown) => reason);
  if (!(error instanceof ConfigError)) throw error;
  return error.problems.map(({ key, message }) => `${key}: ${message}`);
}

test('queries are read by name, and have defaults', async () => {
  const { source } = await load(usual);
  expect(source).toMatchObject({
    kind: 'prometheus',
    prometheus: {
      queries: [
        { name: 'cpu', text: 'rate(cpu[1m])' },
        { name: 'memory', text: 'memory' },
      ],
      stepMs: 15_000,
      keyLabels: ['instance'],
      delayMs: 60_000,
      maxPoints: 11_000,
    },
  });
});

test.each([
  ['', undefined, 'source.prometheus.url: is required for a prometheus source'],
  [
    '',
    undefined,
    'source.prometheus.queries: is required for a prometheus source: at least one query of a channel',
  ],
  [
    'queries: { cpu: cpu }',
    undefined,
    'source.prometheus.queries: must have a query for each of record.channels (missing: "memory")',
  ],
  [
    usual,
    'channels: [cpu]',
    'source.prometheus.queries: must name channels of record.channels, or conditions (not "memory")',
  ],
  ['queries: { cpu: "" }', undefined, 'source.prometheus.queries: must be a map such as'],
  ['queries: [cpu]', undefined, 'source.prometheus.queries: must be a map such as'],
  [usual, 'kind: image', 'source.prometheus.queries: has no images: record.kind must be `sensor`'],
  [
    usual,
    'channels: [cpu, memory], format: binary',
    'source.prometheus.queries: has JSON records, but record.format is "binary"',
  ],
  [
    usual,
    'channels: [cpu, memory], conditions: { rack: { kind: category } }',
    'source.prometheus.conditions: must name every condition of record.conditions (missing: "rack")',
  ],
  [
    `${usual}, conditions: [load]`,
    'channels: [cpu, memory], conditions: { load: { kind: number } }',
    'source.prometheus.conditions: of kind number must be queries, not labels ("load")',
  ],
  [`${usual}, step: 10ms`, undefined, 'source.prometheus.step: must be a duration'],
  [
    `${usual}, maxPoints: 11001`,
    undefined,
    'source.prometheus.maxPoints: must be a whole number from 1 to 11000',
  ],
  [
    `${usual}, channelLabel: "a-b"`,
    undefined,
    'source.prometheus.channelLabel: must be the name of a label, or empty',
  ],
  [
    `${usual}, username: me`,
    undefined,
    'source.prometheus.username: needs a password: set VAEMON_PROMETHEUS_PASSWORD, or passwordFile',
  ],
  [
    `${usual}, username: me, tokenFile: t`,
    undefined,
    'source.prometheus.username: must be empty where tokenFile is set',
  ],
  [
    `${usual}, passwordFile: p`,
    undefined,
    'source.prometheus.username: is required where passwordFile is set',
  ],
  [`${usual}, password: p`, undefined, 'source.prometheus.password: is a secret'],
  [
    'url: "https://p", queries: { cpu: cpu, memory: memory }, tls: { cert: c }',
    undefined,
    'source.prometheus.tls.cert: and tls.key must be set together',
  ],
  [
    `${usual}, tls: { ca: c }`,
    undefined,
    'source.prometheus.tls: has no effect for a URL that begins with http://',
  ],
  ['url: "http://me:s3cret@p"', undefined, 'source.prometheus.url: must not contain a user or a password'],
])('%s with %s is refused', async (prometheus, record, message) => {
  expect(await problemsOf(prometheus, record)).toContainEqual(expect.stringContaining(message));
});

test('a label may name the channels', async () => {
  await load('url: "http://p", queries: { sensors: s }, channelLabel: channel');
});

test('a secret for an http URL is named', async () => {
  expect(exposedSecrets(await load(usual.replace('localhost', 'p')))).toEqual([]);
  const url = 'source.prometheus.url';
  expect(exposedSecrets(await load(`${usual.replace('localhost', 'p')}, tokenFile: t`))).toEqual([url]);
  expect(exposedSecrets(await load(`${usual}, tokenFile: t`))).toEqual([]);
});

test('state of other queries is not used', async () => {
  const groupOf = async (prometheus: string) =>
    configuredSource((await load(prometheus)).source).state!.group;
  const group = await groupOf(usual);
  expect(await groupOf(`${usual}, delay: 2m, timeout: 5s`)).toBe(group);
  expect(await groupOf(`${usual}, step: 30s`)).not.toBe(group);
  expect(await groupOf(usual.replace('[1m]', '[2m]'))).not.toBe(group);
});

test.each(['README.md', 'docs/prometheus.md'])(
  'the example of %s is a configuration without problems',
  async (page) => {
    const text = readFileSync(join(__dirname, '../../..', page), 'utf8');
    const example = /```yaml\n((?:#.*\n)?detector: web\n[^`]*)```/.exec(text)![1]!;
    const folder = await writeFolder({ 'web.yaml': example });
    const { detectors } = await loadSettings(`${folder}/web.yaml`, { env: {} });
    expect(detectors[0]!.settings.source.kind).toBe('prometheus');
  },
);
