import { gzipSync } from 'node:zlib';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../../src/cli/cli';
import { evaluateGroup, evaluateSeries } from '../../../src/offline/evaluate/evaluate-series';
import { findSeries } from '../../../src/offline/evaluate/series-files';
import { tf } from '../../../src/tensor';
import { captureContext } from '../../cli/capture';

let folder: string;
let detector: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaemon-evaluate-'));
  detector = await file('detector.yaml', 'detector: any\n');
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  return path;
}

/** Two channels that move together, one that never moves, one of words. */
function rowsOf(count: number, from: number, disturb: (i: number) => number = () => 0): string[][] {
  return Array.from({ length: count }, (_, row) => {
    const t = from + row;
    const load = Math.sin(t / 7) + 0.3 * Math.sin(t * t);
    return [load.toFixed(4), (2 * load + 0.1 * Math.cos(t * t * 3) + disturb(row)).toFixed(4), '7', 'idle'];
  });
}

function csv(rows: readonly string[][], header = 'load,power,constant,word'): string {
  return `${[header, ...rows.map((row) => row.join(','))].join('\n')}\n`;
}

const fast = {
  'training.minRecords': '100',
  'training.epochs': '15',
  'window.length': '4',
  'model.latentDim': '2',
};
const evaluated = () => ({ path: detector, overrides: fast, env: {} });
const fault = (i: number): number => (i >= 200 && i < 230 ? 6 : 0);
const training = () => csv(rowsOf(600, 0));

test('every record of test has a score, from the first on; the fault stands out', async () => {
  const train = await file('plain.train.csv.gz', gzipSync(training()));
  const test_ = await file('plain.test.csv.gz', gzipSync(csv(rowsOf(300, 600, fault))));
  const outcome = await evaluateSeries(evaluated(), { name: 'plain', train, test: test_ });

  expect(outcome.scores).toHaveLength(300);
  expect(outcome.windowNotFull).toBe(0);
  expect(outcome.rejected).toEqual({});
  expect(outcome.scores.every((score) => Number.isFinite(score) && score >= 0)).toBe(true);
  expect(Math.min(...outcome.scores.slice(200, 230))).toBeGreaterThan(outcome.threshold);
  expect(outcome.flags.slice(200, 230)).toEqual(new Array(30).fill(1));
  // Baselines raise the threshold of a record or two.
  const isFlag = (i: number): boolean => (outcome.flags[i] === 1) === outcome.scores[i]! >= outcome.threshold;
  expect(outcome.scores.filter((_, i) => !isFlag(i)).length).toBeLessThan(5);
  const found = outcome.events.filter(({ first, last }) => first <= 229 && last >= 200);
  expect(found).toHaveLength(1);
  expect(found[0]!.first).toBe(outcome.flags.indexOf(1, found[0]!.first));
  expect(outcome.recordsPerDay).toBeUndefined();
  expect(outcome.channels).toEqual(['load', 'power', 'constant']);
  expect(outcome.ignoredColumns).toEqual(['word']);
  expect(tf.memory().numTensors).toBe(0);
}, 60_000);

test('a score rests on the records up to its own: another future, the same past', async () => {
  const train = await file('future.train.csv', training());
  const calm = rowsOf(300, 600);
  const wild = [...calm.slice(0, 150), ...rowsOf(60, 9000, (i) => (i % 3) * 50)];
  const run = async (name: string, rows: string[][]) =>
    evaluateSeries(evaluated(), { name: 'x', train, test: await file(`${name}.test.csv`, csv(rows)) });
  const one = await run('calm', calm);
  const other = await run('wild', wild);

  expect(other.scores.slice(0, 150)).toEqual(one.scores.slice(0, 150));
  expect(other.threshold).toBe(one.threshold);
  expect(other.scores.slice(150, 180)).not.toEqual(one.scores.slice(150, 180));
}, 60_000);

