/** A server on loopback that answers as a test tells it. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A status and a body; 0 = the connection breaks, negative = no answer ever comes. */
export type Answer = [status: number, body: unknown];

const servers: Server[] = [];

/** Starts a server; `stopServers` ends all of them. */
export async function startServer(
  answer: (request: IncomingMessage, body: string) => Answer,
): Promise<{ url: string }> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const [status, body] = answer(request, Buffer.concat(parts).toString());
      if (status === 0) response.destroy();
      else if (status > 0)
        response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

export async function stopServers(): Promise<void> {
  await Promise.all(
    servers.splice(0).map((server) => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    }),
  );
}
