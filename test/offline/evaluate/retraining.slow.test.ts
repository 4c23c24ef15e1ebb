import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../../src/cli/cli';
import { evaluateSeries, type SeriesOutcome } from '../../../src/offline/evaluate/evaluate-series';
import { historyOf, parseCadence, trainingRows } from '../../../src/offline/evaluate/retraining';
import type { Message } from '../../../src/sources/source';
import { tf } from '../../../src/tensor';
import { captureContext } from '../../cli/capture';

const hour = 3_600_000;
const start = Date.UTC(2026, 0, 1);

test.each([
  ['500', { everyRecords: 500 }],
  ['0 3 * * *', { cron: '0 3 * * *' }],
  ['*/30 0 3 * * *', { cron: '*/30 0 3 * * *' }],
])('%s is a cadence', (text, cadence) => expect(parseCadence(text)).toEqual(cadence));

test.each(['0', '', '-5', '1.5', 'daily', '0 0 30 2 *', '2026-01-01T00:00:00Z'])('%p is no cadence', (text) =>
  expect(() => parseCadence(text)).toThrow(/cron expression|never comes due/),
);

test('every n records: not before the first one, nor after the last one', () => {
  const rows = (records: number) => trainingRows({ everyRecords: 3 }, new Float64Array(records), 'UTC');
  expect([rows(0), rows(3), rows(4), rows(7)]).toEqual([[], [], [3], [3, 6]]);
});

test('a schedule: the first record at or after each time, one training for all times in a gap', () => {
  const at = (...hours: number[]) => hours.map((h) => start + h * hour);
  const rows = (times: number[], zone = 'UTC') => trainingRows({ cron: '0 3 * * *' }, times, zone);
  expect(rows(at(0, 2, 3, 4, 27, 28))).toEqual([2, 4]);
  expect(rows(at(0, 2.9, 3.1))).toEqual([2]);
  // It begins with the first record, which is trained on already.
  expect(rows(at(3, 4, 26))).toEqual([]);
  expect(rows(at(0, 100, 101))).toEqual([1]);
  expect(rows(at(0, 2, 3), 'Europe/Berlin')).toEqual([1]);
  // Late records and records without a time move no clock.
  expect(rows([NaN, ...at(0, 4, 1, 2), NaN, ...at(5)])).toEqual([2]);
});

test('the history ends with the newest record and has the bounds of the training', () => {
  const messages = [0, 1, 2, 3, 1.5].map((h) => ({ timestamp: start + h * hour }) as Message);
  const kept = (historyMs: number, maxRecords: number) =>
    historyOf(messages, { historyMs, maxRecords }).map(({ timestamp }) => (timestamp - start) / hour);
  expect(kept(10 * hour, 10)).toEqual([0, 1, 2, 3, 1.5]);
  expect(kept(2 * hour, 10)).toEqual([1, 2, 3, 1.5]);
  expect(kept(10 * hour, 2)).toEqual([3, 1.5]);
});

