import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { securityOptions, type KafkaSecurity } from '../../src/kafka/security';
import { removeFolders, writeFolder } from '../config/folder';

afterEach(removeFolders);

const noTls = { enabled: false, ca: '', cert: '', key: '' };
const noOAuth = {
  tokenFile: '',
  tokenUrl: '',
  clientId: '',
  clientSecret: '',
  clientSecretFile: '',
  scope: '',
  ca: '',
};
const plain: KafkaSecurity['sasl'] = {
  mechanism: 'plain',
  username: 'vaemon',
  password: 'from the environment',
  passwordFile: '',
  oauth: noOAuth,
};

/** What kafkajs gets of it, as it reads it. */
const saslOf = (sasl: KafkaSecurity['sasl']) =>
  securityOptions({ tls: noTls, sasl }).sasl as unknown as {
    password: string;
    oauthBearerProvider: () => Promise<{ value: string }>;
  };

test('without TLS and SASL kafkajs gets no options', () => {
  expect(securityOptions({ tls: noTls, sasl: { ...plain, mechanism: 'none' } })).toEqual({});
});

test('a password is read when it is asked for, from its file where there is one', async () => {
  expect(saslOf(plain).password).toBe('from the environment');
  const folder = await writeFolder({ password: 'first\n' });
  const sasl = saslOf({ ...plain, passwordFile: join(folder, 'password') });
  expect(sasl.password).toBe('first');
  await writeFile(join(folder, 'password'), 'second\r\n');
  expect(sasl.password).toBe('second');
});

test('missing credentials are not retried by kafkajs, and one line names them', async () => {
  const passwordFile = '/nowhere/password';
  const expected = (file: string) =>
    expect.objectContaining({
      retriable: false,
      message: expect.stringContaining(`no credentials for Kafka: ${file} cannot be read (ENOENT)`),
    }) as Error;
  expect(() => saslOf({ ...plain, passwordFile }).password).toThrow(expected(passwordFile));
  const tokenFile = '/nowhere/token';
  const bearer = saslOf({ ...plain, mechanism: 'oauthbearer', oauth: { ...noOAuth, tokenFile } });
  await expect(bearer.oauthBearerProvider()).rejects.toThrow(expected(tokenFile));
});
