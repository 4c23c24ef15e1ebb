/** The source against a real Prometheus. The clock of the source is simulated, and the samples have its times. */
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { send } from '../../src/sinks/notification/endpoint';
import { encodeLabels, encodeWriteRequest, writeHeaders } from '../../src/sinks/remote-write/write-request';
import type { PrometheusConnection } from '../../src/sources/prometheus/client';
import { createPrometheusHistory } from '../../src/sources/prometheus/history';
import {
  createPrometheusSource,
  type PrometheusSourceSettings,
} from '../../src/sources/prometheus/prometheus';
import type { Message, OffsetStore } from '../../src/sources/source';
import {
  clientOf,
  createSimulatedClock,
  freeLease,
  sourceSettings,
} from '../sources/prometheus/fake-prometheus';
import { newFolder, removeFolders } from './plant';
import {
  hasPrometheus,
  staleMarker,
  startPrometheusStore,
  until,
  type WrittenSeries,
} from './prometheus-server';
import { endAllVaemon, startVaemon } from './vaemon-process';

jest.setTimeout(240_000);

const withPrometheus = hasPrometheus() ? describe : describe.skip;

const stepMs = 15_000;

type Store = Awaited<ReturnType<typeof startPrometheusStore>>;

interface Received {
  key: string;
  step: number;
  values: Record<string, number | null>;
}

