import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCli } from '../../../src/cli/cli';
import type { Message } from '../../../src/sources/source';
import { createKafkaSink } from '../../../src/sinks/kafka/kafka';
import { createKafkaSource } from '../../../src/sources/kafka/kafka';
import { createKafkaClient, type KafkaConnection } from '../../../src/kafka/client';
import type { KafkaSecurity } from '../../../src/kafka/security';
import { captureContext } from '../../cli/capture';
import { startServer, stopServers } from '../../system/http-server';
import { copyStore, createPump, newFolder, removeFolders, writeConfig } from '../plant';
import { endAllVaemon, startVaemon } from '../vaemon-process';
import type { SettingsOverrides, VaemonProcess } from '../vaemon-process';
import { startBroker, until } from './broker';
import { standalone } from './consuming';
import type { TestBroker } from './broker';

jest.setTimeout(240_000);

let broker: TestBroker;
let config: string;
/** Store with one model version. */
let trainedStore: string;

beforeAll(async () => {
  [broker, config] = await Promise.all([startBroker({ secure: true }), writeConfig()]);
  trainedStore = await newFolder();
  const topic = await topicWith(500);
  const training = startVaemon(['train'], config, {
    ...(await settingsFor(topic, trainedStore)),
    'source.kafka.brokers': broker.bootstrap,
  });
  if ((await training.ended).code !== 0) throw new Error(training.stdout() + training.stderr());
}, 240_000);
afterEach(async () => {
  await endAllVaemon();
  await stopServers();
});
afterAll(async () => {
  await broker.remove();
  await removeFolders();
});

const file = (name: string): string => path.join(broker.folder, 'secure', name);
const password = (): string => readFileSync(file('password'), 'utf8');

/** A token that the broker accepts for five minutes; or one of another issuer, which it rejects. */
function tokenOf(issuer = 'test-provider'): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer, aud: 'kafka', sub: 'alice', iat: now, exp: now + 300 };
  const parts = [{ alg: 'RS256', kid: 'test', typ: 'JWT' }, claims];
  const content = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const key = createPrivateKey(readFileSync(file('jwt.key')));
  return `${content}.${sign('sha256', Buffer.from(content), key).toString('base64url')}`;
}

/** An OIDC provider with one client. */
async function startProvider(clientId: string, secret: string): Promise<string> {
  const expected = `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`;
  const { url } = await startServer((request) =>
    request.headers.authorization === expected
      ? [200, { access_token: tokenOf(), expires_in: 300 }]
      : [401, { error: 'invalid_client' }],
  );
  return `${url}/token`;
}

async function topicWith(records: number): Promise<string> {
  const topic = await broker.createTopic();
  const pump = createPump('pump-1', { seed: 1, count: records, start: Date.now() - 3_600_000 });
  await broker.produce(
    topic,
    pump.map((record) => ({ value: JSON.stringify(record) })),
  );
  return topic;
}

/** Connection settings without brokers, TLS or SASL. */
async function settingsFor(topic: string, store: string) {
  return {
    'source.kind': 'kafka',
    'source.kafka.topic': topic,
    'source.kafka.groupId': `group-of-${topic}`,
    'source.kafka.startFrom': 'earliest',
    'sinks.kafka.deadLetterTopic': await broker.createTopic(),
    'store.path': store,
  } satisfies SettingsOverrides;
}

const noTls: KafkaSecurity['tls'] = { enabled: false, ca: '', cert: '', key: '' };
const noOAuth = {
  tokenFile: '',
  tokenUrl: '',
  clientId: '',
  clientSecret: '',
  clientSecretFile: '',
  scope: '',
  ca: '',
};
const noSasl: KafkaSecurity['sasl'] = {
  mechanism: 'none',
  username: '',
  password: '',
  passwordFile: '',
  oauth: noOAuth,
};
const silent = (): void => undefined;
const log = { warn: silent, info: silent, debug: silent };

type Listener = keyof TestBroker['addresses'];

