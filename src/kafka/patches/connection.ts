/**
 * Patch of kafkajs 2.2.4: a connection that is opened again starts without remains of the previous one.
 *
 * Upstream: tulios/kafkajs issue 919, in part. Why: kafkajs keeps the first part of a response whose second part never came,
 * because the broker has ended meanwhile, and reads the responses of the next connection as its continuation. Every later
 * request then times out after 30 s, without a log line, or a length in the middle of a response ends the process. The previous
 * socket stays open, too, and its end rejects the requests of the next one. Two requests at the same time open two sockets. And
 * a request that has timed out leaves its socket in use, so the next ones time out as well. This patch opens one socket at a
 * time, without the remains of the previous one, and closes the socket of a request that has timed out, as the Java client does.
 * Delete when: `connect` of kafkajs discards the received bytes and the listeners of the previous socket, and a timeout closes
 * the socket.
 */
import type { Socket } from 'node:net';
import type { Patch } from './patch';

/** The part of kafkajs' class that the patch uses. */
interface Connection {
  socket?: Socket;
  /** Received bytes that are not yet a complete response. */
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  /** Time to answer a request that states none, ms. */
  requestTimeout: number;
  requestQueue: { inflight: ReadonlyMap<number, { requestTimeout: number }> };
  isConnected(): boolean;
  connect(): Promise<unknown>;
  send(request: object): Promise<unknown>;
}

/** Size of the length of a response, bytes. */
const lengthBytes = 4;

/** Closes a socket without an event: its end is not that of the next socket. */
function abandon(socket: Socket): void {
  for (const event of ['data', 'end', 'error', 'timeout']) socket.removeAllListeners(event);
  socket.on('error', () => undefined);
  socket.destroy();
}

function createConnect(original: Connection['connect']): Connection['connect'] {
  /** Attempts in progress. */
  const attempts = new WeakMap<Connection, Promise<unknown>>();
  return function connect(this: Connection) {
    if (this.isConnected()) return original.call(this);
    const known = attempts.get(this);
    if (known !== undefined) return known;
    if (this.socket !== undefined) abandon(this.socket);
    this.chunks = [];
    this.bytesBuffered = 0;
    this.bytesNeeded = lengthBytes;
    const attempt = original.call(this).finally(() => attempts.delete(this));
    attempts.set(this, attempt);
    return attempt;
  };
}

/**
 * Whether a request waits for its answer that may take longer than others, such as a join of a group. A broker answers the
 * requests of a socket in turn, so that those after it may time out on a socket that is in order.
 */
function hasLongRequest({ requestTimeout, requestQueue: { inflight } }: Connection): boolean {
  return [...inflight.values()].some((one) => one.requestTimeout > requestTimeout);
}

function createSend(original: Connection['send']): Connection['send'] {
  return async function send(this: Connection, request) {
    const { socket } = this;
    try {
      return await original.call(this, request);
    } catch (error) {
      const isTimeout = (error as Error).name === 'KafkaJSRequestTimeoutError';
      // kafkajs rejects the other requests of the socket and disconnects.
      if (isTimeout && this.socket === socket && !hasLongRequest(this)) socket?.destroy(error as Error);
      throw error;
    }
  };
}

/** Methods installed by this patch. */
const patched = new WeakSet<object>();

export const connectionPatch: Patch = {
  name: 'connection',
  neededFor: 'safety',
  without: 'requests may time out without end after a connection was lost in the middle of a response',
  apply(kafkajs) {
    const { prototype } = kafkajs.load('network/connection') as { prototype?: Partial<Connection> };
    const { connect, send } = prototype ?? {};
    if (prototype === undefined || typeof connect !== 'function' || typeof send !== 'function') return false;
    if (patched.has(connect)) return true;
    const source = String(connect) + String((prototype as Record<string, unknown>)['processData']);
    if (!['this.socket = createSocket', 'this.chunks', 'bytesNeeded'].every((text) => source.includes(text)))
      return false;
    prototype.connect = createConnect(connect);
    prototype.send = createSend(send);
    patched.add(prototype.connect);
    return true;
  },
};
