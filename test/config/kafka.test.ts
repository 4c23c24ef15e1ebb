import { join } from 'node:path';
import { loadSettings, type LoadOptions } from '../../src/config/load';
import { sourceOf, type DetectorSettings } from '../../src/config/settings';
import { sinkConnection } from '../../src/sinks/kafka/spec';
import { ConfigError } from '../../src/errors';
import { removeFolders, writeFolder } from './folder';

afterEach(removeFolders);

/** The least that a detector of a Kafka topic must say, and more: lines under `source.kafka` and lines of its own. */
function kafkaDetector(lines = '', kafka = ''): string {
  return `detector: pump
source: { kind: kafka, kafka: { brokers: ["k:9092"], topic: in${kafka} } }
sinks: { kafka: { deadLetterTopic: dead } }
${lines.includes('record:') ? '' : 'record: { channels: [flow, pressure] }\n'}${lines}
`;
}

async function load(text: string, options: LoadOptions = { env: {} }): Promise<DetectorSettings> {
  const folder = await writeFolder({ 'pump.yaml': text });
  return (await loadSettings(join(folder, 'pump.yaml'), options)).detectors[0]!.settings;
}

/** The problems of a detector's file, as `key: message`. */
async function problemsIn(text: string, options?: LoadOptions): Promise<string[]> {
  const error: unknown = await load(text, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConfigError)) throw new Error('expected a ConfigError', { cause: error });
  return error.problems.map(({ key, message }) => `${key}: ${message}`);
}

const record = (more: string) => `record: { channels: [flow, pressure], ${more} }`;

describe('the format of records', () => {
  test('is JSON unless something else is said', async () => {
    expect((await load(kafkaDetector())).record.format).toBe('json');
    expect((await load(kafkaDetector(record('format: binary')))).record.format).toBe('binary');
  });

  test.each([
    [
      'a file',
      kafkaDetector(record('format: binary')).replace('kind: kafka,', 'kind: file, file: { path: a.csv },'),
      /^source\.file\.path: has CSV or JSON records, but record\.format is "binary"/,
    ],
    [
      'images',
      kafkaDetector('record: { kind: image, image: { width: 8, height: 8 }, format: binary }'),
      /^record\.format: is for sensor records only/,
    ],
  ])('cannot be another one for %s', async (_, text, message) => {
    expect(await problemsIn(text)).toEqual([expect.stringMatching(message)]);
  });

  test('values may stand beside the other fields where channels that are not listed are ignored', async () => {
    const flat = "fields: { values: '' }\n";
    expect(await problemsIn(kafkaDetector(flat))).toEqual([
      expect.stringMatching(/^fields\.values: can be empty only with record\.extraChannels `ignore`/),
    ]);
    expect((await load(kafkaDetector(`${flat}${record('extraChannels: ignore')}`))).fields.values).toBe('');
  });
});

describe('the schema registry', () => {
  const registry = (more = '') => `, registry: { url: "http://sr:8081"${more} }`;
  const avro = record('format: avro');

  test('is read, with what it needs', async () => {
    const text = kafkaDetector(avro, registry(', username: vaemon, passwordFile: /run/secret, timeout: 2s'));
    expect(sourceOf(await load(text), 'kafka').kafka.registry).toEqual({
      url: 'http://sr:8081',
      username: 'vaemon',
      password: '',
      passwordFile: '/run/secret',
      ca: '',
      timeoutMs: 2_000,
    });
  });

  test.each([
    ['none for a format that needs one', avro, '', 'url: is required for record.format "avro"'],
    [
      'one that nobody asks',
      record('format: json'),
      registry(),
      'url: has no effect unless record.format is `avro` or `json-schema`',
    ],
    [
      'a user without a password',
      avro,
      registry(', username: x'),
      /^username: needs a password: set VAEMON_KAFKA_REGISTRY_PASSWORD/,
    ],
    [
      'a password without a user',
      avro,
      registry(', passwordFile: /p'),
      'username: is required where passwordFile is set',
    ],
    ['no URL', avro, ', registry: { url: sr:8081 }', /^url: must be a URL that begins with `http:\/\/`/],
  ])('cannot have %s', async (_, lines, kafka, message) => {
    const [problem, ...others] = await problemsIn(kafkaDetector(lines, kafka));
    expect(others).toEqual([]);
    expect(problem!.replace('source.kafka.registry.', '')).toEqual(
      typeof message === 'string' ? message : expect.stringMatching(message),
    );
  });
});