describe('a plant that changes', () => {
  let folder: string;
  let detector: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vaemon-retrain-'));
    detector = join(folder, 'detector.yaml');
    await writeFile(detector, 'detector: any\n');
  });
  afterAll(() => rm(folder, { recursive: true }));

  const overrides = {
    'training.minRecords': '100',
    'training.epochs': '15',
    'training.maxRecords': '600',
    'window.length': '4',
    'model.latentDim': '2',
    'training.quarantine': '2s',
    'calibration.falseAlarmTarget': '0.01',
  };

  const evaluated = (everyRecords?: number) => ({
    path: detector,
    overrides,
    env: {},
    ...(everyRecords !== undefined && { retrain: { everyRecords } }),
  });

  /** A record a second; `slope` is how much of one channel is in the other. */
  function csv(count: number, from: number, slope: (i: number) => number, disturb: (i: number) => number) {
    const rows = Array.from({ length: count }, (_, row) => {
      const t = from + row;
      const load = Math.sin(t / 7) + 0.3 * Math.sin(t * t);
      const power = slope(t) * load + 0.3 * Math.sin(t * t * 3 + 1) + disturb(row);
      return `${new Date(start + t * 1000).toISOString()},${load.toFixed(4)},${power.toFixed(4)}`;
    });
    return `timestamp,load,power\n${rows.join('\n')}\n`;
  }

  const trained = 600;
  const tested = 1600;
  const wearing = (t: number): number => 2 - Math.max(0, t - trained) / 800;
  const fault = (i: number): number => (i >= 1000 && i < 1020 ? 8 : 0);

  async function files(name: string): Promise<{ name: string; train: string; test: string }> {
    const paths = { name, train: join(folder, `${name}.train.csv`), test: join(folder, `${name}.test.csv`) };
    await writeFile(
      paths.train,
      csv(trained, 0, wearing, () => 0),
    );
    await writeFile(paths.test, csv(tested, trained, wearing, fault));
    return paths;
  }

  const isFault = (i: number): boolean => i >= 1000 && i < 1025;
  const falseAlarms = ({ flags }: SeriesOutcome): number =>
    flags.filter((flag, i) => flag === 1 && !isFault(i)).length;

  test('trained again it has fewer false alarms, still finds the fault, and does not learn it', async () => {
    const series = await files('wear');
    const once = await evaluateSeries(evaluated(), series);
    const again = await evaluateSeries(evaluated(200), series);

    expect(falseAlarms(once)).toBeGreaterThan(100);
    expect(falseAlarms(again)).toBeLessThan(falseAlarms(once) / 2);
    expect(once.versions).toHaveLength(1);
    expect(again.versions.map(({ from }) => from)).toEqual([0, 200, 400, 600, 800, 1000, 1200, 1400]);
    expect(again.versions.map(({ records }) => records)).toEqual(Array<number>(8).fill(600));
    // Twenty records of the fault, and two seconds on both sides.
    expect(again.versions[6]!.excludedRecords).toBeGreaterThanOrEqual(24);
    expect(again.flags.slice(1000, 1020)).toEqual(Array<number>(20).fill(1));
    // The first version is the same, and no version sees what comes after it.
    expect(again.scores.slice(0, 200)).toEqual(once.scores.slice(0, 200));
    expect(again.windowNotFull).toBe(0);
    expect(tf.memory().numTensors).toBe(0);
  }, 60_000);

  test('an event goes on over a swap, and its records so far are left out of the training', async () => {
    const { events, versions, scores, threshold } = await evaluateSeries(
      evaluated(1010),
      await files('swap'),
    );
    expect(versions.map(({ from }) => from)).toEqual([0, 1010]);
    expect(versions[1]!.excludedRecords).toBeGreaterThanOrEqual(12);
    const found = events.filter(({ first, last }) => first <= 1019 && last >= 1000);
    expect(found).toHaveLength(1);
    expect(found[0]!.first).toBeLessThanOrEqual(1002);
    expect(found[0]!.last).toBeGreaterThanOrEqual(1009);
    expect(Math.min(...scores.slice(1000, 1010))).toBeGreaterThan(threshold);
  }, 60_000);

  test('a training without enough records leaves the version in use', async () => {
    const series = await files('short');
    const settings = { ...overrides, 'training.history': '50s' };
    const once = await evaluateSeries({ path: detector, overrides: settings, env: {} }, series);
    const again = await evaluateSeries(
      { path: detector, overrides: settings, env: {}, retrain: { everyRecords: 800 } },
      series,
    );
    expect(again.versions).toHaveLength(1);
    expect(again.failedTrainings).toEqual([
      { from: 800, reason: expect.stringMatching(/windows/) as string },
    ]);
    expect(again.scores).toEqual(once.scores);
  }, 60_000);

  test('the command prints a row for each version and each training, and the total', async () => {
    const { train, test: test_ } = await files('rows');
    const labels = join(folder, 'rows.label.csv');
    const rows = Array.from({ length: tested }, (_, i) => `${i},${fault(i) > 0 ? 1 : 0}`);
    await writeFile(labels, ['index,label', ...rows, ''].join('\n'));
    const sets = Object.entries(overrides).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    const { context, stdout } = captureContext();
    // The test takes from 00:10:00 to 00:36:39.
    const cadence = ['--retrain', '*/15 * * * *'];
    const files_ = ['--train', train, '--test', test_, '--labels', labels];
    await runCli(['evaluate', detector, ...files_, ...sets, ...cadence], context);
    const lines = stdout()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    const row = (name: string) => lines.find(([first, second]) => (first === '' ? second : first) === name);
    expect(row('version 1')!.slice(2, 4)).toEqual(['300', '0.00 %']);
    expect(row('version 2')!.slice(2, 4)).toEqual(['900', '2.22 %']);
    expect(row('version 3')!.slice(2, 4)).toEqual(['400', '0.00 %']);
    expect(row('rows')!.slice(1, 3)).toEqual(['1600', '1.25 %']);
    const trainings = lines.filter(([name]) => name === 'rows').slice(1);
    expect(trainings.map(([, version, from, records]) => [version, from, records])).toEqual([
      ['1', '0', '600'],
      ['2', '300', '600'],
      ['3', '1200', '600'],
    ]);
  }, 60_000);

  test('a schedule needs times', async () => {
    const train = join(folder, 'untimed.train.csv');
    await writeFile(train, `a\n${Array.from({ length: 200 }, (_, i) => Math.sin(i)).join('\n')}\n`);
    await expect(
      evaluateSeries(
        { path: detector, overrides, env: {}, retrain: { cron: '0 3 * * *' } },
        { name: 'untimed', train, test: train },
      ),
    ).rejects.toThrow(/has no times for the schedule "0 3 \* \* \*": give a number of records instead/);
  });
});
