import { loadSettings } from '../../src/config/load';
import { exposedSecrets } from '../../src/runtime/exposed-secrets';
import { removeFolders, writeFolder } from '../config/folder';

afterAll(removeFolders);

async function exposedBy(kafka: string, env: Record<string, string> = {}) {
  const folder = await writeFolder({
    'x.yaml': `detector: x
source: { kind: kafka, kafka: { brokers: [b:9092], topic: t, ${kafka} } }
record: { channels: [flow], format: ${kafka.startsWith('registry') ? 'avro' : 'json'} }
sinks: { kafka: { deadLetterTopic: dead } }
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