withPrometheus('a fleet of 200 devices with 6 channels', () => {
  const devices = 200;
  const channels = ['a', 'b', 'c', 'd', 'e', 'f'];
  const start = Math.floor((Date.now() - 3_600_000) / stepMs) * stepMs;
  const at = (step: number): number => start + step * stepMs;
  const valueOf = (device: number, channel: number, step: number): number =>
    device + channel / 8 + step / 1024;
  const keyOf = (device: number): string => `device-${device}`;
  /** Steps in which a device sends nothing: a gap of ten minutes, for all devices in the middle of it. */
  const isAway = (device: number, step: number): boolean =>
    (device % 2 === 0 && step >= 90 && step < 130) || (step >= 105 && step < 115);

  const settings: PrometheusSourceSettings = {
    ...sourceSettings,
    // A window that is shorter than a step repeats no value.
    queries: [{ name: 'plant', text: 'last_over_time(plant[14s])' }],
    channelLabel: 'channel',
    stepMs,
    delayMs: 60_000,
    overlapMs: 300_000,
    warmUpMs: 4 * stepMs,
  };
  let prometheus: Store;
  const sent: { device: number; step: number }[] = [];
  const received: Received[] = [];
  let warmUps = 0;
  let lost = 0n;
  const errors: string[] = [];
  let stored: bigint | undefined = BigInt(at(0));
  const offsets: OffsetStore = {
    load: () => Promise.resolve(stored),
    save(_, offset) {
      expect(offset > stored!).toBe(true);
      stored = offset;
      return Promise.resolve();
    },
  };

  beforeAll(async () => (prometheus = await startPrometheusStore()), 60_000);
  afterAll(() => (prometheus as Store | undefined)?.stop());

  /** Writes the records of devices at steps, in this order. */
  async function send(records: readonly { device: number; step: number }[]): Promise<void> {
    const present = records.filter(({ device, step }) => !isAway(device, step));
    const series = new Map<string, WrittenSeries & { samples: [number, number][] }>();
    for (const { device, step } of present)
      channels.forEach((channel, c) => {
        const id = `${device}/${channel}`;
        const labels = { __name__: 'plant', instance: keyOf(device), channel };
        if (!series.has(id)) series.set(id, { labels, samples: [] });
        series.get(id)!.samples.push([at(step), valueOf(device, c, step)]);
      });
    if (series.size > 0) await prometheus.write([...series.values()]);
    sent.push(...present);
  }
  const steps = (from: number, to: number, wanted: (device: number) => boolean = () => true) =>
    Array.from({ length: to - from + 1 }, (_, i) => i + from).flatMap((step) =>
      Array.from({ length: devices }, (_, device) => ({ device, step })).filter(({ device }) =>
        wanted(device),
      ),
    );

  function startSource(clock: ReturnType<typeof createSimulatedClock>) {
    const source = createPrometheusSource({
      settings,
      queryRange: clientOf(prometheus),
      observer: {
        error: ({ message }) => errors.push(message),
        info: () => undefined,
        gap: (missing) => void (lost += missing),
      },
      restorePoints: { keepOnly: () => undefined, restorePoint: () => Promise.resolve(undefined) },
      offsets,
      acquireLease: freeLease,
      log: { info: () => undefined, warn: () => undefined },
      stopTimeoutMs: 5_000,
      clock,
    });
    void source.run((batch) => {
      for (const message of batch.messages) {
        if (message.warmUp) warmUps++;
        else received.push(read(message));
      }
      return Promise.resolve();
    });
    return source;
  }

  function read({ value, problem }: Message): Received {
    expect(problem).toBeUndefined();
    const record = JSON.parse(value!.toString()) as {
      key: string;
      timestamp: string;
      values: Received['values'];
    };
    return { key: record.key, step: (Date.parse(record.timestamp) - start) / stepMs, values: record.values };
  }

  test('restarts of both sides, gaps and samples out of order: each record is scored once, in order of time', async () => {
    // Sent 2 min after its time.
    const tooLate = { device: 9, step: 140 };
    const isTooLate = ({ device, step }: typeof tooLate) =>
      device === tooLate.device && step === tooLate.step;
    const clock = createSimulatedClock(at(0));
    let source = startSource(clock);
    await send(steps(0, 59));
    await clock.goTo(at(60));
    await source.stop();

    const second = createSimulatedClock(at(60));
    source = startSource(second);
    await second.goTo(at(62));
    const resume = await prometheus.pause();
    await second.goTo(at(80));
    expect(source.ready()).toMatchObject({ ready: false, reason: expect.stringContaining('ECONNREFUSED') });
    await resume();
    await send(steps(60, 89));
    await second.goTo(at(93));

    for (let step = 90; step < 160; step += 2) {
      const isLate = (device: number): boolean => device % 3 === 0 && step >= 130;
      // The second step before the first one, and some devices 30 s late.
      await send(steps(step + 1, step + 1, (device) => !isLate(device)));
      await send(steps(step, step, (device) => !isLate(device)));
      if (step > 130) {
        const late = steps(step - 2, step - 1, (device) => device % 3 === 0);
        await send(late.filter((record) => !isTooLate(record)));
      }
      if (step === 148) await send([tooLate]);
      await second.goTo(at(step + 2));
    }
    await second.goTo(at(161));
    await source.stop();

    const last = 157;
    const expected = sent
      .filter((record) => record.step <= last && !isTooLate(record))
      .map(({ device, step }) => `${String(step).padStart(3, '0')} ${keyOf(device)}`);
    const found = received.map(({ key, step }) => `${String(step).padStart(3, '0')} ${key}`);
    expect(found.length).toBeGreaterThan(25_000);
    expect(found).toEqual([...found].sort());
    expect(found).toEqual([...expected].sort());
    for (const { key, step, values } of received)
      expect(values).toEqual(
        Object.fromEntries(channels.map((channel, c) => [channel, valueOf(Number(key.slice(7)), c, step)])),
      );
    expect(warmUps).toBe(4 * devices);
    expect(lost).toBe(1n);
    expect(errors.length).toBeGreaterThan(0);
    expect(new Set(errors.map((error) => /ECONNREFUSED|ECONNRESET|hang up/.exec(error)?.[0]))).not.toContain(
      undefined,
    );
    expect(stored).toBe(BigInt(at(last) + 1));
  });

  test('the history is everything that was sent', async () => {
    const clock = { ...createSimulatedClock(at(165)), now: () => at(165) };
    const readHistory = createPrometheusHistory(clientOf(prometheus), settings, clock);
    const found: string[] = [];
    for await (const chunk of readHistory({ from: at(0), to: undefined, maxRecords: 1e6 }))
      found.push(...chunk.map(read).map(({ key, step }) => `${step} ${key}`));
    expect(new Set(found)).toEqual(new Set(sent.map(({ device, step }) => `${step} ${keyOf(device)}`)));
    expect(found).toHaveLength(sent.length);
  });
});