describe('a secret', () => {
  const text = kafkaDetector(
    record('format: avro'),
    ', registry: { url: "http://sr", username: u, passwordFile: /p }',
  );
  const secret = 'hunter2';

  test('comes from its variable, for all detectors that have no file', async () => {
    const settings = await load(text, { env: { VAEMON_KAFKA_REGISTRY_PASSWORD: secret } });
    expect(sourceOf(settings, 'kafka').kafka.registry).toMatchObject({
      password: secret,
      passwordFile: '/p',
    });
  });

  test.each([
    ['in a file', text.replace('username: u', `username: u, password: ${secret}`), {}],
    ['as a number in a file', text.replace('username: u', 'username: u, password: 4711'), {}],
    ['in the place of its section', text.replace(/registry: \{[^}]*\}/, `registry: ${secret}`), {}],
    ['in a URL', text.replace('http://sr', `http://u:${secret}@sr`), {}],
    ['in what is no URL', text.replace('http://sr', `u:${secret}@sr`), {}],
    ['as an argument', text, { 'source.kafka.registry.password': secret }],
  ])('is refused %s, and is not repeated', async (_, file, overrides) => {
    const problems = await problemsIn(file, { env: {}, overrides });
    expect(problems).toHaveLength(1);
    expect(problems.join()).not.toMatch(/hunter2|4711/);
  });

  test('may be said to be empty anywhere', async () => {
    const settings = await load(text.replace('username: u', "username: u, password: ''"));
    expect(sourceOf(settings, 'kafka').kafka.registry.password).toBe('');
  });
});

