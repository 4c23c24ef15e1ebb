/** `vaemon init --prometheus` where the server or the options are not as expected: the reason, and nothing is written. */
import { readdir } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { runCli } from '../../src/cli/cli';
import { removeFolders, writeFolder } from '../config/folder';
import { startFakePrometheus, stopFakes } from '../sources/prometheus/fake-prometheus';
import { captureContext } from './capture';

afterEach(stopFakes);
afterEach(removeFolders);

async function init(...options: string[]): Promise<{ error: string; code: number; files: string[] }> {
  const folder = await writeFolder({});
  const captured = captureContext();
  await runCli(['init', ...options, '--out', join(folder, 'out.yaml'), '--yes'], captured.context);
  return { error: captured.stderr(), code: captured.exitCode(), files: await readdir(folder) };
}

const many = Array.from({ length: 20_000 }, (_, i) => ({ labels: { instance: `i${i}` }, at: () => 1 }));
const json = (status: number, body: unknown) => (response: ServerResponse) =>
  void response.writeHead(status).end(JSON.stringify(body));

test.each<[string, ((response: ServerResponse) => void) | undefined, RegExp]>([
  ['wants a password', json(401, {}), /HTTP 401: check source.prometheus.username/],
  ['is busy', json(429, { error: 'slow down' }), /HTTP 429 \(slow down\)/],
  ['is unavailable', json(503, {}), /HTTP 503/],
  [
    'ends in the middle of an answer',
    (response) => void response.end('{"status":"succ'),
    /the answer is cut off/,
  ],
  ['is something else', (response) => void response.end('<html>'), /not one of Prometheus/],
  [
    'has none of the series',
    json(200, { status: 'success', data: { result: [] } }),
    /no series in the last hour of query "up"/,
  ],
  [
    'has native histograms',
    json(200, { status: 'success', data: { result: [{ metric: {}, histograms: [] }] } }),
    /native histograms, not numbers/,
  ],
  ['has 20,000 series', undefined, /20000 series, more than source.prometheus.maxSeries \(10000\)/],
])('a server that %s', async (_, answer, message) => {
  const prometheus = await startFakePrometheus({ up: many });
  if (answer !== undefined) prometheus.instead.push(answer);
  const { error, code, files } = await init('--prometheus', prometheus.url, '--query', 'up');
  expect(error).toMatch(message);
  expect([code, files, prometheus.requests.length]).toEqual([1, [], 1]);
});

test('a server that does not answer in time, and one that is away', async () => {
  const prometheus = await startFakePrometheus({});
  prometheus.instead.push(() => undefined);
  const query = ['--query', 'up', '--set', 'source.prometheus.timeout=100ms'];
  expect((await init('--prometheus', prometheus.url, ...query)).error).toContain('no answer within 100 ms');
  await stopFakes();
  const { error, code } = await init('--prometheus', prometheus.url, ...query);
  expect([code, error]).toEqual([1, expect.stringMatching(/query "up": .*ECONNREFUSED/)]);
});

test.each([
  [['--prometheus', 'http://p'], 'give at least one query with --query'],
  [
    ['--prometheus', 'p:9090', '--query', 'up'],
    '--prometheus must be a URL that begins with http:// or https://',
  ],
  [
    ['--prometheus', 'http://p', '--query', 'up', '--file', 'a.csv'],
    'name one of --file, --topic and --prometheus',
  ],
  [
    ['--prometheus', 'http://p', '--query', 'up', '--brokers', 'b:1'],
    '--brokers and --registry belong to --topic',
  ],
  [['--file', 'a.csv', '--query', 'up'], '--query belongs to --prometheus'],
  [
    ['--prometheus', 'http://p', '--query', 'up', '--set', 'window.length=3'],
    'only keys of source.prometheus',
  ],
  [
    ['--prometheus', 'http://p', '--query', 'up', '--query', 'rate(up[5m])'],
    'Two queries have the name "up": write NAME=PROMQL',
  ],
  [['--prometheus', 'http://p', '--query', 'a='], 'Expected NAME=PROMQL'],
])('options %j do not fit together: %s', async (options, message) => {
  const { error, files } = await init(...options);
  expect(error).toContain(message);
  expect(files).toEqual([]);
});
