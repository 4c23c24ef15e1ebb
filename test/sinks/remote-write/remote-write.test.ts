import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { uncompress } from 'snappy';
import {
  createRemoteWriteSink,
  type RemoteWriteSettings,
} from '../../../src/sinks/remote-write/remote-write';
import { encodeLabels, encodeWriteRequest, type Sample } from '../../../src/sinks/remote-write/write-request';
import { createRecordedLog } from '../../runtime/recorded-log';
import { startServer, stopServers } from '../../system/http-server';
import { createCounts, createSimulatedTiming } from '../notification/simulated';

const requests: IncomingHttpHeaders[] = [];
beforeEach(() => void (requests.length = 0));
afterEach(stopServers);

async function create(given: Partial<RemoteWriteSettings> = {}, status: (n: number) => number = () => 204) {
  const { url } = await startServer(({ headers }) => {
    requests.push(headers);
    return [status(requests.length), ''];
  });
  const { counted, counts } = createCounts();
  const { timing, advance } = createSimulatedTiming();
  const log = createRecordedLog();
  const settings = {
    url: `${url}/api/v1/write`,
    keyLabel: 'key',
    maxDevices: 2,
    intervalMs: 5_000,
    maxQueued: 2,
    headersFile: '',
    clientCert: '',
    clientKey: '',
    ca: '',
    timeoutMs: 2_000,
    ...given,
  };
  const sink = createRemoteWriteSink({ settings, detector: 'plant', counts, log, timing });
  const observe = (key: string, timestamp: number) =>
    sink.observe(
      { partition: 0, key, timestamp, surprise: 1, threshold: 3, aboveBaseline: 1, anomalous: false },
      ['flow', 'pressure'],
      (into, at) => into.set([1, 2, 3, NaN], at),
    );
  const until = async (holds: () => boolean) => {
    for (let i = 0; i < 200 && !holds(); i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await advance(1_000);
    }
    expect(holds()).toBe(true);
  };
  return { sink, observe, counted, log, advance, until };
}

test('records of an interval are one request; without records there is none', async () => {
  const { sink, observe, counted, advance, until } = await create();
  observe('a', 1000);
  observe('b', 1000);
  observe('a', 2000);
  await advance(4_900);
  expect(requests).toEqual([]);
  await until(() => counted.delivered === 1);
  expect(requests[0]).toMatchObject({
    'content-encoding': 'snappy',
    'content-type': 'application/x-protobuf',
    'x-prometheus-remote-write-version': '0.1.0',
  });
  await advance(60_000);
  expect(requests).toHaveLength(1);
  await sink.close();
});

test('devices beyond the limit have no series, and are named once', async () => {
  const { sink, observe, log } = await create();
  for (const key of ['a', 'b', 'c', 'd', 'c']) observe(key, 1000);
  const warnings = log.entries.filter(({ message }) =>
    message.startsWith('more devices than sinks.remoteWrite.maxDevices'),
  );
  expect(warnings.map(({ fields }) => fields)).toEqual([{ maxDevices: 2 }]);
  await sink.close();
});

test('a receiver that is away holds up nothing: requests are repeated, and the oldest of too many dropped', async () => {
  const { sink, observe, counted, advance, until } = await create({}, (n) => (n <= 6 ? 503 : 204));
  for (let i = 1; i <= 20; i++) {
    observe('a', 1000 * i);
    await advance(5_000);
    expect(counted.queued).toBeLessThanOrEqual(2);
  }
  await until(() => counted.delivered > 0 && counted.queued === 0);
  expect(counted.failed).toBe(6);
  expect(counted.dropped).toBeGreaterThan(0);
  await sink.close();
});

test('samples that the receiver refuses, such as those out of order, are not sent again', async () => {
  const { sink, observe, counted, until } = await create({}, (n) => (n === 1 ? 400 : 204));
  observe('a', 1000);
  await until(() => counted.refused === 1);
  observe('a', 2000);
  await until(() => counted.delivered === 1);
  expect(requests).toHaveLength(2);
  await sink.close();
});

test('what waits is sent at the stop', async () => {
  const { sink, observe, counted } = await create();
  observe('a', 1000);
  await sink.close();
  expect(counted.delivered).toBe(1);
});

test('each channel has the expected value, and its bounds from the twenty-first normal record on', async () => {
  const bodies: Buffer[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      bodies.push(Buffer.concat(parts));
      response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  try {
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { sink } = await create({ url });
    // Errors of 2, and one of 100 that is an anomaly: it does not widen the band.
    for (let i = 1; i <= 22; i++) {
      const anomalous = i === 10;
      sink.observe(
        { partition: 0, key: 'a', timestamp: i, surprise: 1, threshold: 3, aboveBaseline: 1, anomalous },
        ['flow'],
        (into, at) => into.set([anomalous ? 107 : 9, 7], at),
      );
    }
    await sink.close();
    const samples = (values: readonly number[], from: number): Sample[] =>
      values.map((value, i): Sample => [from + i, value]);
    const labels = (name: string, channel?: string) =>
      encodeLabels({
        __name__: `vaemon_record_${name}`,
        detector: 'plant',
        key: 'a',
        ...(channel && { channel }),
      });
    const expected = await encodeWriteRequest([
      { labels: labels('surprise'), samples: samples(new Array<number>(22).fill(1), 1) },
      { labels: labels('threshold'), samples: samples(new Array<number>(22).fill(3), 1) },
      { labels: labels('expected', 'flow'), samples: samples(new Array<number>(22).fill(7), 1) },
      { labels: labels('expected_lower', 'flow'), samples: samples([1], 22) },
      { labels: labels('expected_upper', 'flow'), samples: samples([13], 22) },
    ]);
    expect(bodies).toHaveLength(1);
    expect(await uncompress(bodies[0]!)).toEqual(await uncompress(expected));
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
