/**
 * Thirty runs of detectors with faults of processes, brokers, trainings and disks; `npm run soak` makes more. The
 * faults follow from a seed: `VAEMON_FAULT_SEED=N VAEMON_FAULT_RUNS=1` repeats one run.
 */
import { createRandom } from '../../../src/tensor';
import { newFolder, removeFolders, writeConfig } from '../plant';
import { endAllVaemon, startVaemon } from '../vaemon-process';
import { startCluster } from './broker';
import type { TestCluster } from './broker';
import {
  canMount,
  faults,
  isWrong,
  removeDisks,
  runWithFaults,
  type Fault,
  type RunReport,
} from './fault-run';
import { createFleetFeed } from './fleet-feed';
import { plantSettings } from './outcomes';

const runs = Number(process.env['VAEMON_FAULT_RUNS'] ?? 27);
const firstSeed = Number(process.env['VAEMON_FAULT_SEED'] ?? 1);
const brokers = 3;
const possible = canMount() ? faults : faults.filter((fault) => fault !== 'fill disk');

/** The first fault of each run goes through all faults in turn; the second one is drawn. */
function draw(seed: number): { delivery: RunReport['delivery']; faults: Fault[] } {
  const random = createRandom(seed);
  const first = possible[seed % possible.length]!;
  const second = possible[Math.floor(possible.length * random.uniform())]!;
  return {
    // A different third of the seeds with each round of the faults.
    delivery: (seed + Math.floor(seed / possible.length)) % 3 === 0 ? 'at-least-once' : 'exactly-once',
    faults: random.uniform() < 0.5 ? [first] : [first, second],
  };
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

function summary(version: string, reports: readonly RunReport[]): string {
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const lines = (['exactly-once', 'at-least-once'] as const).map((delivery) => {
    const of = reports.filter((report) => report.delivery === delivery);
    const total = (count: (report: RunReport) => number) =>
      of.reduce((sum, report) => sum + count(report), 0);
    return `  ${delivery}: ${of.length} runs, ${total(({ records }) => records)} records, ${total(({ lost }) => lost.length)} lost, ${total(({ doubled }) => doubled.length)} doubled`;
  });
  const recoveries = possible.flatMap((fault) => {
    const times = reports.flatMap((report) => report.recoveryMs.filter((_, i) => report.faults[i] === fault));
    if (times.length === 0) return [];
    return `  ${fault}: ${times.length} times, recovery ${seconds(median(times))} s (median), ${seconds(Math.max(...times))} s (longest)`;
  });
  return [`Kafka ${version}, ${brokers} brokers`, ...lines, ...recoveries, ''].join('\n');
}

describe.each([
  ['4.4.0', runs],
  ['3.9.2', Math.ceil(runs / 9)],
])('with Kafka %s', (version, count) => {
  let cluster: TestCluster;
  let config: string;
  let trainedStore: string;

  beforeAll(async () => {
    [cluster, config] = await Promise.all([startCluster(brokers, version), writeConfig()]);
    const topic = await cluster.createTopic();
    const feed = await createFleetFeed({
      kafka: cluster.client(),
      topic,
      partitions: 1,
      devices: 10,
      seed: 1,
      faults: false,
    });
    await feed.produce(3_000);
    await feed.close();
    trainedStore = await newFolder();
    const training = startVaemon(['train'], config, await plantSettings(cluster, topic, trainedStore));
    const status = await training.ended;
    if (status.code !== 0) throw new Error(training.stdout() + training.stderr());
  }, 400_000);
  afterEach(endAllVaemon);
  afterAll(async () => {
    removeDisks();
    await cluster.remove();
    await removeFolders();
  }, 120_000);

  test(
    `${count} runs lose nothing, and double nothing with exactly-once`,
    async () => {
      const reports: RunReport[] = [];
      try {
        for (let seed = firstSeed; seed < firstSeed + count; seed++) {
          const report = await runWithFaults({ cluster, config, trainedStore, seed, ...draw(seed) });
          reports.push(report);
          const { delivery, records, lost, doubled, recoveryMs } = report;
          const recovery = recoveryMs.map((ms) => `${(ms / 1000).toFixed(1)} s`).join(', ');
          process.stdout.write(
            `run ${seed}, ${delivery}: ${report.faults.join(', ')}: ${records} records, ${lost.length} lost, ${doubled.length} doubled, recovery ${recovery}\n`,
          );
        }
      } finally {
        process.stdout.write(summary(version, reports));
      }
      const wrong = reports.filter(isWrong);
      // Separate from the difference, which a log may cut.
      for (const { seed, warnings } of wrong)
        process.stdout.write(`run ${seed} is wrong; warnings:\n${warnings.slice(-60).join('\n')}\n`);
      expect(wrong).toEqual([]);
    },
    120_000 * count,
  );
});
