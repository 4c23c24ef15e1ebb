/** `vaemon init --prometheus` against a real Prometheus: the proposal, and queries that make no detector. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { runCli } from '../../src/cli/cli';
import { captureContext } from '../cli/capture';
import { newFolder, removeFolders } from './plant';
import { hasPrometheus, staleMarker, startPrometheusStore, type WrittenSeries } from './prometheus-server';

jest.setTimeout(180_000);

const withPrometheus = hasPrometheus() ? describe : describe.skip;

withPrometheus('three pumps, two hours', () => {
  type Store = Awaited<ReturnType<typeof startPrometheusStore>>;
  let prometheus: Store;
  let folder: string;
  beforeAll(async () => {
    prometheus = await startPrometheusStore();
    await prometheus.write(plant());
  }, 60_000);
  beforeEach(async () => (folder = await newFolder()));
  afterAll(async () => {
    await (prometheus as Store | undefined)?.stop();
    await removeFolders();
  });

  const end = Math.floor(Date.now() / 1000) * 1000;
  const pumps = ['p1:9100', 'p2:9100', 'p3:9100'];

  /** Samples of the last two hours, which begin at any time between two steps. */
  function series(
    labels: Record<string, string>,
    intervalMs: number,
    valueOf: (time: number) => number,
  ): WrittenSeries {
    const count = Math.floor(7_200_000 / intervalMs);
    const first = end - count * intervalMs + 1234;
    return {
      labels,
      samples: Array.from({ length: count }, (_, i) => {
        const time = first + i * intervalMs;
        return [time, valueOf(time)] as const;
      }),
    };
  }

  function plant(): WrittenSeries[] {
    const wave = (time: number, minutes: number) => Math.sin((time / (minutes * 60_000)) * 2 * Math.PI);
    const all = pumps.flatMap((instance, i) => [
      series({ __name__: 'flow', instance, job: 'plant' }, 15_000, (time) => 50 + i + 5 * wave(time, 7)),
      series({ __name__: 'pressure', instance, job: 'plant' }, 15_000, (time) => 3 + 0.2 * wave(time, 7)),
      series({ __name__: 'slow', instance, job: 'plant' }, 60_000, (time) => 20 + wave(time, 20)),
      series({ __name__: 'mode', instance, job: 'plant' }, 15_000, (time) => Math.floor(time / 900_000) % 2),
      series(
        { __name__: 'energy_total', instance, job: 'plant' },
        15_000,
        (time) => (time - end) / 1000 + 1e6,
      ),
      series(
        { __name__: 'process_cpu_seconds_total', instance, job: 'plant' },
        15_000,
        (time) => (time - end) / 9000 + 900 + wave(time, 7),
      ),
      series(
        { __name__: 'process_resident_memory_bytes', instance, job: 'plant' },
        15_000,
        (time) => 2e8 + 1e7 * wave(time, 7),
      ),
      series({ __name__: 'nothing', instance, job: 'plant' }, 15_000, () => NaN),
      series({ __name__: 'endless', instance, job: 'plant' }, 15_000, () => Infinity),
      ...['in', 'out'].map((side) =>
        series({ __name__: 'temp', instance, job: 'plant', side }, 15_000, (time) => 40 + wave(time, 7)),
      ),
      ...['0', '1'].map((core) =>
        series({ __name__: 'core', instance, job: 'plant', core }, 15_000, (time) => 60 + wave(time, 7)),
      ),
      ...['0.1', '1', '+Inf'].map((le) =>
        series(
          { __name__: 'wait_bucket', instance, job: 'plant', le },
          15_000,
          (time) => (time - end) / 1000 + 1e6,
        ),
      ),
    ]);
    // A device that ended half an hour ago.
    const ended = series({ __name__: 'flow', instance: 'old:9100', job: 'plant' }, 15_000, () => 7);
    const at = ended.samples.findIndex(([time]) => time > end - 1_800_000);
    const samples = [...ended.samples.slice(0, at), [end - 1_800_000, staleMarker] as const];
    return [...all, { ...ended, samples }];
  }

  async function init(...options: string[]) {
    const captured = captureContext();
    const out = path.join(folder, 'out.yaml');
    await runCli(
      ['init', '--prometheus', prometheus.url, '--out', out, ...options, '--yes'],
      captured.context,
    );
    const files = await readdir(folder);
    return {
      text: files.length === 0 ? '' : await readFile(out, 'utf8'),
      report: captured.stdout(),
      error: captured.stderr(),
      code: captured.exitCode(),
    };
  }
  const queries = (...all: string[]) => all.flatMap((query) => ['--query', query]);

  test('queries become channels and conditions, and the step is that of the samples', async () => {
    const { text, report, error, code } = await init(
      ...queries('flow', 'pressure', 'rate=rate(energy_total{job="plant"}[1m])', 'mode', 'nothing'),
    );
    expect({ error, code }).toEqual({ error: '', code: 0 });
    expect(report).toContain('label instance, 4 devices');
    expect(report).toContain('values.nothing (it has no value in any record)');
    expect(report).toMatch(/1\. 0\.005 +1 per day +\d/);
    expect(parse(text)).toMatchObject({
      source: {
        kind: 'prometheus',
        prometheus: {
          url: prometheus.url,
          queries: {
            flow: 'flow',
            pressure: 'pressure',
            rate: 'rate(energy_total{job="plant"}[1m])',
            mode: 'mode',
          },
          step: '15s',
          keyLabels: ['instance'],
          conditions: ['mode'],
        },
      },
      record: { channels: ['flow', 'pressure', 'rate'], conditions: { mode: { kind: 'category' } } },
      window: { interval: '15s', gaps: 'fill' },
    });
    expect(text).not.toContain('nothing:');
    const checked = captureContext();
    await runCli(['config', 'check', path.join(folder, 'out.yaml')], checked.context);
    expect([checked.exitCode(), checked.stderr()]).toEqual([0, '']);
  });

  test('the proposed detector trains on the history of the server', async () => {
    const { code } = await init(...queries('flow', 'pressure'));
    expect(code).toBe(0);
    const trained = captureContext();
    const store = `store.path=${path.join(folder, 'store')}`;
    const quick = ['--set', store, '--set', 'training.epochs=1'];
    await runCli(['train', path.join(folder, 'out.yaml'), ...quick], trained.context);
    expect({ code: trained.exitCode(), error: trained.stderr() }).toMatchObject({ code: 0 });
  });

  test('a label that each device has the same values of names channels', async () => {
    const { text, code } = await init(...queries('temp'));
    expect(code).toBe(0);
    expect(parse(text)).toMatchObject({
      source: { prometheus: { queries: { temp: 'temp' }, keyLabels: ['instance'], channelLabel: 'side' } },
      record: { channels: ['in', 'out'] },
    });
    expect(text).toContain('CHECK: the label "side" names a channel');
  });

  test('a query of several metrics has the metrics as channels', async () => {
    const { text, code } = await init(...queries('plant={__name__=~"flow|pressure"}'));
    expect(code).toBe(0);
    expect(parse(text)).toMatchObject({
      source: { prometheus: { channelLabel: '__name__' } },
      record: { channels: ['flow', 'pressure'] },
    });
  });

  test('of mixed intervals the longest is the step, which a person should check', async () => {
    const { text, code } = await init(...queries('flow', 'slow'));
    expect(code).toBe(0);
    expect(parse(text)).toMatchObject({ source: { prometheus: { step: '1m' } }, window: { interval: '1m' } });
    expect(text.replace(/\s+#\s+/g, ' ')).toContain(
      'CHECK: the queries have new values at different intervals, and the longest is the step: flow 15 s, slow 60 s',
    );
  });

  test('a setting takes precedence, and becomes part of the file', async () => {
    const set = ['step=30s', 'delay=2m', 'keyLabels=job,instance'].flatMap((one) => [
      '--set',
      `source.prometheus.${one}`,
    ]);
    const { text, code } = await init(...queries('flow'), ...set);
    expect(code).toBe(0);
    expect(parse(text)).toMatchObject({
      source: { prometheus: { step: '30s', delay: '2m', keyLabels: ['job', 'instance'] } },
    });
  });

  test('the commands of docs/prometheus.md, with this server', () => {
    const root = path.join(__dirname, '../..');
    const page = readFileSync(path.join(root, 'docs/prometheus.md'), 'utf8');
    const [, commands] = /```sh\n(.*?)```/s.exec(page)!;
    expect(commands).toContain('http://localhost:9090');
    const output = execFileSync(
      'bash',
      [
        '-ec',
        `vaemon() { node ${path.join(root, 'dist/main.js')} "$@"; }\n${commands!.replaceAll('http://localhost:9090', prometheus.url)}`,
      ],
      {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, VAEMON_STORE_PATH: path.join(folder, 'store') },
      },
    );
    expect(output).toMatch(/2 channels in values: .*process_resident_memory_bytes/);
    expect(output).toMatch(/^0 wrong, \d+ warnings$/m);
  });

  test('another answer to the question of the labels is sampled again', async () => {
    const captured = captureContext();
    const questions: string[] = [];
    const ask = (question: string) => {
      questions.push(question);
      return Promise.resolve(questions.length === 1 ? 'job, instance' : '');
    };
    const out = path.join(folder, 'out.yaml');
    const argv = ['init', '--prometheus', prometheus.url, '--query', 'flow', '--out', out];
    await runCli(argv, { ...captured.context, ask });
    expect(questions[0]).toBe('Labels of the device [instance] (or job, none): ');
    expect(parse(await readFile(out, 'utf8'))).toMatchObject({
      source: { prometheus: { keyLabels: ['job', 'instance'] } },
    });
  });

  test.each([
    ['a metric that does not exist', queries('flow', 'flwo'), 'no series in the last hour of query "flwo"'],
    [
      'a mistake in the expression',
      queries('x=rate(flow['),
      /query "x": HTTP 400 .*parse error.*check source.prometheus.queries/,
    ],
    ['nothing but NaN', queries('nothing'), '"values.nothing": it has no value in any record'],
    ['infinite values', queries('endless'), 'would be rejected: channel "endless": +Inf is not finite'],
    ['buckets of a histogram', queries('wait_bucket'), 'buckets of a histogram: apply histogram_quantile'],
    [
      'several series for a device',
      queries('flow', 'core'),
      'by the label "core", which other queries lack: aggregate them, such as sum by (instance)',
    ],
    [
      'too many series',
      [...queries('flow'), '--set', 'source.prometheus.maxSeries=2'],
      '4 series, more than source.prometheus.maxSeries (2)',
    ],
    [
      'a password without a user',
      [...queries('flow'), '--set', 'source.prometheus.passwordFile=/x'],
      'username',
    ],
  ])('%s: the reason, and nothing is written', async (_, options, message) => {
    const { text, error, code } = await init(...options);
    expect(error).toMatch(message);
    expect([code === 0, text]).toEqual([false, '']);
  });
});
