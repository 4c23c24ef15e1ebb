/** The trial of a new model version in a fleet: two processes score, one of them trains. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { ReplayReport } from '../../../src/offline/replay/replay';
import type { Trial } from '../../../src/store/trials';
import { newFolder, writeConfig } from '../plant';
import { startVaemon } from '../vaemon-process';
import type { VaemonProcess } from '../vaemon-process';
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
const partitions = 2;
const cleanExit = { code: 0, signal: null };

beforeAll(async () => {
  [broker, config] = await Promise.all([startBroker(), writeConfig()]);
}, 180_000);
cleanUpAfterwards(() => broker, feeds);

/** The file is replaced in one step; none before there is one. */
function readTrials(...parts: string[]): Trial[] {
  try {
    return JSON.parse(readFileSync(path.join(...parts), 'utf8')) as Trial[];
  } catch {
    return [];
  }
}

test('a version is tried on two processes, promoted once, and each partition changes to it at one place', async () => {
  const topic = await broker.createTopic({ partitions });
  const kafka = broker.client();
  const began = new Date().toISOString();
  const feed = await createFleetFeed({ kafka, topic, partitions, devices: 20, seed: 7, faults: false });
  feeds.push(feed);
  await feed.produce(3_000);
  const store = await newFolder();
  const tokenFile = path.join(store, 'token');
  const token = randomBytes(32).toString('hex');
  await writeFile(tokenFile, `${token}\n`);
  const settings = {
    ...(await plantSettings(broker, topic, store)),
    delivery: 'exactly-once',
    'window.ttl': '1000d',
    'store.pollInterval': '300ms',
    'api.tokenFile': tokenFile,
    'training.challenger.enabled': 'true',
    'training.challenger.for': '8s',
    'training.challenger.records': 2_000,
    'training.challenger.rollbackWithin': '20s',
    // Two short trainings of one small model: their gates must not depend on which records each has seen.
    'calibration.falseAlarmTarget': '0.01',
  };
  const training = startVaemon(['train'], config, settings);
  expect(await training.ended).toEqual(cleanExit);
  const folder = path.join(store, 'plant');
  const current = () => readFileSync(path.join(folder, 'current'), 'utf8').trim();
  const trialsOf = () => readTrials(folder, 'trials.json');
  const first = current();

  const trainer = startVaemon(['run'], config, settings);
  await trainer.ready();
  const scorer = startVaemon(['run'], config, { ...settings, role: 'score' });
  await scorer.ready();
  const both = [trainer, scorer];
  const ask = async (one: VaemonProcess, method: string, route: string, body?: object) => {
    const url = `${String(one.log('web server listens')[0]!['url'])}/api/v1/detectors/plant${route}`;
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      connection: 'close',
    };
    const answer = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    return (await answer.json()) as Record<string, unknown>;
  };
  await until('one partition each', async () => {
    const { processes } = (await ask(scorer, 'GET', '')) as { processes?: { partitions: number[] }[] };
    return processes?.length === 2 && processes.every((one) => one.partitions.length === 1);
  });
  feed.start(300);

  // A process that does not train asks the one that does. On a busy machine a gate may refuse a version: then the next one is tried.
  let second = first;
  while (current() === first) {
    const tried = trialsOf().map(({ version }) => version);
    expect(tried.length).toBeLessThan(3);
    expect(await ask(scorer, 'POST', '/training', {})).toEqual({ training: 'requested' });
    const newest = () => trialsOf().find(({ version }) => !tried.includes(version));
    await until('a trial', () => newest() !== undefined, 90_000);
    second = newest()!.version;
    expect(newest()!.before).toBe(first);
    // Both score it in the shadow, and the one in use stays.
    const seen = new Map<string, number>();
    await until(
      'both to have seen records',
      async () => {
        for (const one of both) {
          const { trial } = (await ask(one, 'GET', '/versions')) as {
            trial?: { version: string; records: number };
          };
          if (trial?.version === second) seen.set(String(one.pid), trial.records);
        }
        return [...seen.values()].filter((records) => records > 0).length === 2;
      },
      60_000,
    );
    await until('the end of its shadow', () => newest()?.state !== 'shadow', 90_000);
    if (newest()!.state === 'refused') continue;
    await until('its promotion', () => current() === second, 90_000);
  }
  const trialOf = () => trialsOf().find(({ version }) => version === second);
  await until('the end of its trial', () => trialOf()?.state === 'kept', 90_000);
  const { gates } = trialOf()!;
  await until('both to score with it', async () => {
    const inUse = await Promise.all(both.map(async (one) => (await one.get('/metrics')).body));
    return inUse.every((text) => text.includes(`model="${second}"`));
  });
  const produced = feed.produced();
  await until('more records', () => feed.produced() > produced + 500);
  await feed.stop();
  await untilCommitted(kafka, groupOf(settings));
  for (const one of both) expect(await one.signal('SIGTERM')).toEqual(cleanExit);
  process.stdout.write(`gates: ${gates.map(({ gate, text }) => `${gate}: ${text}`).join('; ')}\n`);

  const entries = readFileSync(path.join(store, 'audit.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(entries.filter(({ by, action }) => by === 'gates' && action === 'promote')).toEqual([
    expect.objectContaining({ action: 'promote', version: second, before: first, detector: 'plant' }),
  ]);

  const { detections } = await readOutput(kafka, settings['sinks.kafka.detectionsTopic']);
  const actual: Outcomes = new Map(
    [...detections].map(([origin, all]) => [origin, all.map(() => 'detection')]),
  );
  expect(differences(await expectedDetections(kafka, topic), actual, exactlyOnce)).toEqual([]);
  for (let partition = 0; partition < partitions; partition++) {
    const versions = [...detections]
      .map(([origin, [one]]) => ({ origin: origin.split('/').map(Number), version: one!.modelVersion }))
      .filter(({ origin: [of] }) => of === partition)
      .sort((a, b) => a.origin[1]! - b.origin[1]!)
      .map(({ version }) => version);
    const changes = versions.filter((version, i) => i === 0 || version !== versions[i - 1]);
    expect(changes).toEqual([first, second]);
  }

  const replay = startVaemon(['replay', '--json', '--from', began], config, settings);
  const { code } = await replay.ended;
  const report = JSON.parse(replay.stdout()) as ReplayReport;
  expect(report).toMatchObject({ different: 0, withoutVersion: 0, incomplete: 0, unrecorded: 0 });
  expect(report.identical).toBe(detections.size);
  expect(Object.keys(report.versions).sort()).toEqual([first, second].sort());
  expect(code).toBe(0);
}, 600_000);
