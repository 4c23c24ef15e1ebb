/** A fleet of scorers and trainers with one store, while its members start and stop. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { newFolder, writeConfig } from '../plant';
import { startVaemon } from '../vaemon-process';
import type { SettingsOverrides, VaemonProcess } from '../vaemon-process';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { cleanUpAfterwards } from './clean-up';
import { createFleetFeed } from './fleet-feed';
import type { FleetFeed } from './fleet-feed';
import {
  differences,
  exactlyOnce,
  expectedDetections,
  groupOf,
  plantSettings,
  type Outcomes,
} from './outcomes';
import { readOutput, untilCommitted } from './readings';

let broker: TestBroker;
let config: string;
const feeds: FleetFeed[] = [];
const partitions = 4;
const pollMs = 1_000;

beforeAll(async () => {
  [broker, config] = await Promise.all([startBroker(), writeConfig()]);
}, 180_000);
cleanUpAfterwards(() => broker, feeds);

const cleanExit = { code: 0, signal: null };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const currentOf = (store: string) => readFileSync(path.join(store, 'plant', 'current'), 'utf8').trim();
const versionOf = async (daemon: VaemonProcess) =>
  /vaemon_model_info\{[^}]*model="([^"]+)"/.exec((await daemon.get('/metrics')).body)?.[1];

/** Waits for the next version in the store; returns the time until all scorers use it, ms. */
async function untilAllSwap(store: string, scorers: readonly VaemonProcess[]): Promise<number> {
  const before = currentOf(store);
  await until('another version', () => currentOf(store) !== before, 90_000);
  const began = Date.now();
  const version = currentOf(store);
  await until(
    `all to score with ${version}`,
    async () => {
      const inUse = await Promise.all(scorers.map(versionOf));
      return inUse.every((one) => one === version);
    },
    30_000,
  );
  return Date.now() - began;
}

test('a rolling restart of four scorers and a trainer loses and doubles nothing, and all use the same version', async () => {
  const topic = await broker.createTopic({ partitions });
  const kafka = broker.client();
  const feed = await createFleetFeed({ kafka, topic, partitions, devices: 40, seed: 3 });
  feeds.push(feed);
  await feed.produce(3_000);
  const store = await newFolder();
  const settings = await plantSettings(broker, topic, store);
  const common: SettingsOverrides = {
    ...settings,
    delivery: 'exactly-once',
    'window.ttl': '1000d',
    'source.kafka.maxBatchRecords': 500,
    'store.pollInterval': `${pollMs}ms`,
  };
  const train = () =>
    startVaemon(['run'], config, { ...common, role: 'train', 'training.schedule': '*/10 * * * * *' });
  const score = () => startVaemon(['run'], config, { ...common, role: 'score' });

  // Without a version a scorer waits and reports it.
  const scorers = [score()];
  await until('the first scorer to wait', async () =>
    (await scorers[0]!.get('/readyz')).body.includes('waiting for the process that trains'),
  );
  const trainer = train();
  await trainer.ready();
  expect(await trainer.metric('vaemon_training_lease_held')).toBe(1);
  scorers.push(score(), score(), score());
  await Promise.all(scorers.map((one) => one.ready()));
  feed.start(300);

  // A second trainer is started by mistake.
  const second = train();
  await until(
    'it to be refused',
    async () => (await second.metric('vaemon_trainings_total', { result: 'lease' })) > 0,
    60_000,
  );
  expect(await second.metric('vaemon_training_lease_held')).toBe(0);
  expect(await second.metric('vaemon_trainings_total', { result: 'ok' })).toBe(0);
  expect(String(second.log('training left to another process')[0]?.['reason'])).toContain(
    `process ${trainer.pid} on`,
  );

  // A training by hand is refused with advice.
  const byHand = startVaemon(['train'], config, common);
  expect(await byHand.ended).toMatchObject({ code: 1 });
  expect(byHand.stderr()).toMatch(/trains detector "plant".*--take-lease takes it away/);

  for (let i = 0; i < scorers.length; i++) {
    expect(await scorers[i]!.signal('SIGTERM')).toEqual(cleanExit);
    scorers[i] = score();
    await scorers[i]!.ready();
    await pause(1_000);
  }
  const swapMs = [await untilAllSwap(store, scorers)];
  const published = await trainer.metric('vaemon_trainings_total', { result: 'ok' });
  expect(published).toBeGreaterThan(1);
  await trainer.signal('SIGKILL');
  // The second trainer takes over.
  swapMs.push(await untilAllSwap(store, scorers));
  expect(await second.metric('vaemon_training_lease_held')).toBe(1);
  expect(await second.metric('vaemon_trainings_total', { result: 'ok' })).toBeGreaterThan(0);
  expect(await second.signal('SIGTERM')).toEqual(cleanExit);
  process.stdout.write(`all four swapped within ${swapMs.join(' and ')} ms, asking every ${pollMs} ms\n`);
  // Documented: the interval and the time to load.
  expect(Math.max(...swapMs)).toBeLessThan(pollMs + 10_000);

  await feed.stop();
  await untilCommitted(kafka, groupOf(settings));
  for (const scorer of scorers) {
    expect(await scorer.metric('vaemon_trainings_total')).toBe(0);
    expect(await scorer.metric('vaemon_model_load_failures_total')).toBe(0);
    expect(await scorer.metric('vaemon_records_incomplete_total')).toBe(0);
    expect(await scorer.signal('SIGTERM')).toEqual(cleanExit);
  }
  const { detections } = await readOutput(kafka, settings['sinks.kafka.detectionsTopic']);
  const actual: Outcomes = new Map(
    [...detections].map(([origin, all]) => [origin, all.map(() => 'detection')]),
  );
  expect(differences(await expectedDetections(kafka, topic), actual, exactlyOnce)).toEqual([]);
  const versions = new Set([...detections.values()].flat().map(({ modelVersion }) => modelVersion));
  expect(versions.size).toBeGreaterThan(2);
}, 300_000);
