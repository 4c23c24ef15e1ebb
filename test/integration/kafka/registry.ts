/** A real schema registry, and a proxy before it that can be closed and requires a password. */
import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const script = promisify(execFile);

export interface TestRegistry {
  url: string;
  /** Registers a schema and returns its id. */
  register(
    subject: string,
    type: 'AVRO' | 'JSON',
    schema: unknown,
    references?: readonly { name: string; subject: string; version: number }[],
  ): Promise<number>;
  /** Stops the registry and deletes its data. */
  remove(): Promise<void>;
}

/** Starts a registry; Maven downloads it once (142 MB, in `.cache/apicurio`). */
export async function startRegistry(): Promise<TestRegistry> {
  const folder = await mkdtemp(path.join(tmpdir(), 'vaemon-registry-'));
  const { stdout } = await script(path.join(__dirname, 'registry-up.sh'), [folder]);
  const url = stdout.trim().replace('REGISTRY_URL=', '');
  return {
    url,
    async register(subject, type, schema, references = []) {
      const response = await fetch(`${url}/subjects/${subject}/versions`, {
        method: 'POST',
        headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
        body: JSON.stringify({ schemaType: type, schema: JSON.stringify(schema), references }),
      });
      const { id } = (await response.json()) as { id?: number };
      if (id === undefined) throw new Error(`the registry did not take the schema of ${subject}`);
      return id;
    },
    async remove() {
      await script(path.join(__dirname, 'kafka-down.sh'), [folder, '--kill', '--wipe']);
    },
  };
}

export interface Gate {
  url: string;
  /** Number of requests, refused ones included. */
  requests(): number;
  /** `open` passes requests with the credentials, `shut` breaks every connection. */
  set(state: 'open' | 'shut'): void;
  close(): Promise<void>;
}

/** A proxy before a registry that requires a user and a password. */
export async function openGate(registry: string, user: string, password: string): Promise<Gate> {
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  let state: 'open' | 'shut' = 'open';
  let requests = 0;
  const { origin, pathname } = new URL(registry);
  const server = createServer((request, response) => {
    requests++;
    if (state === 'shut') {
      response.destroy();
    } else if (request.headers.authorization !== expected) {
      response.writeHead(401).end(JSON.stringify({ error_code: 40101, message: 'Unauthorized' }));
    } else {
      const onward = forward(`${origin}${request.url!}`, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      onward.once('error', () => response.destroy());
      onward.end();
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    requests: () => requests,
    set: (to) => (state = to),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
