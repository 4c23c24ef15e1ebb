import type { IncomingMessage } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DecodeError, UnavailableError } from '../../../src/errors';
import { createSchemaRegistry, type RegistrySettings } from '../../../src/codecs/confluent/schema-registry';
import { removeFolders, writeFolder } from '../../config/folder';
import { startServer, stopServers, type Answer } from '../../system/http-server';

afterEach(async () => {
  await stopServers();
  await removeFolders();
});

/** A registry with scripted answers that records its requests. */
async function startRegistry(answer: (path: string, request: IncomingMessage) => Answer | undefined) {
  const paths: string[] = [];
  const { url } = await startServer((request) => {
    paths.push(request.url!);
    return answer(request.url!, request) ?? [404, { error_code: 40403, message: 'Schema not found' }];
  });
  return { url: `${url}/ccompat/v7`, paths };
}

function registryAt(url: string, changes: Partial<RegistrySettings> = {}) {
  const settings = {
    url,
    username: '',
    password: '',
    passwordFile: '',
    ca: '',
    timeoutMs: 1_000,
    ...changes,
  };
  return createSchemaRegistry(settings, { pauses: [1, 1], doubts: [1, 1] });
}

/** The error and its cause, as text. */
async function failureOf(finding: Promise<unknown>): Promise<string> {
  const error: unknown = await finding.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UnavailableError);
  const { message, cause } = error as UnavailableError & { cause?: Error };
  return cause === undefined ? message : `${message}: ${cause.message}`;
}

test('a schema is found by its id, with its type and its references, the innermost first', async () => {
  const { url, paths } = await startRegistry(
    (path) =>
      ({
        '/ccompat/v7/schemas/ids/7': [
          200,
          { schema: '{"a":1}', references: [{ name: 'outer', subject: 'of plants', version: 3 }] },
        ] as Answer,
        '/ccompat/v7/subjects/of%20plants/versions/3': [
          200,
          { schema: 'outer text', references: [{ name: 'inner', subject: 'inner', version: 1 }] },
        ] as Answer,
        '/ccompat/v7/subjects/inner/versions/1': [200, { schema: 'inner text' }] as Answer,
        '/ccompat/v7/schemas/ids/8': [200, { schema: '{}', schemaType: 'JSON' }] as Answer,
      })[path],
  );
  const found = await registryAt(url).find([7, 8]);
  expect(found.get(7)).toEqual({
    type: 'AVRO',
    text: '{"a":1}',
    references: [
      { name: 'inner', text: 'inner text' },
      { name: 'outer', text: 'outer text' },
    ],
  });
  expect(found.get(8)).toEqual({ type: 'JSON', text: '{}', references: [] });
  expect(paths).toHaveLength(4);
});

test('a schema counts as missing after three answers', async () => {
  const { url, paths } = await startRegistry(() => undefined);
  expect([...(await registryAt(`${url}/`).find([5]))]).toEqual([[5, undefined]]);
  expect(paths).toEqual(Array(3).fill('/ccompat/v7/schemas/ids/5'));
});

test('a schema that is registered a moment later is found', async () => {
  let asked = 0;
  const { url } = await startRegistry(() => (++asked < 3 ? undefined : [200, { schema: 'x' }]));
  expect((await registryAt(url).find([5])).get(5)).toMatchObject({ text: 'x' });
});

test('a schema with a missing reference is unusable', async () => {
  const references = [{ name: 'gone', subject: 'gone', version: 2 }];
  const { url } = await startRegistry((path) =>
    path.includes('/ids/') ? [200, { schema: 'x', references }] : [404, { error_code: 40401 }],
  );
  const found = (await registryAt(url).find([5])).get(5);
  expect(found).toBeInstanceOf(DecodeError);
  expect(found).toMatchObject({
    reason: 'unusable_schema',
    message: expect.stringContaining('version 2 of "gone"'),
  });
});

