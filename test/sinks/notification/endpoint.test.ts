import { createServer, type Server } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHeaders, RefusedError, send } from '../../../src/sinks/notification/endpoint';
import { startServer, stopServers } from '../../system/http-server';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaemon-endpoint-'));
});
afterEach(async () => {
  await stopServers();
  await rm(folder, { recursive: true });
});

const settings = { headersFile: '', ca: '', clientCert: '', clientKey: '', timeoutMs: 2_000 };

test.each([
  [200, undefined],
  [204, undefined],
  [302, Error],
  [400, RefusedError],
  [401, Error],
  [404, Error],
  [422, RefusedError],
  [429, Error],
  [500, Error],
])('HTTP %d', async (status, type) => {
  const { url } = await startServer(() => [status, 'x']);
  const sent = send(settings, { url: new URL(`${url}/secret-path`), body: '{}' });
  if (type === undefined) {
    expect(await sent).toBe(status === 204 ? '' : 'x');
    return;
  }
  const error = await sent.catch((reason: unknown) => reason as Error);
  expect(error).toBeInstanceOf(type);
  expect(error instanceof RefusedError).toBe(type === RefusedError);
  expect(String(error)).not.toContain('secret-path');
});

test('headers are read before each request, and a file that changes takes effect', async () => {
  const seen: (string | undefined)[] = [];
  const { url } = await startServer(({ headers }) => {
    seen.push(headers.authorization);
    return [200, ''];
  });
  const headersFile = join(folder, 'headers');
  const post = () => send({ ...settings, headersFile }, { url: new URL(url), body: '{}' });
  await expect(post()).rejects.toThrow('cannot be read (ENOENT)');
  await writeFile(headersFile, 'Authorization: Bearer one\r\n\nX-Team: pumps\n');
  await post();
  await writeFile(headersFile, 'Authorization: Bearer two\n');
  await post();
  expect(seen).toEqual(['Bearer one', 'Bearer two']);
});

test.each([
  'Authorization Bearer s3cret',
  'A: s3cret\u0000',
  'Content-Length: 5',
  'bad name: s3cret',
  'Ä: s3cret',
])('a file with %j is an error that does not repeat the secret', (line) => {
  let message = '';
  try {
    parseHeaders(`X-Fine: 1\n${line}`, '/etc/headers');
  } catch (error) {
    message = String(error);
  }
  expect(message).toContain('line 2 of /etc/headers');
  expect(message).not.toContain('s3cret');
});

describe('a hostile receiver', () => {
  let server: Server;
  async function listen(answer: Parameters<typeof createServer>[1]): Promise<URL> {
    server = createServer(answer).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  test('that answers with 10 MB has accepted the message, and 64 kB are read', async () => {
    const url = await listen((_, response) => void response.writeHead(200).end('x'.repeat(10_000_000)));
    expect(await send(settings, { url, body: '{}' })).toHaveLength(65_536);
  });

  test('that answers byte by byte without an end has not', async () => {
    const url = await listen((_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 20);
      response.once('close', () => clearInterval(timer));
    });
    await expect(send({ ...settings, timeoutMs: 200 }, { url, body: '{}' })).rejects.toThrow(
      'no answer within 200 ms',
    );
  });

  test('that never answers does not delay a stop', async () => {
    const url = await listen(() => undefined);
    const stopping = new AbortController();
    const sent = send(settings, { url, body: '{}', signal: stopping.signal });
    stopping.abort(new Error('vaemon stops'));
    await expect(sent).rejects.toThrow();
  });
});
