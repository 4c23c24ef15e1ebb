/** The HTTP server: metrics, health and readiness, the API, and the page. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { json, pathOf, send, type Answer } from './answer';
import type { Api } from './api/api';

export interface WebServerOptions {
  host: string;
  /** 0 = any free port. */
  port: number;
  metrics: { contentType: string; text(): Promise<string> };
  /** Health of the process and its workers: only failures that a restart can repair. */
  health: () => { ok: boolean; details: Readonly<Record<string, unknown>> };
  /** `reason`: the reason why a detector is not ready. */
  readiness: () => { ready: boolean; detectors: readonly { name: string; ready: boolean; reason: string }[] };
  /** Files for the browser by their path: `/` and the files that it loads. */
  page?: ReadonlyMap<string, Answer>;
  /** Answers requests below /api/; absent = no API. */
  api?: Pick<Api, 'handle' | 'close'>;
  /** Default 256. */
  maxConnections?: number;
  log?: { error(message: string, fields: Record<string, unknown>): unknown };
}

/** Maximum number of connections. Beyond it, the oldest idle one is closed, so that a probe is always answered. */
const maxConnections = 256;
/** Time for requests in progress to finish when the server closes, ms. */
const closeGraceMs = 250;
const methods = ['GET', 'HEAD'];

/** Starts the server. Rejects with advice if it cannot listen on the address. */
export async function createWebServer(options: WebServerOptions) {
  const { log } = options;
  const pages = createPages(options);
  // The timeouts disconnect clients that send their request slowly.
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 5_000 });
  limitConnections(server, options.maxConnections ?? maxConnections);
  server.on('request', (request, response) => {
    void answerTo(request, response)
      .catch((err: unknown) => {
        log?.error('request failed', { err, path: pathOf(request) });
        return json(500, { error: 'internal error', hint: 'the log of the daemon contains the error' });
      })
      .then((answer) => answer && send(request, response, answer));
  });

  async function answerTo(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const path = pathOf(request);
    if (path.startsWith('/api/') && options.api !== undefined) return options.api.handle(request, response);
    const page = pages.get(path);
    if (page === undefined)
      return json(404, { error: 'not found', path, pages: ['/', '/metrics', '/healthz', '/readyz'] });
    if (!methods.includes(request.method ?? '')) {
      const error = { error: 'method not allowed', method: request.method, allowed: methods };
      return json(405, error, { allow: methods.join(', '), connection: 'close' });
    }
    return page();
  }

  await listen(server, options);
  const { address: host, port, family } = server.address() as AddressInfo;
  const url = `http://${family === 'IPv6' ? `[${host}]` : host}:${port}`;

  let closed: Promise<void> | undefined;
  return {
    address: { host, port, url },
    /** Accepts no new request, waits `closeGraceMs` for those in progress, then closes every connection. Idempotent. */
    close(): Promise<void> {
      options.api?.close();
      return (closed ??= close(server));
    },
  };
}

function createPages({ metrics, health, readiness, page = new Map() }: WebServerOptions) {
  const pages: Record<string, () => Answer | Promise<Answer>> = {
    '/metrics': async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.text() }),
    '/healthz'() {
      const { ok, details } = health();
      return json(ok ? 200 : 503, { ok, ...details });
    },
    '/readyz'() {
      const state = readiness();
      return json(state.ready ? 200 : 503, state);
    },
  };
  for (const [path, answer] of page) pages[path] = () => answer;
  return new Map(Object.entries(pages));
}

function limitConnections(server: Server, max: number): void {
  /** Open connections, the oldest first. */
  const open = new Set<Socket>();
  const busy = new WeakSet<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    if (open.size <= max) return;
    const all = [...open];
    (all.find((one) => !busy.has(one)) ?? all[0]!).destroy();
  });
  server.on('request', ({ socket }, response) => {
    busy.add(socket);
    response.once('close', () => busy.delete(socket));
  });
}

function listen(server: Server, { host, port }: WebServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, host, port)));
    server.listen({ host, port }, resolve);
  });
}

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): Error {
  const advice: Record<string, string> = {
    EADDRINUSE:
      'the port is in use: stop the other process, or set http.port to another port (0 = any free port)',
    EACCES: 'ports below 1024 require a privilege: set http.port to a higher port',
    EADDRNOTAVAIL: 'this machine does not have this address: set http.host to one of its addresses',
    ENOTFOUND: 'this host name has no address: set http.host to an address of this machine',
  };
  const what = advice[cause.code ?? ''] ?? cause.message;
  return new Error(`cannot listen on ${host} port ${port}: ${what}`, { cause });
}

async function close(server: Server): Promise<void> {
  const ended = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), closeGraceMs);
  await ended;
  clearTimeout(cut);
}