test('one training for several tests: each scores as if it were the only one', async () => {
  const train = await file('shared.train.csv', training());
  const paths = {
    calm: await file('shared/calm.test.csv', csv(rowsOf(40, 600))),
    faulty: await file('shared/faulty.test.csv', csv(rowsOf(300, 600, fault))),
  };
  const tests = Object.entries(paths).map(([name, path]) => ({ name, test: path }));
  const [calm, faulty] = await evaluateGroup(evaluated(), { train, tests });
  const alone = await evaluateSeries(evaluated(), { name: 'faulty', train, test: paths.faulty });

  expect([calm!.series, calm!.scores.length]).toEqual(['calm', 40]);
  expect(faulty!.scores).toEqual(alone.scores);
  expect(faulty!.flags).toEqual(alone.flags);
  expect(faulty!.training).toEqual(calm!.training);
  expect(tf.memory().numTensors).toBe(0);
}, 60_000);

test('a test file that does not match the training file is an error before the training', async () => {
  const train = await file('times.train.csv', training());
  const tests = [
    { name: 'good', test: await file('good.test.csv', csv(rowsOf(5, 600))) },
    { name: 'bad', test: await file('bad.test.csv', 'timestamp,load,power\n2026-01-01T00:00:00Z,1,2\n') },
  ];
  const onOutcome = jest.fn();
  await expect(evaluateGroup(evaluated(), { train, tests }, onOutcome)).rejects.toThrow(
    /only one of .*times\.train\.csv and .*bad\.test\.csv has the column "timestamp"/,
  );
  expect(onOutcome).not.toHaveBeenCalled();
});

test('an event that is still open at the end of the file is closed there', async () => {
  const train = await file('end.train.csv', training());
  const test_ = await file('end.test.csv', csv(rowsOf(120, 600, (i) => (i >= 100 ? 6 : 0))));
  const { events, flags } = await evaluateSeries(evaluated(), { name: 'end', train, test: test_ });
  expect(events.at(-1)).toMatchObject({ key: 'end', last: flags.lastIndexOf(1) });
  expect(events.at(-1)!.first).toBeGreaterThanOrEqual(100);
}, 60_000);

test('the same file may be for training and for testing', async () => {
  const train = await file('same.csv', training());
  const { scores, windowNotFull } = await evaluateSeries(evaluated(), { name: 'x', train, test: train });
  expect([scores.length, windowNotFull]).toEqual([600, 0]);
}, 60_000);

test('test records do not change the training', async () => {
  const train = await file('same.train.csv', training());
  const small = await file('small.test.csv', csv(rowsOf(5, 600)));
  const large = await file('large.test.csv', csv(rowsOf(400, 600, () => 1e6)));
  const [one, other] = [
    await evaluateSeries(evaluated(), { name: 'x', train, test: small }),
    await evaluateSeries(evaluated(), { name: 'x', train, test: large }),
  ];
  expect(other.training).toEqual(one.training);
}, 60_000);

test('odd records: a gap, NaN, a word, a value beyond floats, a row too short; each has a row in the result', async () => {
  const train = await file('odd.train.csv', training());
  const rows = rowsOf(100, 600);
  rows[10]![0] = '';
  rows[20]![1] = 'NaN';
  rows[30]![0] = 'broken';
  rows[40]![1] = '1e300';
  rows[50] = ['0.1'];
  const test_ = await file('odd.test.csv', csv(rows));
  const { scores, flags, rejected } = await evaluateSeries(evaluated(), { name: 'odd', train, test: test_ });

  expect(scores).toHaveLength(100);
  expect(rejected).toEqual({ not_a_number: 1, out_of_range: 1 });
  expect([scores[30], flags[30], scores[40], flags[40]]).toEqual([0, 0, 0, 0]);
  expect(scores.every(Number.isFinite)).toBe(true);
}, 60_000);

