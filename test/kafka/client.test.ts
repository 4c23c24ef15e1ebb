import { createKafkaClient } from '../../src/kafka/client';
import type { KafkaSecurity } from '../../src/kafka/security';

test('lines of kafkajs have a constant sentence and fields, and errors of single attempts are no warnings', async () => {
  const lines: [string, string, Record<string, unknown>][] = [];
  const at = (level: string) => (message: string, fields: Record<string, unknown>) =>
    void lines.push([level, message, fields]);
  const kafka = createKafkaClient({
    // Nothing listens on the discard port.
    brokers: ['127.0.0.1:9'],
    clientId: 'test',
    log: { warn: at('warn'), info: at('info'), debug: at('debug') },
  });
  await expect(kafka.admin({ retry: { retries: 0 } }).connect()).rejects.toThrow('ECONNREFUSED');
  expect(lines.length).toBeGreaterThan(0);
  const [level, message, fields] = lines[0]!;
  expect(level).toBe('info');
  expect(message).toBe('kafka client');
  expect(fields).toMatchObject({ part: 'Connection', detail: expect.stringContaining('ECONNREFUSED') });
  expect(fields).not.toHaveProperty('stack');
  expect(fields).not.toHaveProperty('timestamp');
});

test('a repeated line is logged at debug', async () => {
  const lines: string[] = [];
  const at = (level: string) => (_: string, fields: Record<string, unknown>) =>
    void lines.push(`${level} ${String(fields['part'])}`);
  const kafka = createKafkaClient({
    brokers: ['127.0.0.1:9'],
    clientId: 'test',
    log: { warn: at('warn'), info: at('info'), debug: at('debug') },
  });
  for (let attempt = 0; attempt < 3; attempt++)
    await expect(kafka.admin({ retry: { retries: 0 } }).connect()).rejects.toThrow('ECONNREFUSED');
  const [first, ...others] = lines.filter((line) => line.endsWith(' Connection'));
  expect(first).toBe('info Connection');
  expect(others.length).toBeGreaterThan(1);
  expect(new Set(others)).toEqual(new Set(['debug Connection']));
});

const nothing: KafkaSecurity = {
  tls: { enabled: false, ca: '', cert: '', key: '' },
  sasl: {
    mechanism: 'none',
    username: 'vaemon',
    password: 'hunter2',
    passwordFile: '',
    oauth: {
      tokenFile: '',
      tokenUrl: '',
      clientId: '',
      clientSecret: '',
      clientSecretFile: '',
      scope: '',
      ca: '',
    },
  },
};

test.each([
  ['plain', false, true],
  ['oauthbearer', false, true],
  ['plain', true, false],
  ['scram-sha-512', false, false],
  ['none', false, false],
] as const)('credentials by %s, with TLS %s, log a warning: %s', (mechanism, enabled, expected) => {
  const warnings: string[] = [];
  const silent = (): void => undefined;
  createKafkaClient({
    brokers: ['127.0.0.1:9'],
    clientId: 'test',
    log: {
      warn: (message, fields) => warnings.push(message + JSON.stringify(fields)),
      info: silent,
      debug: silent,
    },
    tls: { ...nothing.tls, enabled },
    sasl: { ...nothing.sasl, mechanism },
  });
  expect(warnings).toEqual(
    expected
      ? ['credentials are sent to Kafka unencrypted: tls is not enabled{"brokers":["127.0.0.1:9"]}']
      : [],
  );
});

test('missing files are named with the reason', async () => {
  const silent = (): void => undefined;
  const log = { warn: silent, info: silent, debug: silent };
  const connect = (security: KafkaSecurity) =>
    createKafkaClient({ brokers: ['127.0.0.1:9'], clientId: 'test', log, ...security })
      .admin({ retry: { retries: 0 } })
      .connect();
  await expect(
    connect({ ...nothing, tls: { ...nothing.tls, enabled: true, ca: '/nowhere/ca' } }),
  ).rejects.toThrow('/nowhere/ca cannot be read (ENOENT)');
});