withPrometheus('values that are no numbers', () => {
  let prometheus: Store;
  const start = Math.floor((Date.now() - 3_600_000) / stepMs) * stepMs;
  beforeAll(async () => {
    prometheus = await startPrometheusStore();
    const sample = (step: number, value: number): [number, number] => [start + step * stepMs, value];
    const series = (instance: string, ...values: number[]): WrittenSeries => ({
      labels: { __name__: 'flow', instance },
      samples: values.map((value, step) => sample(step, value)),
    });
    await prometheus.write([
      series('scraped', 1, 2, staleMarker),
      series('pushed', 1, 2),
      series('undefined', 1, NaN, 3),
      series('infinite', 1, Infinity, 3),
    ]);
  }, 60_000);
  afterAll(() => (prometheus as Store | undefined)?.stop());

  async function read(text: string) {
    const settings = { ...sourceSettings, queries: [{ name: 'flow', text }], stepMs, delayMs: 0 };
    const clock = { now: () => start + 4 * stepMs, pause: () => Promise.resolve() };
    const found: Record<string, unknown[]> = {};
    for await (const chunk of createPrometheusHistory(
      clientOf(prometheus),
      settings,
      clock,
    )({
      from: start,
      to: undefined,
      maxRecords: 1000,
    }))
      for (const { key, value, problem } of chunk) {
        const { values } = JSON.parse(value!.toString()) as { values: { flow: unknown } };
        (found[key!.toString()] ??= []).push(problem?.reason ?? values.flow);
      }
    return found;
  }

  test('a stale marker ends a series at once, and a pushed one is repeated unless its query has a short window', async () => {
    expect(await read('flow')).toEqual({
      scraped: [1, 2],
      pushed: [1, 2, 2, 2, 2],
      undefined: [1, null, 3, 3, 3],
      infinite: [1, 'out_of_range', 3, 3, 3],
    });
    expect(await read('last_over_time(flow[14s])')).toEqual({
      scraped: [1, 2],
      pushed: [1, 2],
      undefined: [1, null, 3],
      infinite: [1, 'out_of_range', 3],
    });
  });

  test('a query that is wrong, and one that returns nothing', async () => {
    await expect(read('flow[')).rejects.toThrow(
      /query "flow": HTTP 400 \(.*parse error.*\): check source.prometheus.queries/,
    );
    expect(await read('no_such_series')).toEqual({});
  });
});