test('files with keys, times and conditions of their own: windows are kept per key', async () => {
  const header = 'key,timestamp,mode,load,power';
  const rows = (count: number, from: number): string[][] =>
    rowsOf(count, from).flatMap(([load, power], i) => {
      const time = new Date(1.7e12 + (from + i) * 1000).toISOString();
      return ['a', 'b'].map((key) => [key, time, key === 'a' ? 'on' : 'off', load!, power!]);
    });
  const config = await file(
    'keys.yaml',
    [
      'detector: keys',
      'source: { file: { columns: { conditions: [mode] } } }',
      'record: { conditions: { mode: { kind: category } } }',
      '',
    ].join('\n'),
  );
  const train = await file('keys.train.csv', csv(rows(400, 0), header));
  const test_ = await file('keys.test.csv', csv(rows(50, 400), header));
  const overrides = { ...fast, 'calibration.falseAlarmTarget': '400 per day' };
  const outcome = await evaluateSeries(
    { path: config, overrides, env: {} },
    { name: 'k', train, test: test_ },
  );

  expect(outcome.channels).toEqual(['load', 'power']);
  expect(outcome).toMatchObject({ windowNotFull: 0, rejected: {}, ignoredColumns: [] });
  expect(outcome.scores).toHaveLength(100);
  expect(outcome.keys!.slice(0, 4)).toEqual(['a', 'b', 'a', 'b']);
  expect(outcome).toMatchObject({ configuredTarget: '400 per day' });
  // Two devices, a record each second, 50 seconds.
  expect(outcome.recordsPerDay).toBeCloseTo((99 / 49) * 86_400, 6);
}, 60_000);

test('several devices in one file: each is judged by itself, in turn or one after the other in the file', async () => {
  const header = 'key,timestamp,load,power';
  const at = (t: number): string => new Date(1.7e12 + t * 1000).toISOString();
  const device = (key: string, count: number, from: number, disturb: typeof fault = () => 0): string[][] =>
    rowsOf(count, from, disturb).map(([load, power], i) => [key, at(from + i), load!, power!]);
  const inTurn = (a: string[][], b: string[][]): string[][] => a.flatMap((row, i) => [row, b[i]!]);
  const [a, b] = [device('a', 300, 400, fault), device('b', 300, 400)];
  const train = await file(
    'devices.train.csv',
    csv(inTurn(device('a', 400, 0), device('b', 400, 0)), header),
  );
  const blocks = await file('blocks.test.csv', csv([...a, ...b], header));
  const mixed = await file('mixed.test.csv', csv(inTurn(a, b), header));
  const [one, other] = await evaluateGroup(evaluated(), {
    train,
    tests: [
      { name: 'blocks', test: blocks },
      { name: 'mixed', test: mixed },
    ],
  });

  const of = (scores: readonly number[], keys: readonly string[], key: string): number[] =>
    scores.filter((_, row) => keys[row] === key);
  for (const key of ['a', 'b'])
    expect(of(one!.scores, one!.keys!, key)).toEqual(of(other!.scores, other!.keys!, key));
  expect(one).toMatchObject({ rejected: {}, windowNotFull: 0, scored: 600 });
  const events = ({ events: all }: typeof one & object) =>
    all.map(({ key, start, end }) => ({ key, start, end }));
  expect(events(one!)).toEqual(events(other!));
  expect(
    one!.events.filter(({ key, first, last }) => key === 'a' && first < 230 && last >= 200),
  ).toHaveLength(1);
  expect(one!.tsbWindow).toBe(other!.tsbWindow);

  const again = { ...evaluated(), retrain: { everyRecords: 200 } };
  await expect(evaluateSeries(again, { name: 'blocks', train, test: blocks })).rejects.toThrow(
    /blocks\.test\.csv is not in order of time over all devices/,
  );
}, 60_000);

