/** Streams events as server-sent events (WHATWG HTML, section 9.2). */
import type { ServerResponse } from 'node:http';
import type { PastEvent } from '../../past/past-event';

/** Maximum number of clients; each one holds a connection. */
const mostClients = 32;
/** A client with more unsent bytes is disconnected; it then connects again. */
const mostUnsent = 1_048_576;
/** Time between two comments that keep the connection open, ms. */
const heartbeatMs = 15_000;
/** Time after which a disconnected client connects again, ms. */
const retryMs = 3_000;

/** @param describe converts an event to the data that a client receives */
export function createEventStream(describe: (past: PastEvent) => unknown) {
  const clients = new Set<ServerResponse>();
  const heartbeat = setInterval(() => send(': \n\n'), heartbeatMs).unref();

  function send(text: string): void {
    for (const client of clients) {
      if (client.writableLength > mostUnsent) client.destroy();
      else client.write(text);
    }
  }

  return {
    get isFull() {
      return clients.size >= mostClients;
    },
    /** Turns the response into a stream of the events from now on. */
    add(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
      response.writeHead(200, {
        ...headers,
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
      });
      response.write(`retry: ${retryMs}\n\n`);
      clients.add(response);
      response.once('close', () => clients.delete(response));
    },
    publish(past: PastEvent): void {
      if (clients.size > 0) send(`event: event\ndata: ${JSON.stringify(describe(past))}\n\n`);
    },
    close(): void {
      clearInterval(heartbeat);
      for (const client of clients) client.end();
    },
  };
}