describe('the way to Kafka', () => {
  const scram = ', sasl: { mechanism: scram-sha-512, username: u, passwordFile: /p }';

  test('is the same for the sink, which may have brokers of its own and then needs credentials of its own', async () => {
    const settings = await load(kafkaDetector('', `, tls: { enabled: true, ca: /ca }${scram}`));
    expect(sinkConnection(settings.sinks.kafka, settings.source)).toMatchObject({
      brokers: ['k:9092'],
      tls: { enabled: true, ca: '/ca', cert: '' },
      sasl: { mechanism: 'scram-sha-512', username: 'u', passwordFile: '/p' },
    });
    const own = kafkaDetector('', scram).replace('kafka: { dead', 'kafka: { brokers: ["other:1"], dead');
    const { sinks, source } = await load(own);
    expect(sinkConnection(sinks.kafka, source)).toMatchObject({
      brokers: ['other:1'],
      sasl: { mechanism: 'none', username: '' },
    });
  });

  test('takes each secret from a variable of its own', async () => {
    const settings = await load(kafkaDetector(), {
      env: {
        VAEMON_KAFKA_SASL_PASSWORD: 'a',
        VAEMON_KAFKA_SASL_OAUTH_CLIENT_SECRET: 'b',
        VAEMON_SINKS_KAFKA_SASL_PASSWORD: 'c',
        VAEMON_SINKS_KAFKA_SASL_OAUTH_CLIENT_SECRET: 'd',
      },
    });
    const { sasl } = sourceOf(settings, 'kafka').kafka;
    const { sinks } = settings;
    expect([sasl.password, sasl.oauth.clientSecret]).toEqual(['a', 'b']);
    expect([sinks.kafka.sasl.password, sinks.kafka.sasl.oauth.clientSecret]).toEqual(['c', 'd']);
  });

  test.each([
    ['tls: { ca: /ca }', 'tls.enabled: must be true where tls.ca, tls.cert or tls.key is set'],
    ['tls: { enabled: true, cert: /c }', 'tls.cert: and tls.key must be set together'],
    ['tls: { enabled: true, key: /c }', 'tls.cert: and tls.key must be set together'],
    ['sasl: { username: u }', /^sasl\.mechanism: is required where other keys of sasl are set/],
    ['sasl: { oauth: { tokenFile: /t } }', /^sasl\.mechanism: is required where other keys of sasl are set/],
    [
      'sasl: { mechanism: scram }',
      /^sasl\.mechanism: must be `none`, `plain`, `scram-sha-256`, .* \(got "scram"\)$/,
    ],
    ['sasl: { mechanism: plain }', 'sasl.username: is required for sasl.mechanism "plain"'],
    [
      'sasl: { mechanism: plain, username: u }',
      /^sasl\.username: needs a password: set VAEMON_(SINKS_)?KAFKA_SASL_PASSWORD, or sasl\.passwordFile/,
    ],
    ['sasl: { mechanism: oauthbearer }', /^sasl\.oauth\.tokenFile: or tokenUrl is required/],
    [
      'sasl: { mechanism: oauthbearer, oauth: { tokenFile: /t, tokenUrl: "https://idp", clientId: c, clientSecretFile: /s } }',
      /^sasl\.oauth\.tokenFile: or tokenUrl is required for sasl\.mechanism "oauthbearer", exactly one of them/,
    ],
    [
      'sasl: { mechanism: oauthbearer, username: u, oauth: { tokenFile: /t } }',
      'sasl.username: has no effect with sasl.mechanism "oauthbearer"',
    ],
    [
      'sasl: { mechanism: oauthbearer, oauth: { tokenUrl: "https://idp" } }',
      'sasl.oauth.clientId: is required where tokenUrl is set',
    ],
    [
      'sasl: { mechanism: oauthbearer, oauth: { tokenUrl: "https://idp", clientId: c } }',
      /^sasl\.oauth\.clientId: needs a secret: set VAEMON_(SINKS_)?KAFKA_SASL_OAUTH_CLIENT_SECRET/,
    ],
  ])('of source or sink may not be %s', async (lines, message) => {
    const ofSource = kafkaDetector('', `, ${lines}`);
    const ofSink = kafkaDetector().replace('kafka: { dead', `kafka: { brokers: ["other:1"], ${lines}, dead`);
    for (const [place, text] of [
      ['source.kafka', ofSource],
      ['sinks.kafka', ofSink],
    ] as const) {
      const problems = await problemsIn(text);
      expect(problems.map((problem) => problem.replace(`${place}.`, ''))).toEqual([
        typeof message === 'string' ? message : expect.stringMatching(message),
      ]);
    }
  });

  test('of a sink without brokers of its own is that of the source', async () => {
    const text = kafkaDetector().replace('kafka: { dead', 'kafka: { tls: { enabled: true }, dead');
    expect(await problemsIn(text)).toEqual([
      expect.stringMatching(/^sinks\.kafka\.brokers: is required where tls or sasl is set here/),
    ]);
  });

  test('says nothing of a detector that reads a file', async () => {
    const text = kafkaDetector('', ', sasl: { mechanism: plain }').replace(
      'kind: kafka,',
      'kind: file, file: { path: a.ndjson },',
    );
    expect(sourceOf(await load(text), 'file')).not.toHaveProperty('kafka');
  });
});

describe('labels of past records', () => {
  test('may come from a topic beside the records, and from a file', async () => {
    const { training } = await load(
      kafkaDetector('training: { labels: { topic: labels, file: labels.csv } }\n'),
    );
    expect(training.labels).toEqual({ topic: 'labels', file: 'labels.csv' });
  });

  test('are in a topic of their own, and in none where records come from a file', async () => {
    expect(await problemsIn(kafkaDetector('training: { labels: { topic: in } }\n'))).toEqual([
      'training.labels.topic: must not be the topic of the records',
    ]);
    const file = kafkaDetector('training: { labels: { topic: labels } }\n').replace(
      'kind: kafka,',
      'kind: file, file: { path: a.csv },',
    );
    expect(await problemsIn(file)).toEqual([
      'training.labels.topic: needs a kafka source: the topic is read from its brokers',
    ]);
  });
});