describe('records are read and dead letters written', () => {
  const tls = (): KafkaSecurity['tls'] => ({ ...noTls, enabled: true, ca: file('ca.pem') });
  const asAlice = (mechanism: KafkaSecurity['sasl']['mechanism']): KafkaSecurity['sasl'] => ({
    ...noSasl,
    mechanism,
    username: 'alice',
    password: password(),
  });

  test.each<[string, Listener, () => Promise<KafkaSecurity> | KafkaSecurity]>([
    ['TLS', 'SSL', () => ({ tls: tls(), sasl: noSasl })],
    [
      'a certificate of our own',
      'MTLS',
      () => ({ tls: { ...tls(), cert: file('client.pem'), key: file('client.key') }, sasl: noSasl }),
    ],
    ['PLAIN over TLS', 'SASL_SSL', () => ({ tls: tls(), sasl: asAlice('plain') })],
    ['SCRAM-SHA-256 over TLS', 'SASL_SSL', () => ({ tls: tls(), sasl: asAlice('scram-sha-256') })],
    ['SCRAM-SHA-512', 'SASL_PLAINTEXT', () => ({ tls: noTls, sasl: asAlice('scram-sha-512') })],
    [
      'a password from a file',
      'SASL_SSL',
      () => ({
        tls: tls(),
        sasl: { ...asAlice('plain'), password: 'not this one', passwordFile: file('password') },
      }),
    ],
    [
      'a token from a file',
      'SASL_SSL',
      async () => {
        const tokenFile = path.join(await newFolder(), 'token');
        await writeFile(tokenFile, `${tokenOf()}\n`);
        return {
          tls: tls(),
          sasl: { ...noSasl, mechanism: 'oauthbearer', oauth: { ...noOAuth, tokenFile } },
        };
      },
    ],
    [
      'a token from a provider',
      'SASL_SSL',
      async () => {
        const tokenUrl = await startProvider('vaemon', 's3cret');
        const oauth = { ...noOAuth, tokenUrl, clientId: 'vaemon', clientSecret: 's3cret' };
        return { tls: tls(), sasl: { ...noSasl, mechanism: 'oauthbearer', oauth } };
      },
    ],
  ])('with %s', async (_, listener, security) => {
    const connection: KafkaConnection = { brokers: [broker.addresses[listener]], ...(await security()) };
    const client = () => createKafkaClient({ ...connection, clientId: 'test', log });
    const topic = await topicWith(10);
    const deadLetterTopic = await broker.createTopic();
    const errors: Error[] = [];
    const taken: Message[] = [];
    const source = createKafkaSource({
      kafka: client(),
      settings: {
        topic,
        groupId: `group-of-${topic}`,
        startFrom: 'earliest',
        warmUpRecords: 0,
        maxBatchRecords: 50,
        sessionTimeoutMs: 6_000,
      },
      observer: { error: (error) => errors.push(error), info: silent, gap: silent },
      ...standalone,
    });
    const sink = createKafkaSink({
      kafka: client(),
      settings: { detectionsTopic: deadLetterTopic, deadLetterTopic, emit: 'all' },
    });
    const ended = source.run(async ({ messages }) => {
      const deadLetters = messages.map(({ origin, key, value }) => ({
        detector: 'plant',
        reason: 'not_json' as const,
        message: '',
        origin,
        key,
        value,
      }));
      await sink.write({ detections: [], events: [], deadLetters });
      taken.push(...messages);
    });
    await until('the records', () => taken.length === 10 || errors.length > 0);
    await source.stop();
    await ended;
    await sink.close();
    expect(errors).toEqual([]);
    expect(await broker.read(deadLetterTopic)).toHaveLength(10);
  });
});

/** All output of a process. */
async function allOutput(daemon: VaemonProcess): Promise<string> {
  const pages = await Promise.all(['/metrics', '/readyz', '/healthz'].map((page) => daemon.get(page)));
  return [daemon.stdout(), daemon.stderr(), ...pages.map(({ body }) => body)].join('\n');
}

/** Secrets in plain text and as they are sent. */
function expectNoneOf(secrets: readonly string[], output: string): void {
  for (const secret of secrets) {
    expect(output).not.toContain(secret);
    expect(output).not.toContain(Buffer.from(secret).toString('base64').replace(/=+$/, ''));
  }
}

