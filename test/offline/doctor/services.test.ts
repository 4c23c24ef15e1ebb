import { loadSettings } from '../../../src/config/load';
import { examineMemory } from '../../../src/offline/doctor/memory';
import { examineServices } from '../../../src/offline/doctor/services';
import { removeFolders, writeFolder } from '../../config/folder';
import { startServer, stopServers } from '../../system/http-server';

afterEach(stopServers);
afterAll(removeFolders);

async function settingsOf(document: string) {
  const folder = await writeFolder({ 'web.yaml': `detector: web\n${document}` });
  const { detectors } = await loadSettings(`${folder}/web.yaml`, { env: {} });
  return detectors[0]!.settings;
}

/** A Prometheus whose answer depends on the query and the time, Unix s. */
async function prometheus(answer: (query: string, at: number) => unknown[]) {
  return startServer((_, body) => {
    const form = new URLSearchParams(body);
    const result = answer(form.get('query')!, Number(form.get('start')));
    return [200, { status: 'success', data: { resultType: 'matrix', result } }];
  });
}

const detector = (url: string, more = '') => `source:
  kind: prometheus
  prometheus: { url: '${url}', queries: { cpu: cpu_query, memory: memory_query } }
record: { channels: [cpu, memory] }
training: { history: 1d }
${more}`;

const series = (at: number, instance = 'a') => ({ metric: { instance }, values: [[at, '1']] });

test('each query of Prometheus is asked now and at the beginning of the history', async () => {
  const now = Date.now();
  const { url } = await prometheus((query, at) => {
    if (query === 'memory_query') return [];
    return at * 1000 < now - 3_600_000 ? [] : [series(at), series(at, 'b')];
  });
  const findings = await examineServices(await settingsOf(detector(url)), now);
  expect(findings).toMatchObject([
    { level: 'ok', subject: 'query cpu', message: '2 series' },
    {
      level: 'warning',
      subject: 'query cpu',
      message: 'had no series 24 h ago: trainings read less than training.history',
    },
    { level: 'warning', subject: 'query memory', mend: 'correct source.prometheus.queries.memory' },
    { level: 'ok', subject: 'records', message: '2 devices' },
  ]);
});

test('series that make no records are wrong, and so is a server that refuses', async () => {
  const { url } = await prometheus((_, at) => [
    series(at),
    { ...series(at), metric: { instance: 'a', job: 'x' } },
  ]);
  const ambiguous = await examineServices(await settingsOf(detector(url)), Date.now());
  expect(ambiguous.at(-1)).toMatchObject({
    level: 'wrong',
    subject: 'records',
    message: expect.stringMatching(/several series for channel "cpu" of one key/) as string,
  });
  const busy = await startServer(() => [503, 'overloaded']);
  const refused = await examineServices(await settingsOf(detector(busy.url)), Date.now());
  expect(refused).toMatchObject([
    { level: 'wrong', subject: 'query cpu', message: expect.stringMatching(/HTTP 503/) as string },
    { level: 'wrong', subject: 'query memory' },
  ]);
});

test('a receiver of remote writes gets a request without series; others get a connection alone', async () => {
  const bodies: number[] = [];
  const receiver = await startServer((_, body) => {
    bodies.push(body.length);
    return [204, ''];
  });
  const silent = await startServer(() => {
    throw new Error('it must not get a request');
  });
  const away = 'http://127.0.0.1:9';
  const settings = await settingsOf(`source: { kind: file, file: { path: x.csv } }
record: { channels: [a] }
sinks:
  remoteWrite: { url: '${receiver.url}/api/v1/write' }
  alertmanager: { urls: ['${silent.url}'] }
  webhook: { url: '${away}/hook' }
`);
  expect(await examineServices(settings, Date.now())).toMatchObject([
    { level: 'ok', message: 'accepts series' },
    { level: 'ok', message: 'accepts connections' },
    {
      level: 'wrong',
      subject: 'sinks.webhook.url 127.0.0.1:9',
      mend: expect.stringMatching(/nc -vz/) as string,
    },
  ]);
  expect(bodies).toHaveLength(1);
});

test('a registry that refuses the credentials', async () => {
  const registry = await startServer(() => [401, '']);
  const settings = await settingsOf(`source:
  kind: kafka
  kafka: { brokers: ['localhost:9092'], topic: x, registry: { url: '${registry.url}' } }
record: { channels: [a], format: avro }
sinks: { kafka: { deadLetterTopic: y } }
`);
  expect(await examineServices(settings, Date.now())).toMatchObject([
    { level: 'wrong', mend: expect.stringMatching(/VAEMON_KAFKA_REGISTRY_PASSWORD/) as string },
  ]);
});

test('windows of more devices than fit into the memory are warned of', async () => {
  const settings = await settingsOf(`source: { kind: file, file: { path: x.csv } }
record: { channels: [a] }
window: { maxKeys: 1000 }
`);
  expect(examineMemory(settings, 1, 2 ** 30).level).toBe('ok');
  expect(examineMemory(settings, 1000, 2 ** 30)).toMatchObject({
    level: 'warning',
    mend: expect.stringMatching(/window\.maxKeys/) as string,
  });
});