test('the command writes a row for every record, and prints metrics and the realised alarm ratio', async () => {
  const train = await file('one/m.train.csv', training());
  const test_ = await file('one/m.test.csv', csv(rowsOf(300, 600, fault)));
  const labels = await file(
    'one/m.label.csv',
    `index,label\n${Array.from({ length: 300 }, (_, i) => `${i},${fault(i) > 0 ? 1 : 0}`).join('\n')}\n`,
  );
  const out = join(folder, 'scores.csv');
  const sets = Object.entries(fast).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const argv = [
    'evaluate',
    detector,
    '--train',
    train,
    '--test',
    test_,
    '--labels',
    labels,
    '--out',
    out,
    ...sets,
  ];
  const table = captureContext();
  await runCli(argv, table.context);
  expect([table.exitCode(), table.stderr()]).toEqual([0, expect.stringContaining('series evaluated')]);
  expect(table.stdout()).toMatch(/^series +records +anomalous +ROC-AUC .*\nm +300 +10.00 % /);
  expect(table.stdout()).toMatch(
    /target 0.001: \d+ alarms in 270 normal records, ratio .* \(95 %: .* to .*\)/,
  );

  expect(table.stdout()).toMatch(/ events found +opened +event precision +false\/1,000\n.* 1\/1 /);
  expect(table.stdout()).toContain(
    'flags and events: surprise from 3.00, false-alarm target 0.001 of the records\n',
  );

  const lines = (await readFile(out, 'utf8')).trim().split('\n');
  expect(lines).toHaveLength(301);
  expect(lines[0]).toBe('series,index,score,flag');
  expect(lines[300]).toMatch(/^m,299,[\d.e-]+,[01]$/);

  const json = captureContext();
  await runCli([...argv, '--json'], json.context);
  const result = JSON.parse(json.stdout()) as {
    judgement: {
      macro: { rocAuc: number; eventRecall: number; foundRatio: number; vusPrTsb: number };
      series: Record<string, { tsbWindow: number; foundEvents: number }>;
    };
    thresholds: unknown;
    alarms: { target: number; low: number; high: number }[];
  };
  expect(result.judgement.macro.rocAuc).toBeGreaterThan(0.95);
  expect(result.judgement.macro.eventRecall).toBe(1);
  expect(result.judgement.macro.foundRatio).toBe(1);
  expect(result.judgement.macro.vusPrTsb).toBeGreaterThan(0.9);
  expect(result.judgement.series['m']!.tsbWindow).toBe(44);
  expect(result.thresholds).toEqual([{ configured: 0.001, target: 0.001, threshold: 3, series: ['m'] }]);
  expect(result.alarms.map(({ target }) => target)).toEqual([0.01, 0.001]);
}, 120_000);

test('without labels only the alarms are counted', async () => {
  const train = await file('bare/m.train.csv', training());
  const test_ = await file('bare/m.test.csv', csv(rowsOf(100, 600)));
  const captured = captureContext();
  const sets = Object.entries(fast).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  await runCli(['evaluate', detector, '--train', train, '--test', test_, ...sets], captured.context);
  expect(captured.stdout()).toMatch(/^target 0.01: \d+ alarms in 100 records, normal or not, ratio/);
}, 60_000);

test('a series that cannot be trained is named, with the reason, and the command fails', async () => {
  const train = await file('short.train.csv', csv(rowsOf(20, 0)));
  const captured = captureContext();
  await runCli(['evaluate', detector, '--train', train, '--test', train], captured.context);
  expect(captured.exitCode()).toBe(1);
  expect(captured.stderr()).toMatch(
    /series "short.train" could not be evaluated ← 11 complete windows of 10 records/,
  );
});

/** The rows of `csv`, with a time each second from `second` on. */
function timed(rows: readonly string[][], second: number): string {
  const time = (i: number): string => new Date(Date.UTC(2026, 2, 1) + 1000 * (second + i)).toISOString();
  return csv(
    rows.map((row, i) => [time(i), ...row]),
    'timestamp,load,power,constant,word',
  );
}

async function evaluateCommand(train: string, test_: readonly string[]) {
  const captured = captureContext();
  const sets = Object.entries(fast).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  await runCli(['evaluate', detector, '--train', train, '--test', ...test_, ...sets], captured.context);
  return captured;
}

test('records that are all older than the training are no result', async () => {
  const train = await file('old.train.csv', timed(rowsOf(600, 0), 0));
  const old = await file('old.test.csv', timed(rowsOf(100, 600), 0));
  const alone = await evaluateCommand(train, [old]);
  expect([alone.exitCode(), alone.stdout()]).toEqual([1, '']);
  expect(alone.stderr()).toContain('none of 100 test records was scored (out_of_order: 100)');

  const next = await file('next.test.csv', timed(rowsOf(100, 600), 600));
  const both = await evaluateCommand(train, [old, next]);
  expect(both.exitCode()).toBe(1);
  expect(both.stdout()).toMatch(/^target 0.01: \d+ alarms in 100 records, normal or not, ratio/);
  expect(both.stderr()).toMatch(/series is left out of the results.*none of 100 test records was scored/);
}, 60_000);

