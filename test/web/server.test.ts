import { request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createWebServer } from '../../src/web/server';
import type { WebServerOptions } from '../../src/web/server';

type WebServer = Awaited<ReturnType<typeof createWebServer>>;

const servers: WebServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start(changes: Partial<WebServerOptions> = {}): Promise<WebServer> {
  const server = await createWebServer({
    host: '127.0.0.1',
    port: 0,
    metrics: {
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      text: () => Promise.resolve('up 1\n'),
    },
    health: () => ({ ok: true, details: { uptimeSeconds: 3 } }),
    readiness: () => ({ ready: true, detectors: [{ name: 'pump', ready: true, reason: '' }] }),
    ...changes,
  });
  servers.push(server);
  return server;
}

/** A client that connects and sends `text`. */
function connectTo({ address }: WebServer, text = ''): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(address.port, address.host, () => {
      socket.off('error', reject).on('error', () => undefined);
      if (text !== '') socket.write(text);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

describe('the pages', () => {
  test('/metrics returns the text unchanged, with its content type', async () => {
    const { address } = await start();
    const response = await fetch(`${address.url}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.text()).toBe('up 1\n');
  });

  test('a client that asks for OpenMetrics gets the text format', async () => {
    const { address } = await start();
    const accept = 'application/openmetrics-text; version=1.0.0';
    const response = await fetch(`${address.url}/metrics`, { headers: { accept } });
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
  });

  test('/healthz is 200 if the process is healthy, else 503 with the details', async () => {
    let ok = true;
    const { address } = await start({ health: () => ({ ok, details: { worker: ok ? 'runs' : 'died' } }) });
    const well = await fetch(`${address.url}/healthz`);
    expect([well.status, await well.json()]).toEqual([200, { ok: true, worker: 'runs' }]);
    ok = false;
    const ill = await fetch(`${address.url}/healthz`);
    expect([ill.status, await ill.json()]).toEqual([503, { ok: false, worker: 'died' }]);
  });

  test('/readyz is 503 with the reason of each detector until all are ready', async () => {
    let ready = false;
    const reason = 'no model yet: 120 of 600 records';
    const { address } = await start({
      readiness: () => ({ ready, detectors: [{ name: 'pump', ready, reason: ready ? '' : reason }] }),
    });
    const early = await fetch(`${address.url}/readyz`);
    expect(early.status).toBe(503);
    expect(await early.json()).toEqual({ ready: false, detectors: [{ name: 'pump', ready: false, reason }] });
    ready = true;
    expect((await fetch(`${address.url}/readyz`)).status).toBe(200);
  });

  test('the files of the page are served with their headers, with or without a query', async () => {
    const file = {
      status: 200,
      contentType: 'text/html',
      body: Buffer.from('ä'),
      headers: { 'x-frame': 'no' },
    };
    const { address } = await start({ page: new Map([['/', file]]) });
    const response = await fetch(`${address.url}/?x=1`);
    expect(await response.text()).toBe('ä');
    expect(response.headers.get('x-frame')).toBe('no');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test.each(['/nothing', '/metrics/', '//', '/__proto__', '/%00', '/..%2f..%2fetc/passwd'])(
    '%s is 404, in JSON',
    async (path) => {
      const { address } = await start();
      const socket = await connectTo(
        servers[0]!,
        `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      );
      const answer = (await socket.toArray()).join('');
      expect(address.port).toBeGreaterThan(0);
      expect(answer).toContain('HTTP/1.1 404 Not Found');
      expect(answer).toContain('application/json');
      expect(answer).toContain(`"path":"${path}"`);
    },
  );

  test.each(['POST', 'PUT', 'DELETE', 'PATCH'])('%s is 405 and lists the allowed methods', async (method) => {
    const { address } = await start();
    const response = await fetch(`${address.url}/metrics`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    expect(await response.json()).toMatchObject({ error: 'method not allowed', method });
  });

  test('HEAD has the headers of GET and no body', async () => {
    const { address } = await start();
    const response = await fetch(`${address.url}/metrics`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-length')).toBe('5');
    expect(await response.text()).toBe('');
  });
});

describe('failures', () => {
  test('a failed scrape is 500 with a log entry, and the next scrape works', async () => {
    const cause = new Error('collector broke');
    const error = jest.fn();
    const text = jest.fn().mockRejectedValueOnce(cause).mockResolvedValue('up 1\n');
    const { address } = await start({ metrics: { contentType: 'text/plain', text }, log: { error } });
    const failed = await fetch(`${address.url}/metrics`);
    expect([failed.status, await failed.json()]).toEqual([
      500,
      expect.objectContaining({ error: 'internal error' }),
    ]);
    expect(error).toHaveBeenCalledWith('request failed', { err: cause, path: '/metrics' });
    expect((await fetch(`${address.url}/metrics`)).status).toBe(200);
  });

  test('a readiness that throws is 500 and does not end the process', async () => {
    const { address } = await start({
      readiness: () => {
        throw new Error('broken');
      },
    });
    expect((await fetch(`${address.url}/readyz`)).status).toBe(500);
  });

  test('no page may be read by a script of another site', async () => {
    const { address } = await start();
    for (const method of ['GET', 'OPTIONS']) {
      const headers = { origin: 'http://elsewhere', 'access-control-request-method': 'GET' };
      const response = await fetch(`${address.url}/metrics`, { method, headers });
      expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });

  test.each([
    ['a header of 100 kB', `GET /metrics HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`, 431],
    ['two lengths', 'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400],
    ['a header without a name', 'GET / HTTP/1.1\r\nhost: a\r\n: b\r\n\r\n', 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ])('%s is refused, and the server continues', async (_, text, status) => {
    const server = await start();
    const socket = await connectTo(server, text);
    const answer = await new Promise<string>((resolve) =>
      socket.once('data', (data) => resolve(String(data))),
    );
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    socket.destroy();
    expect((await fetch(`${server.address.url}/metrics`)).status).toBe(200);
  });

  test('a request that is not HTTP is 400, and the server continues', async () => {
    const server = await start();
    const socket = await connectTo(server, '\x16\x03\x01 not http\r\n\r\n');
    expect((await socket.toArray()).join('')).toContain('400 Bad Request');
    expect((await fetch(`${server.address.url}/healthz`)).status).toBe(200);
  });
});

describe('listening', () => {
  test('a port in use is an error with the address and advice', async () => {
    const { address } = await start();
    const again = start({ port: address.port });
    await expect(again).rejects.toThrow(
      `cannot listen on 127.0.0.1 port ${address.port}: the port is in use: stop the other process, or set http.port`,
    );
    await expect(again).rejects.toMatchObject({ cause: { code: 'EADDRINUSE' } });
  });

  test('a foreign address is an error with the key to change', async () => {
    await expect(start({ host: '192.0.2.1' })).rejects.toThrow('set http.host to one of its addresses');
  });

  test('port 0 selects a free port, which address contains', async () => {
    const { address } = await start();
    expect(address).toEqual({
      host: '127.0.0.1',
      port: address.port,
      url: `http://127.0.0.1:${address.port}`,
    });
    expect(address.port).toBeGreaterThan(0);
  });

  test('an IPv6 address has brackets in the URL', async () => {
    const { address } = await start({ host: '::1' });
    expect(address.url).toBe(`http://[::1]:${address.port}`);
    expect((await fetch(`${address.url}/healthz`)).status).toBe(200);
  });
});

describe('closing', () => {
  test('silent, incomplete and kept-alive connections do not delay it', async () => {
    const server = await start();
    const sockets = await Promise.all([
      connectTo(server),
      connectTo(server, 'GET /metrics HTTP/1.1\r\nho'),
      connectTo(server, 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n'),
    ]);
    const received = sockets.map(
      (socket) =>
        new Promise<string>((resolve) => {
          let text = '';
          socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
          socket.once('close', () => resolve(text));
        }),
    );
    await server.close();
    // A server that waits for its timeouts answers 408.
    expect((await Promise.all(received)).filter((text) => text.includes('408'))).toEqual([]);
  });

  test('a scrape that never ends does not delay it', async () => {
    const server = await start({
      metrics: { contentType: 'text/plain', text: () => new Promise(() => undefined) },
    });
    const hung = new Promise((resolve) => {
      request(`${server.address.url}/metrics`).once('error', resolve).end();
    });
    const socket = await connectTo(server);
    await server.close();
    await hung;
    socket.destroy();
  });

  test('a request in progress is answered', async () => {
    let finish: (text: string) => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      const text = () => {
        resolve();
        return new Promise<string>((done) => (finish = done));
      };
      void start({ metrics: { contentType: 'text/plain', text } }).then(({ address }) => {
        answer = fetch(`${address.url}/metrics`);
      });
    });
    let answer: Promise<Response> | undefined;
    await asked;
    const closed = servers[0]!.close();
    finish('late\n');
    expect(await (await answer!).text()).toBe('late\n');
    await closed;
  });

  test('the port is free afterwards, and a second close does nothing', async () => {
    const server = await start();
    await Promise.all([server.close(), server.close()]);
    await expect(fetch(`${server.address.url}/healthz`)).rejects.toThrow();
  });
});

describe('many connections', () => {
  test('are bounded: the oldest that wait for a request are closed, and a new one is answered', async () => {
    const server = await start({ maxConnections: 20 });
    const sockets = await Promise.all(Array.from({ length: 60 }, () => connectTo(server)));
    const response = await fetch(`${server.address.url}/healthz`);
    expect(response.status).toBe(200);
    const isOpen = (socket: Socket): boolean => !socket.destroyed && !socket.readableEnded;
    sockets.forEach((socket) => socket.resume());
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sockets.filter(isOpen).length).toBeLessThanOrEqual(20);
    expect(sockets.slice(-10).every(isOpen)).toBe(true);
    sockets.forEach((socket) => socket.destroy());
  });

  test('leave a request in progress alone', async () => {
    let answer: (text: string) => void = () => undefined;
    const text = () => new Promise<string>((resolve) => (answer = resolve));
    const server = await start({ maxConnections: 5, metrics: { contentType: 'text/plain', text } });
    const scrape = fetch(`${server.address.url}/metrics`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const sockets = await Promise.all(Array.from({ length: 20 }, () => connectTo(server)));
    answer('up 1\n');
    expect(await (await scrape).text()).toBe('up 1\n');
    sockets.forEach((socket) => socket.destroy());
  });

  test('of 2,000 silent clients do not keep a probe from its answer', async () => {
    const server = await start();
    const connecting = Array.from({ length: 2_000 }, () =>
      connectTo(server, 'GET /me').catch(() => undefined),
    );
    const sockets = await Promise.all(connecting);
    expect((await fetch(`${server.address.url}/healthz`)).status).toBe(200);
    // It did not have to wait until they were given up.
    expect(sockets.some((socket) => socket?.readyState === 'open')).toBe(true);
    sockets.forEach((socket) => socket?.destroy());
  });
});
