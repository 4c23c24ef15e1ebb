import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connectionPatch } from '../../../src/kafka/patches/connection';
import { installedKafkajs } from '../../../src/kafka/patches/installed';
import { pause } from '../../../src/system/pause';

interface Connection {
  socket: Socket;
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
  isConnected(): boolean;
  send(request: object): Promise<string>;
}

const load = createRequire(__filename);
const ConnectionClass = load('kafkajs/src/network/connection') as new (options: object) => Connection;
const Encoder = load('kafkajs/src/protocol/encoder') as new () => object;
const createSockets = load('kafkajs/src/network/socketFactory') as () => unknown;

/** Answers a request; `socket` is that of the request, `count` the number of its connection, from 1. */
type Answer = (socket: Socket, count: number, correlationId: number) => void;

const requestTimeout = 300;
const servers: Server[] = [];
const connections: Connection[] = [];

beforeAll(() => expect(connectionPatch.apply(installedKafkajs)).toBe(true));
afterEach(async () => {
  await Promise.all(connections.splice(0).map((one) => one.disconnect()));
  for (const server of servers.splice(0)) server.close();
});

/** A broker that answers as told, and a connection of kafkajs to it. */
async function connectTo(answer: Answer): Promise<{ connection: Connection; opened: Socket[] }> {
  const opened: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const count = opened.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (requests) => {
      // Small requests arrive whole: length, key, version, correlation id, client.
      for (let at = 0; at < requests.length; at += 4 + requests.readInt32BE(at))
        answer(socket, count, requests.readInt32BE(at + 8));
    });
  });
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const logger = { debug: noop, error: noop, warn: noop, info: noop, namespace: () => logger };
  const connection = new ConnectionClass({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    logger,
    socketFactory: createSockets(),
    requestTimeout,
    connectionTimeout: 1_000,
  });
  connections.push(connection);
  return { connection, opened };
}
const noop = () => undefined;

function response(correlationId: number, text: string): Buffer {
  const bytes = Buffer.alloc(8 + text.length);
  bytes.writeInt32BE(4 + text.length);
  bytes.writeInt32BE(correlationId, 4);
  bytes.write(text, 8);
  return bytes;
}

const ask = (connection: Connection, timeout?: number): Promise<string> =>
  connection.send({
    requestTimeout: timeout,
    request: { apiKey: 3, apiVersion: 0, apiName: 'Metadata', encode: () => Promise.resolve(new Encoder()) },
    response: {
      decode: (payload: Buffer) => Promise.resolve(payload),
      parse: (payload: Buffer) => Promise.resolve(payload.toString()),
    },
  });

async function disconnected(connection: Connection): Promise<void> {
  while (connection.isConnected()) await pause(5);
}

test('a response that was cut off does not swallow the responses of the next connection', async () => {
  const { connection } = await connectTo((socket, count, id) => {
    if (count === 1) socket.end(response(id, 'a response that never ends'.repeat(100)).subarray(0, 1_000));
    else socket.write(response(id, 'complete'));
  });
  await connection.connect();
  await expect(ask(connection)).rejects.toThrow('Closed connection');
  await disconnected(connection);
  await connection.connect();
  expect(await ask(connection)).toBe('complete');
});

test('what arrives late on the previous socket is ignored', async () => {
  const { connection, opened } = await connectTo((socket, count, id) => {
    if (count === 1) return;
    opened[0]!.write(response(id, 'late').subarray(0, 9));
    setTimeout(() => socket.write(response(id, 'complete')), 50);
  });
  await connection.connect();
  await connection.disconnect();
  await connection.connect();
  expect(await ask(connection)).toBe('complete');
});

test('concurrent requests open one socket', async () => {
  const { connection, opened } = await connectTo((socket, _count, id) => socket.write(response(id, 'yes')));
  await Promise.all([connection.connect(), connection.connect()]);
  expect(await Promise.all([ask(connection), ask(connection)])).toEqual(['yes', 'yes']);
  expect(opened).toHaveLength(1);
});

test('the next attempt follows one that has failed', async () => {
  const { connection } = await connectTo((socket, _count, id) => socket.write(response(id, 'yes')));
  const [server] = servers;
  const { port } = server!.address() as AddressInfo;
  server!.close();
  await once(server!, 'close');
  await expect(Promise.all([connection.connect(), connection.connect()])).rejects.toThrow('ECONNREFUSED');
  server!.listen(port, '127.0.0.1');
  await once(server!, 'listening');
  await connection.connect();
  expect(await ask(connection)).toBe('yes');
});

test('a request that has timed out closes its socket', async () => {
  const { connection, opened } = await connectTo((socket, count, id) => {
    if (count > 1) socket.write(response(id, 'yes'));
  });
  await connection.connect();
  await expect(ask(connection)).rejects.toThrow('timed out');
  await disconnected(connection);
  await connection.connect();
  expect(await ask(connection)).toBe('yes');
  expect(opened).toHaveLength(2);
});

test('a request that may take longer, and delays others, is not ended by their timeout', async () => {
  const { connection, opened } = await connectTo((socket, _count, id) => {
    if (id === 0) setTimeout(() => socket.write(response(id, 'joined')), 3 * requestTimeout);
  });
  await connection.connect();
  const long = ask(connection, 20 * requestTimeout);
  await expect(ask(connection)).rejects.toThrow('timed out');
  expect(await long).toBe('joined');
  expect(opened).toHaveLength(1);
});