test('a channel without a column in a test is an error before the training, with the nearest column', async () => {
  const train = await file('renamed.train.csv', training());
  const test_ = await file('renamed.test.csv', csv(rowsOf(50, 600), 'load,power_kw,constant,word'));
  await expect(evaluateSeries(evaluated(), { name: 'x', train, test: test_ })).rejects.toThrow(
    `${test_} has no column for channel "power"; did you mean "power_kw"?`,
  );
});

test('a channel without any value in a test is named in a warning', async () => {
  const train = await file('gone.train.csv', training());
  const rows = rowsOf(50, 600).map(([load, , ...rest]) => [load!, '', ...rest]);
  const test_ = await file('gone.test.csv', csv(rows));
  const outcome = await evaluateSeries(evaluated(), { name: 'x', train, test: test_ });
  expect(outcome.warnings).toEqual(['channel "power" has no value in any of 50 test records']);
}, 60_000);

test('a label and an index in the files of a series are no channels unless they are listed', async () => {
  const header = ',load,power,constant,is_anomaly';
  const rows = (count: number, from: number) =>
    rowsOf(count, from, fault).map(([load, power, constant], i) => [
      String(i),
      load!,
      power!,
      constant!,
      from > 0 && fault(i) > 0 ? '1' : '0',
    ]);
  const train = await file('leak.train.csv', csv(rows(600, 0), header));
  const test_ = await file('leak.test.csv', csv(rows(300, 600), header));
  const files = { name: 'leak', train, test: test_ };
  const outcome = await evaluateSeries(evaluated(), files);
  expect(outcome.channels).toEqual(['load', 'power', 'constant']);
  expect(outcome.ignoredColumns).toEqual(['is_anomaly', '']);
  expect(outcome.constantChannels).toEqual(['constant']);
  expect(outcome.warnings).toEqual([
    'column "is_anomaly" looks like a label: it is used only if record.channels lists it',
    '1 of 5 columns have no name: they are not used',
  ]);

  const channels = ['load', 'power', 'constant', 'is_anomaly'];
  const listing = await file(
    'listing.yaml',
    `detector: any\nrecord: { channels: [${channels.join(', ')}] }\n`,
  );
  const listed = await evaluateSeries({ ...evaluated(), path: listing }, files);
  expect([listed.channels, listed.warnings]).toEqual([channels, []]);
}, 60_000);

test('a channel that only grows is scored by its rate, and hides no fault of another', async () => {
  const header = 'load,power,bytes';
  const rows = (count: number, from: number, disturb?: typeof fault) =>
    rowsOf(count, from, disturb).map(([load, power], i) => {
      const bytes = 5e6 + 1500 * (from + i) + 50 * Math.sin((from + i) ** 2);
      return [load!, power!, bytes.toFixed(0)];
    });
  const train = await file('counter.train.csv', csv(rows(600, 0), header));
  const test_ = await file('counter.test.csv', csv(rows(300, 600, fault), header));
  const outcome = await evaluateSeries(evaluated(), { name: 'counter', train, test: test_ });
  expect(outcome.counters).toEqual(['bytes']);
  expect(Math.min(...outcome.scores.slice(202, 230))).toBeGreaterThan(outcome.threshold);
  expect(outcome.flags.slice(0, 200).filter((flag) => flag === 1).length).toBeLessThan(10);

  const level = await file(
    'level.yaml',
    'detector: any\nrecord: { channels: [load, power, bytes], signals: { bytes: { kind: level } } }\n',
  );
  // It grows by half as much again, which its rate shows and its level does not.
  const faster = rows(300, 600).map(([load, power, bytes], i) => {
    const extra = 750 * Math.min(Math.max(0, i - 200), 30);
    return [load!, power!, (Number(bytes) + extra).toFixed(0)];
  });
  const files = { name: 'faster', train, test: await file('faster.test.csv', csv(faster, header)) };
  const asRate = await evaluateSeries(evaluated(), files);
  const asLevel = await evaluateSeries({ ...evaluated(), path: level }, files);
  expect([asRate.counters, asLevel.counters]).toEqual([['bytes'], []]);
  const contrast = ({ scores, threshold }: typeof outcome) => Math.min(...scores.slice(202, 230)) - threshold;
  expect(contrast(asRate)).toBeGreaterThan(0);
  expect(contrast(asLevel)).toBeLessThan(0);
}, 60_000);