test('a circle of references ends', async () => {
  const { url } = await startRegistry((path) => {
    const subject = path.endsWith('/a/versions/1') ? 'b' : 'a';
    return [200, { schema: 'x', references: [{ name: subject, subject, version: 1 }] }];
  });
  expect((await registryAt(url).find([5])).get(5)).toMatchObject({ text: 'x' });
});

test('a request that fails temporarily is repeated', async () => {
  const answers: Answer[] = [
    [503, ''],
    [0, ''],
    [200, { schema: 'x' }],
  ];
  const { url } = await startRegistry(() => answers.shift());
  expect((await registryAt(url).find([5])).get(5)).toMatchObject({ text: 'x' });
});

test.each<[string, Answer, string, number]>([
  ['a server that is down', [503, ''], 'answers with HTTP 503', 3],
  ['one that has enough of us', [429, ''], 'answers with HTTP 429', 3],
  [
    'a wrong password',
    [401, { error_code: 40101 }],
    'answers with HTTP 401: check source.kafka.registry.username',
    1,
  ],
  [
    'a page that is no registry',
    [404, '<html>'],
    'answers with HTTP 404: check source.kafka.registry.url',
    1,
  ],
  ['a login page', [200, '<html>'], 'does not return a schema: check source.kafka.registry.url', 1],
  ['another service', [200, { schema: 5 }], 'does not return a schema', 1],
  ['a redirect', [302, ''], 'answers with HTTP 302: check source.kafka.registry.url', 1],
  ['a connection that breaks', [0, ''], 'does not answer: socket hang up', 3],
  [
    'an answer without end',
    [200, ' '.repeat(5_000_000)],
    'does not answer: the answer is larger than 4194304 bytes',
    3,
  ],
])('%s is unavailable', async (_, answer, message, requests) => {
  const { url, paths } = await startRegistry(() => answer);
  expect(await failureOf(registryAt(url).find([5]))).toContain(message);
  expect(paths).toHaveLength(requests);
});

test('a registry that does not answer times out', async () => {
  const { url } = await startRegistry(() => [-1, '']);
  expect(await failureOf(registryAt(url, { timeoutMs: 50 }).find([5]))).toContain('no answer within 50 ms');
});

test('a closed port is unavailable', async () => {
  expect(await failureOf(registryAt('http://127.0.0.1:9').find([5]))).toContain('ECONNREFUSED');
});

test('requests carry user and password; the password file takes precedence and is read each time', async () => {
  const folder = await writeFolder({ password: 'first\n' });
  const passwordFile = join(folder, 'password');
  const given: string[] = [];
  const { url } = await startRegistry((_, request) => {
    given.push(Buffer.from(request.headers.authorization!.replace('Basic ', ''), 'base64').toString());
    return [200, { schema: 'x' }];
  });
  await registryAt(url, { username: 'vaemon', password: 'plain' }).find([1]);
  const registry = registryAt(url, { username: 'vaemon', password: 'plain', passwordFile });
  await registry.find([1]);
  await writeFile(passwordFile, 'second');
  await registry.find([1]);
  expect(given).toEqual(['vaemon:plain', 'vaemon:first', 'vaemon:second']);
});

test('a missing password file is unavailable, and named', async () => {
  const { url } = await startRegistry(() => [200, { schema: 'x' }]);
  expect(
    await failureOf(registryAt(url, { username: 'u', passwordFile: '/nowhere/password' }).find([1])),
  ).toContain('/nowhere/password cannot be read');
  expect(await failureOf(registryAt(url, { ca: '/nowhere/ca.pem' }).find([1]))).toContain('/nowhere/ca.pem');
});

test('a reference that no URL can hold makes its schema unusable, and no other', async () => {
  const { url } = await startRegistry((path) => [
    200,
    path.endsWith('/5')
      ? { schema: '"int"', references: [{ name: 'x', subject: '\ud800', version: 1 }] }
      : { schema: '"int"' },
  ]);
  const found = await registryAt(url).find([5, 6]);
  expect(found.get(5)).toBeInstanceOf(DecodeError);
  expect(found.get(5)).toMatchObject({ reason: 'unusable_schema' });
  expect(found.get(6)).toMatchObject({ text: '"int"' });
});
