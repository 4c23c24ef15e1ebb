import { copyStore, newFolder, writeConfig } from '../plant';
import { startVaemon } from '../vaemon-process';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { cleanUpAfterwards } from './clean-up';
import { createFeed } from './feed';
import type { Feed } from './feed';
import {
  actualOutcomes,
  differences,
  exactlyOnce,
  expectedOutcomes,
  groupOf,
  plantSettings,
} from './outcomes';
import { readProgress, untilCommitted } from './readings';

jest.setTimeout(240_000);

let broker: TestBroker;
let config: string;
/** Store with one model version, trained on normal records. */
let trainedStore: string;
const feeds: Feed[] = [];

beforeAll(async () => {
  [broker, config] = await Promise.all([startBroker(), writeConfig()]);
  const feed = await createFeed(broker);
  await feed.produceNormal(200);
  await feed.close();
  trainedStore = await newFolder();
  const training = startVaemon(['train'], config, await plantSettings(broker, feed.topic, trainedStore));
  const status = await training.ended;
  if (status.code !== 0) throw new Error(training.stdout() + training.stderr());
}, 240_000);
cleanUpAfterwards(() => broker, feeds);

const cleanExit = { code: 0, signal: null };

async function createPlant() {
  const feed = await createFeed(broker);
  feeds.push(feed);
  const settings = await plantSettings(broker, feed.topic, await copyStore(trainedStore));
  return { feed, settings: { ...settings, delivery: 'exactly-once' } };
}

test('a fleet whose members are killed, stopped, added and paused writes each detection once', async () => {
  const { feed, settings } = await createPlant();
  const kafka = broker.client();
  const rounds = async (count: number): Promise<void> => {
    const before = feed.rounds();
    await until('more records', () => feed.rounds() >= before + count, 60_000);
  };
  const start = async () => {
    const daemon = startVaemon(['run'], config, settings);
    await daemon.ready();
    return daemon;
  };
  await feed.produceNormal(100);
  feed.start();
  const first = await start();
  await rounds(20);
  await first.signal('SIGKILL');

  const second = await start();
  await rounds(20);
  const third = await start();
  await until('its share', async () => (await third.metric('vaemon_records_scored_total')) > 20, 60_000);

  // Longer than its session: the other process takes over, and then this one resumes in the middle of its work.
  process.kill(second.pid, 'SIGSTOP');
  const stoppedAt = (await readProgress(kafka, groupOf(settings))).committed.map(Number);
  await until(
    'the other process to continue with both partitions',
    async () =>
      (await readProgress(kafka, groupOf(settings))).committed.every(
        (at, i) => Number(at) > stoppedAt[i]! + 50,
      ),
    60_000,
  );
  process.kill(second.pid, 'SIGCONT');
  await rounds(20);
  await second.ready();
  await until('it to have a share again', async () => (await second.metric('vaemon_ready')) === 1);
  expect(await third.signal('SIGTERM')).toEqual(cleanExit);
  await rounds(20);
  await feed.stop();
  await untilCommitted(kafka, groupOf(settings));
  expect(await second.metric('vaemon_transactions_total', { result: 'committed' })).toBeGreaterThan(5);
  expect(await second.signal('SIGTERM')).toEqual(cleanExit);

  const expected = await expectedOutcomes(kafka, feed.topic);
  const { outcomes, surprises } = await actualOutcomes(kafka, feed.topic, settings);
  expect(differences(expected, outcomes, exactlyOnce)).toEqual([]);

  const calm = await plantSettings(broker, feed.topic, await copyStore(trainedStore));
  const control = startVaemon(['run'], config, calm);
  await control.ready();
  await untilCommitted(kafka, groupOf(calm));
  expect(await control.signal('SIGTERM')).toEqual(cleanExit);
  expect((await actualOutcomes(kafka, feed.topic, calm)).surprises).toEqual(surprises);
});

test('a process that is killed ten times, in the middle of its work, loses no record and doubles none', async () => {
  const { feed, settings } = await createPlant();
  const kafka = broker.client();
  const began = Date.now();
  feed.start();
  const kills = 10;
  for (let i = 0; i < kills; i++) {
    const daemon = startVaemon(['run'], config, settings);
    await daemon.ready();
    await until(
      'it to score',
      async () => (await daemon.metric('vaemon_records_scored_total')) > 40 * i,
      60_000,
    );
    await daemon.signal('SIGKILL');
  }
  await feed.stop();
  const seconds = (Date.now() - began) / 1000;
  const last = startVaemon(['run'], config, settings);
  await last.ready();
  await untilCommitted(kafka, groupOf(settings));
  expect(await last.signal('SIGTERM')).toEqual(cleanExit);

  const expected = await expectedOutcomes(kafka, feed.topic);
  const rate = Math.round(expected.size / seconds);
  process.stdout.write(`${kills} times SIGKILL: ${expected.size} records, ${rate} a second\n`);
  const { outcomes } = await actualOutcomes(kafka, feed.topic, settings);
  expect(differences(expected, outcomes, exactlyOnce)).toEqual([]);
});

test('an outage of the broker loses no record and doubles none', async () => {
  const { feed, settings } = await createPlant();
  const kafka = broker.client();
  await feed.produceNormal(200);
  const daemon = startVaemon(['run'], config, settings);
  await daemon.ready();
  await until('some detections', async () => (await daemon.metric('vaemon_records_scored_total')) > 50);
  await broker.stop();
  await until('it to be noticed', () => daemon.log('source error').length > 0, 60_000);
  await broker.start();
  await feed.produceNormal(100);
  await untilCommitted(kafka, groupOf(settings));
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  const { outcomes } = await actualOutcomes(kafka, feed.topic, settings);
  expect(differences(await expectedOutcomes(kafka, feed.topic), outcomes, exactlyOnce)).toEqual([]);
});

test('a group that starts at the latest message keeps its offset before the first one', async () => {
  const { feed, settings: earliest } = await createPlant();
  const settings = { ...earliest, 'source.kafka.startFrom': 'latest' };
  const kafka = broker.client();
  await feed.produceNormal(30);
  const first = startVaemon(['run'], config, settings);
  await first.ready();
  await until('a place', async () =>
    (await readProgress(kafka, groupOf(settings))).committed.every((at) => Number(at) > 0),
  );
  expect(await first.signal('SIGTERM')).toEqual(cleanExit);
  await feed.produceNormal(10);
  const second = startVaemon(['run'], config, settings);
  await untilCommitted(kafka, groupOf(settings));
  expect(await second.signal('SIGTERM')).toEqual(cleanExit);
  const { surprises } = await actualOutcomes(kafka, feed.topic, settings);
  // Earlier records have filled the windows.
  expect(surprises.size).toBe(30);
});
