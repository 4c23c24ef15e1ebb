import { loadSettings } from '../../src/config/load';
import { exposedSecrets } from '../../src/runtime/exposed-secrets';
import { removeFolders, writeFolder } from '../config/folder';

afterAll(removeFolders);

async function exposedBy(kafka: string, env: Record<string, string> = {}, sinks = '') {
  const folder = await writeFolder({
    'x.yaml': `detector: x
source: { kind: kafka, kafka: { brokers: [b:9092], topic: t, ${kafka} } }
record: { channels: [flow], format: ${kafka.startsWith('registry') ? 'avro' : 'json'} }
sinks: { kafka: { deadLetterTopic: dead }${sinks} }
`,
  });
  const { detectors } = await loadSettings(`${folder}/x.yaml`, { env });
  return exposedSecrets(detectors[0]!.settings);
}
const password = { VAEMON_KAFKA_REGISTRY_PASSWORD: 'p' };

test.each([
  ['registry: { url: "http://registry:8081", username: u }', password, ['source.kafka.registry.url']],
  ['registry: { url: "https://registry:8081", username: u }', password, []],
  ['registry: { url: "http://localhost:8081", username: u }', password, []],
  ['registry: { url: "http://registry:8081" }', {}, []],
  [
    'tls: { enabled: true }, sasl: { mechanism: oauthbearer, oauth: { tokenUrl: "http://idp/token", clientId: c } }',
    { VAEMON_KAFKA_SASL_OAUTH_CLIENT_SECRET: 's' },
    ['source.kafka.sasl.oauth.tokenUrl'],
  ],
])('a secret for an http URL is named: %s', async (kafka, env, keys) => {
  expect(await exposedBy(kafka, env)).toEqual(keys);
});

test.each([
  [
    'alertmanager: { urls: ["http://a:9093", "http://localhost:9093"], headersFile: h }',
    ['sinks.alertmanager.urls'],
  ],
  ['alertmanager: { urls: ["http://a:9093"] }', []],
  ['webhook: { url: "http://hooks/x", headersFile: h }', ['sinks.webhook.url']],
  // The secret of a signature is not sent.
  ['webhook: { url: "http://hooks/x", secretFile: s }', []],
  ['webhook: { url: "https://hooks/x", headersFile: h }', []],
  ['grafana: { url: "http://grafana:3000", tokenFile: t }', ['sinks.grafana.url']],
  ['grafana: { url: "http://127.0.0.1:3000", tokenFile: t }', []],
  ['remoteWrite: { url: "http://p/api/v1/write", headersFile: h }', ['sinks.remoteWrite.url']],
  ['remoteWrite: { url: "http://p/api/v1/write" }', []],
])('a credential of a sink for people is named: %s', async (sink, keys) => {
  expect(await exposedBy('groupId: g', {}, `, ${sink}`)).toEqual(keys);
});

test.each([
  'alertmanager: { urls: ["http://me:s3cret@a:9093"] }',
  'webhook: { url: "https://me:s3cret@hooks/x" }',
  'grafana: { url: "https://s3cret@grafana" }',
])('a URL with credentials is refused, and not repeated: %s', async (sink) => {
  const error = await exposedBy('groupId: g', {}, `, ${sink}`).then(String, String);
  expect(error).toContain('must not contain a user or a password');
  expect(error).not.toContain('s3cret');
});

test.each([
  ['alertmanager: { urls: [a:9093] }', 'must be a list of URLs'],
  ['alertmanager: { labels: [team] }', 'must consist of `name=value` (got "team")'],
  ['alertmanager: { labels: [key=x] }', 'must not contain `key`, which each alert has'],
  ['webhook: { url: "http://h", urlFile: f }', 'must be empty where url is set'],
  ['webhook: { filter: { kinds: [] } }', 'must be a list of `anomaly` or `silent`, at least one'],
  ['grafana: { dashboardUid: "a/b" }', 'must be a name of letters'],
  ['remoteWrite: { keyLabel: channel }', 'must be the name of a label other than'],
])('%s is refused', async (sink, message) => {
  const error: unknown = await exposedBy('groupId: g', {}, `, ${sink}`).catch((reason: unknown) => reason);
  expect((error as Error).message).toContain(message);
});