test.each<[string, Listener, SettingsOverrides, RegExp]>([
  ['another authority', 'SSL', { 'source.kafka.tls.ca': 'other-ca.pem' }, /self-signed certificate/],
  [
    'no certificate of ours',
    'MTLS',
    { 'source.kafka.tls.ca': 'ca.pem' },
    /bad certificate|certificate required/,
  ],
  [
    'a file that is not there',
    'SSL',
    { 'source.kafka.tls.ca': 'gone.pem' },
    /gone\.pem cannot be read \(ENOENT\)/,
  ],
])('%s is reported, and the daemon keeps retrying', async (_, listener, settings, reason) => {
  const files = Object.fromEntries(Object.entries(settings).map(([key, name]) => [key, file(String(name))]));
  const daemon = startVaemon(['run'], config, {
    ...(await settingsFor(await topicWith(10), await copyStore(trainedStore))),
    'source.kafka.brokers': broker.addresses[listener],
    'source.kafka.tls.enabled': 'true',
    ...files,
  });
  await until('the log line', () => daemon.log('source error').length > 0, 60_000);
  // Between two attempts; during one the reason is that it connects.
  await until(
    'the reason',
    async () => {
      const { status, body } = await daemon.get('/readyz');
      return status === 503 && reason.test(body);
    },
    60_000,
  );
  expect(await daemon.get('/healthz')).toMatchObject({ status: 200 });
  expect(await daemon.signal('SIGTERM')).toEqual({ code: 0, signal: null });
});

test.each(['plain', 'scram-sha-256', 'scram-sha-512'])(
  'a wrong password for %s is reported, retried with growing delays, and read again once its file is correct',
  async (mechanism) => {
    const passwordFile = path.join(await newFolder(), 'password');
    const wrong = 'correct-horse-battery';
    await writeFile(passwordFile, wrong);
    const topic = await topicWith(20);
    const daemon = startVaemon(['run'], config, {
      ...(await settingsFor(topic, await copyStore(trainedStore))),
      'source.kafka.brokers': broker.addresses.SASL_SSL,
      'source.kafka.tls.enabled': 'true',
      'source.kafka.tls.ca': file('ca.pem'),
      'source.kafka.sasl.mechanism': mechanism,
      'source.kafka.sasl.username': 'alice',
      'source.kafka.sasl.passwordFile': passwordFile,
      'log.level': 'debug',
    });
    await until('the log line', () => daemon.log('source error').length > 0, 60_000);
    const { status, body } = await daemon.get('/readyz');
    expect([status, body]).toEqual([503, expect.stringMatching(/SASL .* authentication failed: /)]);
    // One line of vaemon for each attempt; kafkajs' lines are at debug.
    const atLeast = (level: string) => daemon.log().filter((line) => line.level === level);
    expect(atLeast('error').every(({ message }) => message === 'source error')).toBe(true);
    expect(atLeast('warn').length).toBeLessThanOrEqual(5);

    await writeFile(passwordFile, `${password()}\n`);
    await daemon.ready();
    await until('the records', async () => (await daemon.metric('vaemon_records_consumed_total')) === 20);
    const output = await allOutput(daemon);
    expect(await daemon.signal('SIGTERM')).toEqual({ code: 0, signal: null });
    expectNoneOf([wrong, password()], output);
  },
);