withPrometheus('a Prometheus that asks who is there', () => {
  let prometheus: Store;
  let folder: string;
  const file = (name: string): string => path.join(folder, name);

  const password = 'test';
  const range = { from: 60_000, to: 120_000, step: 60_000 };
  const one = { name: 'one', text: 'vector(1)' };
  const at = (url: string) => url.replace('http://127.0.0.1', 'https://localhost');
  const secured = () => ({
    tls: { ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key') },
    username: 'admin',
    passwordFile: file('password'),
  });

  beforeAll(async () => {
    folder = await newFolder();
    const run = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
    run(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=ca',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
    );
    await writeFile(
      file('extensions'),
      'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n',
    );
    for (const who of ['server', 'client']) {
      run(
        'req',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-subj',
        `/CN=${who}`,
        '-keyout',
        `${who}.key`,
        '-out',
        `${who}.csr`,
      );
      const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'extensions'];
      run('x509', '-req', '-in', `${who}.csr`, ...signed, '-out', `${who}.pem`);
    }
    await writeFile(file('password'), `${password}\n`);
    await writeFile(
      file('web.yml'),
      `tls_server_config: { cert_file: server.pem, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem }
basic_auth_users: { admin: '$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay' }
`,
    );
    prometheus = await startPrometheusStore(undefined, {
      webConfig: file('web.yml'),
      answers: async (url) => (await clientOf({ url: at(url) }, secured())(one, range)).series.length === 1,
    });
  }, 60_000);
  afterAll(() => (prometheus as Store | undefined)?.stop());

  const failure = (given: Partial<PrometheusConnection>): Promise<string> =>
    clientOf({ url: at(prometheus.url) }, { ...secured(), ...given })(one, range).then(
      () => '',
      (error: unknown) => String(error),
    );

  test('a client certificate and a password are sent, and what is missing is named', async () => {
    expect(await failure({})).toBe('');
    expect(await failure({ username: '' })).toMatch(
      /HTTP 401.*: check source.prometheus.username and its password/,
    );
    expect(await failure({ tls: { ...secured().tls, cert: '', key: '' } })).toMatch(
      /bad certificate|certificate required/,
    );
    expect(await failure({ tls: { ...secured().tls, ca: '' } })).toMatch(/certificate|self-signed/);
    expect(await failure({ tls: { ...secured().tls, key: file('gone.key') } })).toContain(
      'gone.key cannot be read',
    );
  });

  test('remote writes have a client certificate and headers, too', async () => {
    const basic = Buffer.from(`admin:${password}`).toString('base64');
    await writeFile(file('headers'), `Authorization: Basic ${basic}\n`);
    const endpoint = {
      headersFile: file('headers'),
      ca: file('ca.pem'),
      clientCert: file('client.pem'),
      clientKey: file('client.key'),
      timeoutMs: 5_000,
    };
    const now = Date.now();
    const body = await encodeWriteRequest([
      { labels: encodeLabels({ __name__: 'written', instance: 'a' }), samples: [[now, 1.5]] },
    ]);
    const url = new URL(`${at(prometheus.url)}/api/v1/write`);
    const write = (given: Partial<typeof endpoint>) =>
      send({ ...endpoint, ...given }, { url, body, headers: writeHeaders });
    await expect(write({ clientCert: '', clientKey: '' })).rejects.toThrow(
      /bad certificate|certificate required|ECONNRESET|EPIPE/,
    );
    await expect(write({ headersFile: '' })).rejects.toThrow('HTTP 401');
    await write({});
    const step = 1000 * Math.ceil(now / 1000);
    const { series } = await clientOf({ url: at(prometheus.url) }, secured())(
      { name: 'written', text: 'written' },
      { from: step, to: step, step: 1000 },
    );
    expect(series).toMatchObject([{ labels: { instance: 'a' }, samples: [[step, '1.5']] }]);
  });
});

