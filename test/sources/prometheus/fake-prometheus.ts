/** A Prometheus that a test fills, behind a real HTTP server, and a clock that a test moves. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPrometheusClient, type PrometheusConnection } from '../../../src/sources/prometheus/client';
import type { SourceClock } from '../../../src/sources/prometheus/clock';
import type { PrometheusSourceSettings } from '../../../src/sources/prometheus/prometheus';

export interface FakeSeries {
  labels: Record<string, string>;
  /** The value at an evaluation time, Unix ms; undefined = none. */
  at(time: number): number | string | undefined;
}

export interface FakeRequest {
  query: string;
  /** Unix ms. */
  start: number;
  end: number;
  step: number;
  headers: IncomingHttpHeaders;
}

const servers: Server[] = [];

export async function stopFakes(): Promise<void> {
  await Promise.all(
    servers.splice(0).map((server) => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    }),
  );
}

/** @param series by query; may be changed while it runs */
export async function startFakePrometheus(series: Record<string, FakeSeries[]>) {
  const requests: FakeRequest[] = [];
  const fake = {
    url: '',
    series,
    requests,
    /** Answers in the place of the next requests, one each. */
    instead: [] as ((response: ServerResponse, request: FakeRequest) => void)[],
    refuse(...statuses: number[]): void {
      for (const status of statuses)
        fake.instead.push((response) =>
          response.writeHead(status).end(JSON.stringify({ status: 'error', error: `status ${status}` })),
        );
    },
  };
  const server = createServer((message, response) => {
    const parts: Buffer[] = [];
    message.on('data', (part: Buffer) => parts.push(part));
    message.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(parts).toString());
      const ms = (name: string) => Math.round(1000 * Number(form.get(name)));
      const request = {
        query: form.get('query')!,
        start: ms('start'),
        end: ms('end'),
        step: ms('step'),
        headers: message.headers,
      };
      requests.push(request);
      const instead = fake.instead.shift();
      if (instead !== undefined) instead(response, request);
      else if (message.url !== '/api/v1/query_range') response.writeHead(404).end('not found');
      else response.end(JSON.stringify(answer(request, fake.series[request.query] ?? [])));
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return fake;
}

export type FakePrometheus = Awaited<ReturnType<typeof startFakePrometheus>>;

function answer({ start, end, step }: FakeRequest, all: readonly FakeSeries[]) {
  const result = all.flatMap(({ labels, at }) => {
    const values: [number, string][] = [];
    for (let time = start; time <= end; time += step) {
      const value = at(time);
      if (value !== undefined) values.push([time / 1000, String(value)]);
    }
    return values.length === 0 ? [] : [{ metric: labels, values }];
  });
  return { status: 'success', data: { resultType: 'matrix', result } };
}

export const connection: PrometheusConnection = {
  url: '',
  username: '',
  password: '',
  passwordFile: '',
  tokenFile: '',
  tenant: '',
  tls: { ca: '', cert: '', key: '' },
  timeoutMs: 5_000,
  maxSeries: 10_000,
};

export const clientOf = ({ url }: { url: string }, given: Partial<PrometheusConnection> = {}) =>
  createPrometheusClient({ ...connection, url, ...given });

export const sourceSettings: PrometheusSourceSettings = {
  queries: [{ name: 'cpu', text: 'cpu' }],
  stepMs: 10_000,
  keyLabels: ['instance'],
  channelLabel: '',
  conditions: [],
  delayMs: 30_000,
  overlapMs: 60_000,
  warmUpMs: 0,
  maxBatchRecords: 1000,
  maxPoints: 11_000,
};

/** A clock whose pauses take no time, up to the time that `goTo` has set. */
export function createSimulatedClock(now: number) {
  let limit = now;
  let wake: (() => void)[] = [];
  let arrived: (() => void) | undefined;
  const clock: SourceClock & { goTo(time: number): Promise<void> } = {
    now: () => now,
    async pause(ms, signal) {
      const until = now + ms;
      while (until > limit && signal?.aborted !== true) {
        now = Math.max(now, limit);
        arrived?.();
        await new Promise<void>((resolve) => {
          const end = () => {
            signal?.removeEventListener('abort', end);
            resolve();
          };
          wake.push(end);
          signal?.addEventListener('abort', end);
        });
      }
      now = Math.max(now, Math.min(until, limit));
    },
    /** Resolves when somebody waits for a later time. */
    goTo(time) {
      limit = time;
      const woken = wake;
      wake = [];
      const reached = new Promise<void>((resolve) => (arrived = resolve));
      for (const resolve of woken) resolve();
      return reached;
    },
  };
  return clock;
}

/** A lease that no other process wants. */
export const freeLease = () =>
  Promise.resolve({ lost: new AbortController().signal, release: () => Promise.resolve() });