test('a daily season becomes a condition, so that a value of the day is odd at night', async () => {
  const stepMs = 600_000;
  const start = Date.UTC(2026, 0, 5);
  const rows = (count: number, from: number, disturb = false) =>
    Array.from({ length: count }, (_, row) => {
      const i = from + row;
      const isDay = (i % 144 >= 48 && i % 144 < 120) || (disturb && row >= 12 && row < 36);
      const noise = 0.3 * Math.sin(i * i);
      const time = new Date(start + i * stepMs).toISOString();
      return [time, ((isDay ? 8 : 2) + noise).toFixed(3), (0.5 * Math.cos(i * i * 3)).toFixed(3)];
    });
  const header = 'timestamp,load,other';
  const train = await file('season.train.csv', csv(rows(1008, 0), header));
  const test_ = await file('season.test.csv', csv(rows(144, 1008, true), header));
  const files = { name: 'season', train, test: test_ };
  const run = (seasons: string) =>
    evaluateSeries({ ...evaluated(), overrides: { ...fast, 'record.seasons': seasons } }, files);
  const [found, off] = [await run('auto'), await run('off')];
  expect([found.seasons, off.seasons]).toEqual([['hour-of-day'], []]);
  // Without a column of the configured name, the column of dates is found.
  const named = (rows: string) => rows.replace('timestamp', 'Date');
  const other = await evaluateSeries(
    { ...evaluated(), overrides: { ...fast, 'record.seasons': 'auto' } },
    {
      name: 'season',
      train: await file('date.train.csv', named(csv(rows(1008, 0), header))),
      test: await file('date.test.csv', named(csv(rows(144, 1008, true), header))),
    },
  );
  expect([other.timeColumn, found.timeColumn]).toEqual(['Date', undefined]);
  expect(other.scores).toEqual(found.scores);
  const atNight = ({ scores }: typeof found) => scores.slice(16, 36).sort((a, b) => a - b);
  expect(atNight(found)[0]).toBeGreaterThan(1.5);
  expect(atNight(off)[10]).toBeLessThan(1);
}, 120_000);

test('a fault in the history that a label names is not learned, and the report names the one that is not', async () => {
  const stepMs = 60_000;
  const start = Date.UTC(2026, 0, 5);
  const at = (i: number) => new Date(start + i * stepMs).toISOString();
  const timed = (rows: readonly string[][], from: number) =>
    csv(
      rows.map((row, i) => [at(from + i), ...row]),
      'time,load,power,constant,word',
    );
  const train = await file(
    'faulty.train.csv',
    timed(
      rowsOf(1500, 0, (i) => (i >= 1300 && i < 1330 ? 6 : 0)),
      0,
    ),
  );
  const test_ = await file('faulty.test.csv', timed(rowsOf(300, 1500, fault), 1500));
  const labels = await file('faults.csv', `start,end\n${at(1300)},${at(1330)}\n`);
  const run = (overrides: Readonly<Record<string, string>>) =>
    evaluateSeries(
      { ...evaluated(), overrides: { ...fast, ...overrides } },
      { name: 'faulty', train, test: test_ },
    );
  const [unlabelled, labelled] = [await run({}), await run({ 'training.labels.file': labels })];
  const found = ({ flags }: typeof labelled) => flags.slice(200, 230).filter((flag) => flag === 1).length;
  expect(found(labelled)).toBeGreaterThan(found(unlabelled) + 10);
  expect([unlabelled, labelled].map(({ training }) => training.excludedRecords)).toEqual([0, 31]);
  expect(labelled.warnings).toEqual([]);
  const late = await file('late.csv', `start,end\n${at(1300)},${at(1330)}\n${at(9000)},${at(9100)}\n`);
  expect((await run({ 'training.labels.file': late })).warnings).toEqual([
    'labels of training.labels.file have no effect (1), as no record of the training lies in their time: ' +
      `the first is from ${at(9000)} to ${at(9100)}`,
  ]);
  const [first] = unlabelled.training.tails.block.stretches;
  expect(new Date(first!.from) >= new Date(at(1300)) && new Date(first!.to) <= new Date(at(1340))).toBe(true);
}, 120_000);

