import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorChain } from '../../src/system/error-text';
import { createTokenSource, type OAuthSettings } from '../../src/kafka/oauth-token';
import { removeFolders, writeFolder } from '../config/folder';
import { startServer, stopServers, type Answer } from '../system/http-server';

afterEach(async () => {
  await stopServers();
  await removeFolders();
});

const nothing: OAuthSettings = {
  tokenFile: '',
  tokenUrl: '',
  clientId: '',
  clientSecret: '',
  clientSecretFile: '',
  scope: '',
  ca: '',
};
const client = { ...nothing, clientId: 'vaemon daemon', clientSecret: 'a:b+c' };

/** A provider that numbers its tokens, or returns the given answer; and a clock. */
async function startProvider(changes: Partial<OAuthSettings> = {}, answer?: Answer) {
  const asked: { authorization: string; body: string }[] = [];
  let clock = 1_000_000;
  const { url } = await startServer((request, body) => {
    const basic = request.headers.authorization!.replace('Basic ', '');
    asked.push({ authorization: Buffer.from(basic, 'base64').toString(), body });
    return answer ?? [200, { access_token: `token-${asked.length}`, expires_in: 50 }];
  });
  const token = createTokenSource({ ...client, tokenUrl: `${url}/token`, ...changes }, () => clock);
  return { token, asked, pass: (ms: number) => (clock += ms) };
}

test('a token from a file is read for each call', async () => {
  const folder = await writeFolder({ token: 'first\n' });
  const tokenFile = join(folder, 'token');
  const token = createTokenSource({ ...nothing, tokenFile });
  expect(await token()).toBe('first');
  await writeFile(tokenFile, 'second');
  expect(await token()).toBe('second');
  await writeFile(tokenFile, '\n');
  await expect(token()).rejects.toThrow(`${tokenFile} is empty`);
});

test('the provider is asked with the credentials of the client, and for a scope where there is one', async () => {
  const { token, asked } = await startProvider({ scope: 'kafka read' });
  expect(await token()).toBe('token-1');
  expect(asked).toEqual([
    { authorization: 'vaemon%20daemon:a%3Ab%2Bc', body: 'grant_type=client_credentials&scope=kafka+read' },
  ]);
});

test('a token is used for four fifths of its lifetime, and shared by concurrent calls', async () => {
  const { token, asked, pass } = await startProvider();
  expect(await Promise.all([token(), token(), token()])).toEqual(['token-1', 'token-1', 'token-1']);
  pass(39_999);
  expect(await token()).toBe('token-1');
  pass(1);
  expect(await token()).toBe('token-2');
  expect(asked).toHaveLength(2);
});

test('a token that lives for hours is used for a minute: the brokers may no longer accept it', async () => {
  const { token, pass } = await startProvider({}, [200, { access_token: 'long', expires_in: 86_400 }]);
  await token();
  pass(59_999);
  expect(await token()).toBe('long');
});

test('a token without a lifetime is used once', async () => {
  const { token, asked } = await startProvider({}, [200, { access_token: 'once' }]);
  await token();
  await token();
  expect(asked).toHaveLength(2);
});

test('the secret may come from a file', async () => {
  const folder = await writeFolder({ secret: 'from a file\n' });
  const { token, asked } = await startProvider({ clientSecretFile: join(folder, 'secret') });
  await token();
  expect(asked[0]!.authorization).toBe('vaemon%20daemon:from%20a%20file');
});

test.each<[string, Answer, string]>([
  ['a refusal', [401, { error: 'invalid_client' }], 'it answered with HTTP 401 (invalid_client)'],
  ['an HTML page', [200, '<html>token=s3cret</html>'], 'it answered with HTTP 200'],
  ['no token', [200, { access_token: '' }], 'it answered with HTTP 200'],
  ['an error with a secret', [400, { error: 'the secret s3cret is wrong' }], 'it answered with HTTP 400'],
  ['a connection that breaks', [0, ''], 'socket hang up'],
])('%s is reported, and the next call asks again', async (_, answer, message) => {
  const { token, asked } = await startProvider({}, answer);
  for (const attempt of [1, 2]) {
    const error = await token().then(String, (reason: unknown) => reason);
    const { cause } = error as { cause: Error };
    expect(String(error)).toMatch(/^Error: token endpoint http:.*\/token did not return a token$/);
    expect(cause.message).toContain(message);
    expect(`${errorChain(error)} ${cause.message}`).not.toContain('s3cret');
    expect(asked).toHaveLength(attempt);
  }
});
