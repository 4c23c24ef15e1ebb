/** The web server as the daemon starts it: tokens in files, and what the log says about access. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWeb } from '../../src/runtime/web';

const folder = mkdtempSync(join(tmpdir(), 'vaemon-web-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const logged: [level: string, fields: Record<string, unknown>][] = [];
let web: Awaited<ReturnType<typeof startWeb>> | undefined;
afterEach(async () => {
  await web?.close();
  web = undefined;
  logged.length = 0;
});

interface Api {
  reading: 'loopback' | 'token' | 'open';
  readTokenFile: string;
  tokenFile: string;
}

async function start(api: Partial<Api> = {}, host = '127.0.0.1'): Promise<string> {
  const logAs = (level: string) => (_: string, fields: object) =>
    void logged.push([level, fields as Record<string, unknown>]);
  web = await startWeb({
    daemon: () => ({
      http: { host, port: 0, portFile: '' },
      api: { reading: 'loopback', readTokenFile: '', tokenFile: '', ...api },
    }),
    version: '1.2.3',
    detectors: () => [],
    audit: () => Promise.resolve(),
    log: { error: logAs('error'), warn: logAs('warn'), info: logAs('info') } as never,
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('') },
    health: () => ({ ok: true, details: {} }),
    readiness: () => ({ ready: true, detectors: [] }),
  });
  return web.address.url.replace('0.0.0.0', '127.0.0.1');
}

const reads = async (url: string, token?: string, headers: Record<string, string> = {}): Promise<number> =>
  (
    await fetch(`${url}/api/v1/events`, {
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    })
  ).status;

/** 404 if the token is right: there is no such detector. */
const changes = async (url: string, token: string): Promise<number> =>
  (
    await fetch(`${url}/api/v1/detectors/none/training`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{}',
    })
  ).status;

test('a token file that changes is followed at once, and while it is damaged nothing is changed', async () => {
  const tokenFile = join(folder, 'token');
  const readTokenFile = join(folder, 'read-token');
  writeFileSync(tokenFile, 'the-first-token-for-changes\n');
  writeFileSync(readTokenFile, 'the-first-token-for-reading\n');
  const url = await start({ reading: 'token', readTokenFile, tokenFile });
  expect(await changes(url, 'the-first-token-for-changes')).toBe(404);
  expect(await changes(url, 'the-first-token-for-reading')).toBe(401);
  expect(await reads(url, 'the-first-token-for-reading')).toBe(200);

  writeFileSync(tokenFile, 'the-second-token-for-changes');
  writeFileSync(readTokenFile, 'the-second-token-for-reading');
  expect(await changes(url, 'the-first-token-for-changes')).toBe(401);
  expect(await changes(url, 'the-second-token-for-changes')).toBe(404);
  expect(await reads(url, 'the-first-token-for-reading')).toBe(401);
  expect(await reads(url, 'the-second-token-for-reading')).toBe(200);

  writeFileSync(tokenFile, 'short');
  expect(await changes(url, 'short')).toBe(503);
  rmSync(tokenFile);
  expect(await changes(url, 'the-second-token-for-changes')).toBe(503);
  expect(await reads(url, 'the-second-token-for-reading')).toBe(200);
});

test('off loopback without a token, others read nothing, and the log says so', async () => {
  const url = await start({}, '0.0.0.0');
  expect(logged).toContainEqual([
    'info',
    expect.objectContaining({
      reading: 'from this machine only, as api.readTokenFile is not set',
      changes: 'off, as api.tokenFile is not set',
    }),
  ]);
  expect(await reads(url)).toBe(200);
  // As a proxy forwards the requests of others.
  expect(await reads(url, undefined, { 'x-forwarded-for': '10.0.0.1' })).toBe(401);
  expect(await changes(url, 'a-token-that-is-guessed')).toBe(403);
});

test.each<[Partial<Api>, string, string]>([
  [{ tokenFile: '/t' }, '127.0.0.1', 'from this machine'],
  [{ tokenFile: '/t' }, '0.0.0.0', 'from this machine, and from others with the token of api.tokenFile'],
  [{ reading: 'token', readTokenFile: '/r' }, '0.0.0.0', 'with the token of api.readTokenFile'],
  [{ reading: 'token' }, '0.0.0.0', 'with a token only, but api.readTokenFile is not set'],
  [{ reading: 'open' }, '0.0.0.0', 'open to everyone who reaches the port'],
])('the log says who reads with %j at %s', async (api, host, reading) => {
  await start(api, host);
  expect(logged).toContainEqual(['info', expect.objectContaining({ reading })]);
});

test('a token that is too short to be kept is an error at the start', async () => {
  const tokenFile = join(folder, 'short');
  writeFileSync(tokenFile, 'short');
  await start({ tokenFile });
  expect(logged[0]).toEqual([
    'error',
    {
      err: expect.objectContaining({ message: expect.stringContaining('5 characters') as string }) as object,
    },
  ]);
});
