import fc from 'fast-check';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toSteps } from '../../../src/sources/prometheus/records';
import { removeFolders, writeFolder } from '../../config/folder';
import { clientOf, startFakePrometheus, stopFakes, type FakePrometheus } from './fake-prometheus';

const range = { from: 20_000, to: 40_000, step: 10_000 };
const query = { name: 'cpu', text: 'rate(cpu[1m])' };

let prometheus: FakePrometheus;
beforeEach(async () => {
  prometheus = await startFakePrometheus({
    [query.text]: [{ labels: { instance: 'a' }, at: (time) => time / 1000 + 0.25 }],
  });
});
afterEach(stopFakes);
afterAll(removeFolders);

const failureOf = (given = {}): Promise<string> =>
  clientOf(prometheus, given)(query, range).then(
    () => 'no failure',
    (error: unknown) => (error as Error).message,
  );

test('a query is posted with its range, and answered with its series', async () => {
  expect(await clientOf(prometheus)(query, range)).toEqual({
    series: [
      {
        labels: { instance: 'a' },
        samples: [
          [20_000, '20.25'],
          [30_000, '30.25'],
          [40_000, '40.25'],
        ],
      },
    ],
    warnings: [],
    serverTime: expect.any(Number) as number,
  });
  expect(prometheus.requests).toMatchObject([
    { query: query.text, start: 20_000, end: 40_000, step: 10_000 },
  ]);
});

test('the path of the URL stays in front of that of the API', async () => {
  expect(await failureOf({ url: `${prometheus.url}/select/0/prometheus` })).toMatch(
    /^Prometheus at 127.0.0.1:\d+, query "cpu": HTTP 404: check source.prometheus.url$/,
  );
});

test('credentials are read again for each request', async () => {
  const folder = await writeFolder({ token: 'first\n', password: 'p:w\n' });
  const tokenFile = join(folder, 'token');
  const bearer = clientOf(prometheus, { tokenFile, tenant: 'plant' });
  await bearer(query, range);
  await writeFile(tokenFile, 'second');
  await bearer(query, range);
  await clientOf(prometheus, { username: 'me', passwordFile: join(folder, 'password') })(query, range);
  await clientOf(prometheus, { username: 'me', password: 'given' })(query, range);
  const base64 = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  expect(prometheus.requests.map(({ headers }) => [headers.authorization, headers['x-scope-orgid']])).toEqual(
    [
      ['Bearer first', 'plant'],
      ['Bearer second', 'plant'],
      [base64('me:p:w'), undefined],
      [base64('me:given'), undefined],
    ],
  );
  expect(await failureOf({ tokenFile: '/nowhere/token' })).toContain(
    '/nowhere/token cannot be read (ENOENT)',
  );
});

test.each([
  [400, 'HTTP 400 (status 400): check source.prometheus.queries'],
  [401, 'HTTP 401 (status 401): check source.prometheus.username and its password, or tokenFile'],
  [422, 'HTTP 422 (status 422)'],
  [429, 'HTTP 429 (status 429)'],
  [503, 'HTTP 503 (status 503)'],
])('HTTP %d is named with the reason that the server gives', async (status, message) => {
  prometheus.refuse(status);
  expect(await failureOf()).toMatch(new RegExp(`query "cpu": ${message.replace(/[().]/g, '\\$&')}$`));
});

const success = (result: unknown, more = {}) => ({
  status: 'success',
  data: { resultType: 'matrix', result },
  ...more,
});
const whole = JSON.stringify(success([{ metric: {}, values: [[20, '1']] }]));

test.each([
  ['half of an answer', whole.slice(0, -20), 'cut off, or not one of Prometheus'],
  ['a page of a proxy', '<html>', 'cut off, or not one of Prometheus'],
  ['a partial answer', success([], { isPartial: true }), 'partial: a storage node is unavailable'],
  ['native histograms', success([{ metric: {}, histograms: [[20, {}]] }]), 'apply histogram_quantile'],
  ['another time', success([{ metric: {}, values: [[25, '1']] }]), 'a value at 1970-01-01T00:00:25.000Z'],
  ['no time', success([{ metric: {}, values: [[-9e12, '1']] }]), 'a value at -9000000000000 s'],
  ['something else', success([{ metric: {}, values: ['1'] }]), 'no series of numbers'],
  [
    '50,000 series',
    success(Array.from({ length: 50_000 }, () => ({ metric: {}, values: [] }))),
    '50000 series, more than source.prometheus.maxSeries (10000)',
  ],
])('%s is refused', async (_, body, message) => {
  prometheus.instead.push((response) => response.end(typeof body === 'string' ? body : JSON.stringify(body)));
  expect(await failureOf()).toContain(message);
});

test('an answer that breaks off, is too slow or too large is refused', async () => {
  prometheus.instead.push((response) => {
    response.writeHead(200, { 'content-length': whole.length }).write(whole.slice(0, 10));
    setImmediate(() => response.destroy());
  });
  expect(await failureOf()).toContain('aborted');
  prometheus.instead.push((response) => void response.write(whole.slice(0, 10)));
  expect(await failureOf({ timeoutMs: 100 })).toContain('no answer within 100 ms');
  prometheus.instead.push((response) => response.end(Buffer.alloc(34_000_000, ' ')));
  expect(await failureOf()).toContain('larger than 33554432 bytes');
  expect(await failureOf()).toBe('no failure');
});

test('an unreachable server is named', async () => {
  expect(await failureOf({ url: 'http://127.0.0.1:9' })).toContain('connect ECONNREFUSED 127.0.0.1:9');
});

test('warnings are passed on', async () => {
  prometheus.instead.push((response) => response.end(JSON.stringify(success([], { warnings: ['slow', 7] }))));
  expect(await clientOf(prometheus)(query, range)).toMatchObject({ series: [], warnings: ['slow'] });
});

test('whatever a server answers is series or an error that names the query', async () => {
  const label = fc.oneof(fc.constantFrom('a', 'b', '__proto__'), fc.string());
  const value = fc.oneof(fc.constantFrom('1', 'NaN', '+Inf', '-Inf', '1e999', '', 'x'), fc.jsonValue());
  const sample = fc.oneof(fc.tuple(fc.constantFrom(20, 30, 40), value), fc.jsonValue());
  const series = fc.record(
    {
      metric: fc.dictionary(label, fc.oneof(label, fc.jsonValue())),
      values: fc.array(sample),
      histograms: fc.jsonValue(),
    },
    { requiredKeys: ['metric', 'values'] },
  );
  const usual = fc.record({
    metric: fc.dictionary(label, label),
    values: fc.array(
      fc.tuple(fc.constantFrom(20, 30, 40), fc.constantFrom('1', 'NaN', '+Inf', '1e999', 'x')),
    ),
  });
  let read = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.array(usual), fc.array(fc.oneof(usual, series)), fc.jsonValue()),
      async (result) => {
        prometheus.instead.push((response) => response.end(JSON.stringify(success(result))));
        const outcome = await clientOf(prometheus)(query, range).catch((error: unknown) => error as Error);
        if (outcome instanceof Error) {
          expect(outcome.message).toContain('query "cpu": ');
          return;
        }
        read++;
        const rules = { keyLabels: ['a', 'b'], channelLabel: '__proto__', conditions: [] };
        for (const step of toSteps([{ name: 'cpu', series: outcome.series }], range, rules))
          for (const { value: json } of step.records()) JSON.parse(json.toString());
      },
    ),
    { numRuns: 300 },
  );
  expect(read).toBeGreaterThan(50);
});