describe('no secret is shown', () => {
  const secrets = {
    right: { registry: 'R1ght-registry-pass', client: 'R1ght-client-secret' },
    wrong: { kafka: 'Wr0ng-kafka-pass', registry: 'Wr0ng-registry-pass', client: 'Wr0ng-client-secret' },
  };

  /** A detector that needs a password, a token and a schema, with other credentials for its sink; and records to train on. */
  async function startEverything(given: { kafka: string; registry: string; client: string }) {
    const basic = `Basic ${Buffer.from(`reader:${secrets.right.registry}`).toString('base64')}`;
    const registry = await startServer((request) =>
      request.headers.authorization === basic
        ? [200, { schema: '{"type":"object"}', schemaType: 'JSON' }]
        : [401, { error_code: 40101, message: `Unauthorized: ${String(request.headers.authorization)}` }],
    );
    const tokenUrl = await startProvider('vaemon', secrets.right.client);
    const topic = await broker.createTopic();
    const pump = createPump('pump-1', { seed: 1, count: 500, start: Date.now() - 3_600_000 });
    const values = pump.map((record) => Buffer.from(`\0\0\0\0\x01${JSON.stringify(record)}`, 'latin1'));
    await broker.produce(
      topic,
      [Buffer.from('bad'), ...values].map((value) => ({ value })),
    );
    const settings: SettingsOverrides = {
      ...(await settingsFor(topic, await newFolder())),
      'record.format': 'json-schema',
      'source.kafka.registry.url': registry.url,
      'source.kafka.registry.username': 'reader',
      'source.kafka.brokers': broker.addresses.SASL_SSL,
      'source.kafka.tls.enabled': 'true',
      'source.kafka.tls.ca': file('ca.pem'),
      'source.kafka.sasl.mechanism': 'scram-sha-512',
      'source.kafka.sasl.username': 'alice',
      'sinks.kafka.brokers': broker.addresses.SASL_PLAINTEXT,
      'sinks.kafka.sasl.mechanism': 'oauthbearer',
      'sinks.kafka.sasl.oauth.tokenUrl': tokenUrl,
      'sinks.kafka.sasl.oauth.clientId': 'vaemon',
      'log.level': 'debug',
    };
    const env = {
      VAEMON_KAFKA_SASL_PASSWORD: given.kafka,
      VAEMON_KAFKA_REGISTRY_PASSWORD: given.registry,
      VAEMON_SINKS_KAFKA_SASL_OAUTH_CLIENT_SECRET: given.client,
    };
    return { settings, env, daemon: startVaemon(['run'], config, settings, env) };
  }

  /** Output of `vaemon config …`. */
  async function printed(settings: SettingsOverrides, env: Record<string, string>): Promise<string> {
    const sets = Object.entries(settings).map(([key, value]) => `--set=${key}=${value}`);
    const captured = captureContext(env);
    for (const options of [['print'], ['print', '--json'], ['check']]) {
      const [command, ...more] = options;
      await runCli(['config', command!, config, ...sets, ...more], captured.context);
    }
    expect(captured.exitCode()).toBe(0);
    return captured.stdout() + captured.stderr();
  }

  test('with valid secrets a model is trained, records are scored, and a bad one becomes a dead letter', async () => {
    const given = { kafka: password(), ...secrets.right };
    const { settings, env, daemon } = await startEverything(given);
    await daemon.ready();
    await until('the records', async () => (await daemon.metric('vaemon_records_consumed_total')) === 501);
    expect(daemon.log('credentials are sent to Kafka unencrypted: tls is not enabled')).toHaveLength(1);
    const output = (await allOutput(daemon)) + (await printed(settings, env));
    expect(await daemon.signal('SIGTERM')).toEqual({ code: 0, signal: null });
    const [letter] = await broker.read(String(settings['sinks.kafka.deadLetterTopic']));
    expectNoneOf(Object.values(given), output + JSON.stringify(letter));
    expectNoneOf([tokenOf().split('.')[0]!], output);
  });

  test('with invalid secrets', async () => {
    const { daemon } = await startEverything(secrets.wrong);
    await until('the log line', () => daemon.log('no model yet, will try again').length > 1, 60_000);
    const output = await allOutput(daemon);
    expect(await daemon.signal('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(output).toMatch(/SASL SCRAM SHA512 authentication failed/);
    expectNoneOf(Object.values(secrets.wrong), output);
  });

  test('with an invalid secret of the sink only', async () => {
    const { daemon } = await startEverything({
      kafka: password(),
      ...secrets.right,
      client: secrets.wrong.client,
    });
    await until('the log line', () => daemon.log('source error').length > 0, 60_000);
    const { status, body } = await daemon.get('/readyz');
    expect([status, body]).toEqual([503, expect.stringContaining('invalid_client')]);
    const output = await allOutput(daemon);
    expect(await daemon.signal('SIGTERM')).toEqual({ code: 0, signal: null });
    expectNoneOf([password(), ...Object.values(secrets.right), secrets.wrong.client], output);
  });
});