withPrometheus('the daemon', () => {
  let prometheus: Store;
  let feeding: NodeJS.Timeout | undefined;
  beforeAll(async () => (prometheus = await startPrometheusStore()), 60_000);
  afterAll(async () => {
    clearInterval(feeding);
    await endAllVaemon();
    await (prometheus as Store | undefined)?.stop();
    await removeFolders();
  });

  const devices = ['pump-1', 'pump-2', 'pump-3'];
  const noise = (i: number): number => (Math.abs(Math.sin((i + 1) * 12.9898) * 43758.5453) % 1) - 0.5;
  const seriesOf = (from: number, to: number): WrittenSeries[] =>
    devices.flatMap((instance, d) =>
      ['flow', 'pressure'].map((name, c) => ({
        labels: { __name__: name, instance },
        samples: Array.from({ length: to - from + 1 }, (_, i): [number, number] => {
          const second = from + i;
          return [1000 * second, Math.sin(second / 20) + c + noise(second * 6 + d * 2 + c) / 5];
        }),
      })),
    );

  /** The samples of one series. */
  async function raw(selector: string): Promise<[number, string][]> {
    const { result } = await prometheus.api<{ result: { values: [number, string][] }[] }>('query', {
      query: `${selector}[10m]`,
    });
    expect(result).toHaveLength(1);
    return result[0]!.values;
  }

  test('it trains on the past, is killed, and continues where it was', async () => {
    let sentTo = Math.floor(Date.now() / 1000);
    await prometheus.write(seriesOf(sentTo - 900, sentTo));
    let writing = Promise.resolve();
    feeding = setInterval(() => {
      const now = Math.floor(Date.now() / 1000);
      if (now === sentTo) return;
      const series = seriesOf(sentTo + 1, now);
      sentTo = now;
      writing = writing.then(() => prometheus.write(series));
    }, 200);

    const folder = await newFolder();
    const store = path.join(folder, 'store');
    const config = path.join(folder, 'plant.yaml');
    await writeFile(
      config,
      `detector: plant
source: { kind: prometheus, prometheus: { url: '${prometheus.url}', step: 1s, delay: 2s, queries: { flow: 'last_over_time(flow[900ms])', pressure: 'last_over_time(pressure[900ms])' } } }
record: { channels: [flow, pressure] }
window: { length: 5, interval: 1s, gaps: break }
model: { hidden: [16], latentDim: 2 }
training: { schedule: '', jitter: 0s, epochs: 4, minRecords: 500 }
calibration: { falseAlarmTarget: 0.01 }
sinks: { remoteWrite: { url: '${prometheus.url}/api/v1/write', keyLabel: instance, interval: 100ms } }
`,
    );
    const start = () => startVaemon(['run'], config, { 'store.path': store });
    const offset = async () =>
      Number(await readFile(path.join(store, 'plant/partitions/prometheus-0.offset'), 'utf8'));
    const scored = (daemon: ReturnType<typeof start>) => daemon.metric('vaemon_records_scored_total');

    const first = start();
    await first.ready(90_000);
    const begin = Date.parse(String(first.log('reading from Prometheus')[0]!['scoredUpTo']));
    // A record is counted before the offset after it is stored.
    await until(async () => (await offset().catch(() => begin)) - 1 - begin >= 15_000, 60_000);
    // Each second from the beginning on is scored.
    expect(await scored(first)).toBeGreaterThanOrEqual(15 * devices.length);
    await first.signal('SIGKILL');
    const stored = await offset();

    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const second = start();
    await second.ready(90_000);
    expect(second.log('reading from Prometheus')[0]).toMatchObject({
      scoredUpTo: new Date(stored - 1).toISOString(),
    });
    await until(async () => (await scored(second)) >= 30 * devices.length, 60_000);
    const [consumed, warmUps] = [
      await second.metric('vaemon_records_consumed_total'),
      await second.metric('vaemon_records_warm_up_total'),
    ];
    expect((consumed - warmUps) / devices.length).toBeGreaterThanOrEqual(15);
    expect(warmUps).toBeGreaterThan(0);
    // The windows are those before the kill, and no record is missing.
    for (const name of ['incomplete', 'lost', 'rejected', 'window_not_full'])
      expect([name, await second.metric(`vaemon_records_${name}_total`)]).toEqual([name, 0]);
    await second.signal('SIGTERM');
    const end = await offset();
    expect(end).toBeGreaterThan(stored + 10_000);
    expect(second.log().filter(({ level }) => level === 'error')).toEqual([]);

    // The scores are series of the same Prometheus, one sample for each second and device.
    await writing;
    for (const instance of devices) {
      const times = (await raw(`vaemon_record_surprise{detector="plant",instance="${instance}"}`)).map(
        ([at]) => 1000 * at,
      );
      const wanted = Array.from({ length: (end - 1 - begin) / 1000 }, (_, i) => begin + 1000 * (i + 1));
      // Those that had not been sent at the kill are lost.
      const missing = wanted.filter((time) => !times.includes(time));
      expect(missing.filter((time) => time < stored - 10_000 || time >= stored)).toEqual([]);
      expect(times.filter((time) => !wanted.includes(time))).toEqual([]);
      const expected = await raw(`vaemon_record_expected{instance="${instance}",channel="flow"}`);
      const flow = new Map(await raw(`flow{instance="${instance}"}`));
      const errors = expected.map(([at, value]) => Math.abs(Number(value) - Number(flow.get(at))));
      expect(errors.length).toBe(times.length);
      const band = `{instance="${instance}",channel="flow"}`;
      const upper = new Map(await raw(`vaemon_record_expected_upper${band}`));
      const lower = await raw(`vaemon_record_expected_lower${band}`);
      expect(lower.length).toBeGreaterThan(0);
      for (const [time, value] of lower) expect(Number(value)).toBeLessThan(Number(upper.get(time)));
      expect(errors.reduce((sum, error) => sum + error) / errors.length).toBeLessThan(0.3);
    }
  });
});