test('a European export is scored as the file with commas', async () => {
  const european = (text: string): string => text.replaceAll(',', ';').replaceAll('.', ',');
  const train = await file('point.train.csv', training());
  const test_ = await file('point.test.csv', csv(rowsOf(100, 600)));
  const trainEu = await file('comma.train.csv', european(training()));
  const testEu = await file('comma.test.csv', european(csv(rowsOf(100, 600))));
  const point = await evaluateSeries(evaluated(), { name: 'x', train, test: test_ });
  const comma = await evaluateSeries(evaluated(), { name: 'x', train: trainEu, test: testEu });
  expect(comma.scores).toEqual(point.scores);
}, 60_000);

test('a row with more cells than the header ends the evaluation with file and line', async () => {
  const train = await file('long.train.csv', `load,power\n1.5,2\n10,0966,5,0562\n`);
  await expect(evaluateSeries(evaluated(), { name: 'x', train, test: train })).rejects.toThrow(
    `cannot read ${train}: line 3 has 4 cells, the header has 2`,
  );
});

test('a row with too few cells is refused in the training, and named in a warning in a test', async () => {
  const rows = rowsOf(50, 600);
  rows[20] = ['0.1'];
  const test_ = await file('short-row.test.csv', csv(rows));
  const train = await file('short-row.train.csv', training());
  const { warnings } = await evaluateSeries(evaluated(), { name: 'x', train, test: test_ });
  expect(warnings).toEqual([
    '1 of 50 test records have too few cells, the others count as missing: line 22 has 1 cell, the header has 4',
  ]);
  await expect(evaluateSeries(evaluated(), { name: 'x', train: test_, test: train })).rejects.toThrow(
    `cannot read ${test_}: line 22 has 1 cell, the header has 4`,
  );
}, 60_000);

describe('which files belong together', () => {
  test('by name, from folders', async () => {
    for (const name of ['a', 'b']) {
      await file(`set/${name}.train.csv.gz`, '');
      await file(`set/${name}.test.csv.gz`, '');
      await file(`set/labels/${name}.label.csv.gz`, '');
    }
    const set = join(folder, 'set');
    const { series, sharedLabels } = await findSeries({
      train: [set],
      test: [set],
      labels: [join(set, 'labels')],
    });
    expect(series).toEqual(
      ['a', 'b'].map((name) => ({
        name,
        train: join(set, `${name}.train.csv.gz`),
        test: join(set, `${name}.test.csv.gz`),
        labels: join(set, 'labels', `${name}.label.csv.gz`),
      })),
    );
    expect(sharedLabels).toEqual([]);
  });

  test('one file each belongs together whatever the names', async () => {
    const train = await file('normal.csv', '');
    const test_ = await file('today.csv', '');
    const labels = await file('known.csv', '');
    const { series } = await findSeries({ train: [train], test: [test_], labels: [labels] });
    expect(series).toEqual([{ name: 'today', train, test: test_, labels }]);
  });

  test('a single training file belongs to every test; a folder with one belongs by name', async () => {
    const train = await file('normal/d0.train.csv', '');
    const tests = [await file('faults/d1.test.csv', ''), await file('faults/d2.test.csv', '')];
    const labels = await file('faults/d2.label.csv', '');
    const { series } = await findSeries({
      train: [train],
      test: [join(folder, 'faults')],
      labels: [join(folder, 'faults')],
    });
    expect(series).toEqual([
      { name: 'd1', train, test: tests[0], labels: undefined },
      { name: 'd2', train, test: tests[1], labels },
    ]);
    await expect(findSeries({ train: [join(folder, 'normal')], test: tests, labels: [] })).rejects.toThrow(
      'no training file belongs to ',
    );
  });

  test('a half without the other is an error', async () => {
    const [a, b, c] = [
      await file('a.train.csv', ''),
      await file('a.test.csv', ''),
      await file('c.test.csv', ''),
    ];
    const other = await file('z.train.csv', '');
    await expect(findSeries({ train: [a, other], test: [b, c], labels: [] })).rejects.toThrow(
      'no training file belongs to ',
    );
    await expect(findSeries({ train: [a, other], test: [b], labels: [] })).rejects.toThrow(
      `no test file belongs to ${other}`,
    );
  });
});
