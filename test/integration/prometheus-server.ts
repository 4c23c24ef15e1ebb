/** A real Prometheus for tests, with the deployed configuration and rules, pointed at a server of the test. */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compress } from 'snappy';
import { parse, stringify } from 'yaml';
import { encodeLabels, writeHeaders } from '../../src/sinks/remote-write/write-request';
import { bytes, double, int, message } from '../../src/system/protobuf';

const deployed = path.join(__dirname, '../../deploy/prometheus');

export interface Sample {
  metric: Record<string, string>;
  /** Seconds of Unix time, and the number as text. */
  value: [number, string];
}

export interface Series {
  metric: Record<string, string>;
  values: [number, string][];
}

export interface PrometheusServer {
  url: string;
  /** One of Prometheus' own API calls; rejects with its message when it does not succeed. */
  api<T>(call: string, parameters?: Record<string, string>): Promise<T>;
  query(expression: string): Promise<Sample[]>;
  queryRange(expression: string, seconds: number): Promise<Series[]>;
  stop(): Promise<void>;
}

/** Whether `prometheus` and `promtool` are installed. */
export function hasPrometheus(): boolean {
  try {
    for (const tool of ['prometheus', 'promtool']) execFileSync(tool, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts it with deploy/prometheus/, the targets and the intervals apart, and waits until it answers.
 * @param alertmanager `host:port`; without it no alerts are sent
 */
export async function startPrometheus(
  target: string,
  alertmanager?: string,
  interval = '500ms',
): Promise<PrometheusServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'vaemon-prometheus-'));
  cpSync(deployed, folder, { recursive: true });
  const file = path.join(folder, 'prometheus.yml');
  const config = parse(readFileSync(file, 'utf8')) as {
    global: Record<string, string>;
    scrape_configs: { static_configs: { targets: string[] }[] }[];
    alerting: { alertmanagers: { static_configs: { targets: string[] }[] }[] };
  };
  config.alerting.alertmanagers[0]!.static_configs = [
    { targets: alertmanager === undefined ? [] : [alertmanager] },
  ];
  config.global = { scrape_interval: interval, evaluation_interval: interval };
  config.scrape_configs[0]!.static_configs = [{ targets: [target] }];
  writeFileSync(file, stringify(config));

  const server = await launch(folder, file, await freePort());
  return { ...server, stop: () => server.stop().then(() => removeFolder(folder)) };
}

/** A Prometheus without targets that takes what a test writes, also out of order, and that can be restarted. */
export async function startPrometheusStore(
  outOfOrder = '30m',
  secured?: { webConfig: string; answers: (url: string) => Promise<boolean> },
) {
  const folder = mkdtempSync(path.join(tmpdir(), 'vaemon-prometheus-'));
  const file = path.join(folder, 'prometheus.yml');
  writeFileSync(file, stringify({ storage: { tsdb: { out_of_order_time_window: outOfOrder } } }));
  const port = await freePort();
  const options = [
    '--web.enable-remote-write-receiver',
    ...(secured === undefined ? [] : [`--web.config.file=${secured.webConfig}`]),
  ];
  const start = () => launch(folder, file, port, options, secured?.answers);
  let server = await start();
  return {
    url: server.url,
    api: <T>(...call: Parameters<PrometheusServer['api']>) => server.api<T>(...call),
    /** It does not answer until the result is called. */
    async pause() {
      await server.stop();
      return async () => void (server = await start());
    },
    async write(series: readonly WrittenSeries[]): Promise<void> {
      const response = await fetch(`${server.url}/api/v1/write`, {
        method: 'POST',
        headers: writeHeaders,
        body: await encodeWrite(series),
      });
      if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
    },
    stop: () => server.stop().then(() => removeFolder(folder)),
  };
}

/** Labels with `__name__`. */
export interface WrittenSeries {
  labels: Readonly<Record<string, string>>;
  /** Unix ms and value. */
  samples: readonly (readonly [time: number, value: number])[];
}

/** The value that ends a series: a NaN with bits of its own. */
export const staleMarker = Number.NEGATIVE_INFINITY;
const staleBits = Uint8Array.of(2, 0, 0, 0, 0, 0, 0xf0, 0x7f);

/** As src/sinks/remote-write does, with stale markers: JavaScript may change the bits of a NaN. */
async function encodeWrite(series: readonly WrittenSeries[]): Promise<Uint8Array> {
  const encoded = series.map(({ labels, samples }) =>
    bytes(
      1,
      message(
        [encodeLabels(labels)],
        ...samples.map(([time, value]) => {
          const [tag, number] = double(1, value);
          return bytes(2, message([tag!, value === staleMarker ? staleBits : number!], int(2, time)));
        }),
      ),
    ),
  );
  return compress(Buffer.from(message(...encoded)));
}

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Starts it and waits until it answers. */
async function launch(
  folder: string,
  file: string,
  port: number,
  options: readonly string[] = [],
  answers = async (url: string) => (await fetch(`${url}/-/ready`)).ok,
): Promise<PrometheusServer> {
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    'prometheus',
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...options,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));

  async function api<T>(call: string, parameters: Record<string, string> = {}): Promise<T> {
    const response = await fetch(`${url}/api/v1/${call}?${new URLSearchParams(parameters).toString()}`);
    const answer = (await response.json()) as { status: string; error?: string; data: T };
    if (answer.status !== 'success')
      throw new Error(`${call} ${JSON.stringify(parameters)}: ${answer.error ?? ''}`);
    return answer.data;
  }

  const server: PrometheusServer = {
    url,
    api,
    query: async (query) => (await api<{ result: Sample[] }>('query', { query })).result,
    async queryRange(query, seconds) {
      const end = Date.now() / 1000;
      const range = { start: String(end - seconds), end: String(end), step: '1' };
      return (await api<{ result: Series[] }>('query_range', { query, ...range })).result;
    },
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`prometheus ended:\n${log}`);
    return answers(url).catch(() => false);
  }).catch(async (error: unknown) => {
    await server.stop();
    throw error;
  });
  return server;
}

/** Asks again until it is true; rejects after `timeoutMs`. */
export async function until(holds: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline)
      throw new Error(`still not so after ${timeoutMs / 1000} s: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
