import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stateErrorReasons } from '../../../src/state/rules';
import { copyStore, createPump, newFolder, windowLength, writeConfig } from '../plant';
import { startVaemon } from '../vaemon-process';
import type { SettingsOverrides, VaemonProcess } from '../vaemon-process';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { cleanUpAfterwards } from './clean-up';
import { createFeed } from './feed';
import type { Feed } from './feed';
import {
  actualOutcomes,
  atLeastOnce,
  differences,
  exactlyOnce,
  expectedOutcomes,
  groupOf,
  plantSettings,
  type PlantSettings,
} from './outcomes';
import { readProgress, readTopic, untilCommitted } from './readings';

jest.setTimeout(240_000);

let broker: TestBroker;
let config: string;
/** Store with one model version, trained on normal records. */
let trainedStore: string;
const feeds: Feed[] = [];

beforeAll(async () => {
  [broker, config] = await Promise.all([startBroker(), writeConfig()]);
  const plant = await createPlant();
  await plant.feed.produceNormal(200);
  trainedStore = plant.settings['store.path'];
  await train(plant.settings);
}, 240_000);
cleanUpAfterwards(() => broker, feeds);

async function train(settings: SettingsOverrides): Promise<void> {
  const training = startVaemon(['train'], config, settings);
  const status = await training.ended;
  if (status.code !== 0) throw new Error(training.stdout() + training.stderr());
}

/** Topics, a feed that fills them, and the settings of a daemon for them. */
async function createPlant() {
  const feed = await createFeed(broker);
  feeds.push(feed);
  return { feed, settings: await plantSettings(broker, feed.topic, await newFolder()) };
}

const progressOf = (settings: PlantSettings) => readProgress(broker.client(), groupOf(settings));
const untilAllIsCommitted = (settings: PlantSettings) => untilCommitted(broker.client(), groupOf(settings));

/** Records by outcome since the daemon has started. */
async function countsOf(daemon: VaemonProcess) {
  const count = (what: string) => daemon.metric(`vaemon_records_${what}_total`);
  return {
    consumed: await count('consumed'),
    scored: await count('scored'),
    windowNotFull: await count('window_not_full'),
    rejected: await count('rejected'),
    warmUps: await count('warm_up'),
  };
}

const cleanExit = { code: 0, signal: null };

/** The output of a daemon without faults, with its own group and topics. */
async function uninterrupted(
  topic: string,
  store: string,
  inspect: (daemon: VaemonProcess) => Promise<void> = () => Promise.resolve(),
) {
  const settings = await plantSettings(broker, topic, store);
  const daemon = startVaemon(['run'], config, settings);
  await daemon.ready();
  await untilAllIsCommitted(settings);
  await inspect(daemon);
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  return actualOutcomes(broker.client(), topic, settings);
}

test('every record has exactly one outcome over a stop and a start', async () => {
  const { feed, settings: fresh } = await createPlant();
  await feed.produceNormal(200);
  // Detections are compared with those of one version.
  const settings = { ...fresh, 'store.path': await copyStore(trainedStore) };

  const first = startVaemon(['run'], config, settings);
  await first.ready();
  const controlStore = await copyStore(settings['store.path']);
  feed.start();
  await until('records to be rejected', async () => (await countsOf(first)).rejected > 200, 60_000);
  const roundsBefore = feed.rounds();
  expect(await first.signal('SIGTERM')).toEqual(cleanExit);
  expect(first.log('stopped')).toHaveLength(1);
  await until('more records meanwhile', () => feed.rounds() >= roundsBefore + 5);

  const second = startVaemon(['run'], config, settings);
  await second.ready();
  const roundsWhenBack = feed.rounds();
  await until('records while it runs', () => feed.rounds() >= roundsWhenBack + 10);
  await feed.stop();
  await untilAllIsCommitted(settings);
  const counts = await countsOf(second);
  expect(second.log('model loaded')).toHaveLength(1);
  expect(await second.metric('vaemon_trainings_total')).toBe(0);
  expect(await second.signal('SIGTERM')).toEqual(cleanExit);
  const { committed, high } = await progressOf(settings);
  expect(committed).toEqual(high);

  const expected = await expectedOutcomes(broker.client(), feed.topic);
  const { outcomes, surprises } = await actualOutcomes(broker.client(), feed.topic, settings);
  expect(differences(expected, outcomes, exactlyOnce)).toEqual([]);
  // Windows are full at once, from the state that the first one saved when it stopped.
  expect(counts.windowNotFull).toBe(0);
  expect(counts.warmUps).toBe(0);
  expect(counts.consumed).toBe(counts.scored + counts.rejected + counts.warmUps);
  expect(counts.scored).toBeGreaterThan(0);
  expect(counts.scored).toBeLessThan(surprises.size);

  const reasons = [...expected.values()].flat().filter((outcome) => outcome !== 'detection');
  const control = await uninterrupted(feed.topic, controlStore, async (daemon) => {
    expect(await countsOf(daemon)).toEqual({
      consumed: expected.size,
      scored: surprises.size,
      windowNotFull: 3 * (windowLength - 1),
      rejected: reasons.length,
      warmUps: 0,
    });
    for (const reason of new Set(reasons)) {
      const count = reasons.filter((other) => other === reason).length;
      expect([reason, await daemon.metric('vaemon_records_rejected_total', { reason })]).toEqual([
        reason,
        count,
      ]);
    }
    expect(await daemon.metric('vaemon_unknown_conditions_total')).toBeGreaterThan(0);
    expect(await daemon.metric('vaemon_consumer_lag_records')).toBe(0);
  });
  expect(control.surprises).toEqual(surprises);
});

test('no record is lost after SIGKILL', async () => {
  const { feed, settings: fresh } = await createPlant();
  const settings = { ...fresh, 'store.path': await copyStore(trainedStore) };
  await feed.produceNormal(100);
  feed.start();
  const first = startVaemon(['run'], config, settings);
  await first.ready();
  await until('records to be rejected', async () => (await countsOf(first)).rejected > 100, 60_000);
  // The next process must fill its windows from records before the commit. In the normal records the pumps of a
  // partition follow each other; in the later rounds all appear within a few messages.
  const behindNormalRecords = 2 * 100 + settings['source.kafka.warmUpRecords'];
  await until(
    'a commit after the first rounds',
    async () =>
      (await progressOf(settings)).committed.every((offset) => Number(offset) > behindNormalRecords),
    60_000,
  );
  expect(await first.signal('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });

  const second = startVaemon(['run'], config, settings);
  await second.ready();
  const rounds = feed.rounds();
  await until('records while it runs', () => feed.rounds() >= rounds + 10);
  await feed.stop();
  await untilAllIsCommitted(settings);
  expect(await second.metric('vaemon_records_window_not_full_total')).toBe(0);
  expect(await second.signal('SIGTERM')).toEqual(cleanExit);

  const expected = await expectedOutcomes(broker.client(), feed.topic);
  const { outcomes } = await actualOutcomes(broker.client(), feed.topic, settings);
  expect(differences(expected, outcomes, atLeastOnce)).toEqual([]);
});

test('a second replica takes over one partition, and later the other one', async () => {
  const { feed, settings } = await createPlant();
  const [here, there] = [await copyStore(trainedStore), await copyStore(trainedStore)];
  await feed.produceNormal(100);
  feed.start();
  const first = startVaemon(['run'], config, { ...settings, 'store.path': here });
  await first.ready();
  await until('records to be rejected', async () => (await countsOf(first)).rejected > 50, 60_000);
  const second = startVaemon(['run'], config, { ...settings, 'store.path': there });
  await second.ready();
  await until('its share of the records', async () => (await countsOf(second)).rejected > 50, 60_000);
  expect(await first.signal('SIGTERM')).toEqual(cleanExit);
  const rounds = feed.rounds();
  await until('records for the one that is left', () => feed.rounds() >= rounds + 10);
  await feed.stop();
  await untilAllIsCommitted(settings);
  expect(await second.metric('vaemon_records_window_not_full_total')).toBe(0);
  expect(await second.signal('SIGTERM')).toEqual(cleanExit);

  const expected = await expectedOutcomes(broker.client(), feed.topic);
  const { outcomes, surprises, marked } = await actualOutcomes(broker.client(), feed.topic, settings);
  expect(differences(expected, outcomes, atLeastOnce)).toEqual([]);
  // The replicas share no store: what the second one cannot know of a device is marked, and only there scores differ.
  const control = await uninterrupted(feed.topic, await copyStore(trainedStore));
  const different = [...surprises].filter(([origin, surprise]) => control.surprises.get(origin) !== surprise);
  expect(different.filter(([origin]) => !marked.has(origin))).toEqual([]);
  expect(marked.size).toBeGreaterThan(50);
  expect(surprises.size - marked.size).toBeGreaterThan(50);
  expect(control.marked.size).toBe(0);
});

test('baselines survive SIGKILL, a rebalance and a stop, bit for bit', async () => {
  const { feed, settings: fresh } = await createPlant();
  const settings = { ...fresh, 'events.acceptAfter': '64' };
  const rounds = async (count: number): Promise<void> => {
    const before = feed.rounds();
    await until('more records', () => feed.rounds() >= before + count, 60_000);
  };
  await feed.produceNormal(300);
  // Versions depend on the setting, so that that of the other tests is of no use.
  await train(settings);
  const store = await copyStore(settings['store.path']);
  const first = startVaemon(['run'], config, settings);
  await first.ready();
  await untilAllIsCommitted(settings);
  feed.start();
  await rounds(10);
  expect(await first.signal('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });

  const second = startVaemon(['run'], config, settings);
  await second.ready();
  await rounds(10);
  // Baselines move with partitions: replicas share the store.
  const third = startVaemon(['run'], config, settings);
  await third.ready();
  await until('its share of the records', async () => (await countsOf(third)).scored > 20, 60_000);
  expect(await second.signal('SIGTERM')).toEqual(cleanExit);
  await rounds(5);
  await feed.stop();
  await untilAllIsCommitted(settings);
  for (const reason of stateErrorReasons)
    expect([reason, await third.metric('vaemon_state_errors_total', { reason })]).toEqual([reason, 0]);
  expect(await third.signal('SIGTERM')).toEqual(cleanExit);

  const expected = await expectedOutcomes(broker.client(), feed.topic);
  const { outcomes, surprises, followed } = await actualOutcomes(broker.client(), feed.topic, settings);
  expect(differences(expected, outcomes, atLeastOnce)).toEqual([]);
  expect(followed.size).toBeGreaterThan(500);

  const calm = await plantSettings(broker, feed.topic, store);
  const control = startVaemon(['run'], config, { ...calm, 'events.acceptAfter': '64' });
  await control.ready();
  await untilAllIsCommitted(calm);
  expect(await control.signal('SIGTERM')).toEqual(cleanExit);
  expect(await actualOutcomes(broker.client(), feed.topic, calm)).toMatchObject({ surprises, followed });
}, 240_000);

test('loses nothing while the topic of the dead letters is missing', async () => {
  const { feed, settings: all } = await createPlant();
  const missing = `${feed.topic}-dead-letters`;
  const settings = {
    ...all,
    'sinks.kafka.deadLetterTopic': missing,
    'store.path': await copyStore(trainedStore),
  };
  await feed.produceNormal(20);
  feed.start();
  const daemon = startVaemon(['run'], config, settings);
  await until('a refused batch', async () => (await daemon.metric('vaemon_sink_errors_total')) > 1, 60_000);
  expect(await daemon.get('/healthz')).toMatchObject({ status: 200 });
  await feed.stop();
  const admin = broker.client().admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: missing, numPartitions: 1 }] });
  await admin.disconnect();
  await untilAllIsCommitted(settings);
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);

  const expected = await expectedOutcomes(broker.client(), feed.topic);
  const { outcomes } = await actualOutcomes(broker.client(), feed.topic, settings);
  expect(differences(expected, outcomes, atLeastOnce)).toEqual([]);
});

test('continues after an outage of the broker, and can be stopped during it', async () => {
  const { feed, settings: fresh } = await createPlant();
  const settings = { ...fresh, 'store.path': await copyStore(trainedStore) };
  const other = await plantSettings(broker, feed.topic, settings['store.path']);
  await feed.produceNormal(50);
  const [daemon, stopped] = [startVaemon(['run'], config, settings), startVaemon(['run'], config, other)];
  await Promise.all([daemon.ready(), stopped.ready()]);
  await feed.produceNormal(50);
  await Promise.all([untilAllIsCommitted(settings), untilAllIsCommitted(other)]);
  await broker.stop();
  await until('it to be noticed', () => daemon.log('source error').length > 0, 60_000);
  expect(await stopped.signal('SIGTERM')).toEqual(cleanExit);
  expect((await daemon.get('/readyz')).status).toBe(503);

  await broker.start();
  await feed.produceNormal(50);
  await untilAllIsCommitted(settings);
  expect(await countsOf(daemon)).toMatchObject({ windowNotFull: 3 * (windowLength - 1), rejected: 0 });
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  const expected = await expectedOutcomes(broker.client(), feed.topic);
  const { outcomes } = await actualOutcomes(broker.client(), feed.topic, settings);
  expect(differences(expected, outcomes, atLeastOnce)).toEqual([]);
});

test('a new topic is scored from its hundredth record on, and by the configured model when there are enough', async () => {
  const { feed, settings } = await createPlant();
  const daemon = startVaemon(['run'], config, settings);
  const reasonOf = async (): Promise<string> => {
    const { detectors } = JSON.parse((await daemon.get('/readyz')).body) as {
      detectors: { reason: string }[];
    };
    return detectors[0]!.reason;
  };
  await feed.produceNormal(20);
  // Three pumps.
  const needed = '60 records to learn from, but a cold start needs 100';
  await until('the number of records', async () => (await reasonOf()).includes(needed), 60_000);
  expect((await daemon.get('/readyz')).status).toBe(503);

  await feed.produceNormal(20);
  await daemon.ready();
  expect(await reasonOf()).toMatch(/^cold start; /);
  expect(await daemon.metric('vaemon_cold_start')).toBe(1);
  await untilAllIsCommitted(settings);
  const windowNotFull = 3 * (windowLength - 1);
  expect(await countsOf(daemon)).toMatchObject({ scored: 120 - windowNotFull, windowNotFull });
  await until(
    'the number of windows',
    async () => (await reasonOf()).includes('training.minRecords is 300'),
    60_000,
  );

  await feed.produceNormal(80);
  // In their second mode, which the cold start has not seen: the configured model must learn it.
  await until('the configured model', async () => (await daemon.metric('vaemon_cold_start')) === 0, 60_000);
  expect(await reasonOf()).not.toContain('cold start');
  await feed.produceNormal(10);
  await untilAllIsCommitted(settings);
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  const expected = await expectedOutcomes(broker.client(), feed.topic);
  const { outcomes } = await actualOutcomes(broker.client(), feed.topic, settings);
  expect(differences(expected, outcomes, atLeastOnce)).toEqual([]);
});

test('waits for a broker that starts later, with and without a model', async () => {
  const [untrained, other] = [await createPlant(), await createPlant()];
  const trained = { ...other.settings, 'store.path': await copyStore(trainedStore) };
  await Promise.all([untrained.feed.produceNormal(200), other.feed.produceNormal(20)]);
  await broker.stop();
  const [withoutModel, withModel] = [
    startVaemon(['run'], config, untrained.settings),
    startVaemon(['run'], config, trained),
  ];
  await until('a model that waits for its source', () => withModel.log('source error').length > 0, 60_000);
  await until(
    'a training without a source',
    () => withoutModel.log('no model yet, will try again').length > 0,
    60_000,
  );
  for (const daemon of [withoutModel, withModel]) {
    expect(await daemon.get('/healthz')).toMatchObject({ status: 200 });
    const { status, body } = await daemon.get('/readyz');
    expect(status).toBe(503);
    const { detectors } = JSON.parse(body) as { detectors: { ready: boolean; reason: string }[] };
    expect(detectors).toEqual([{ name: 'plant', ready: false, reason: expect.stringMatching(/\w/) }]);
  }

  await broker.start();
  await Promise.all([withoutModel.ready(), withModel.ready()]);
  await Promise.all([untilAllIsCommitted(untrained.settings), untilAllIsCommitted(trained)]);
  for (const [daemon, records] of [
    [withoutModel, 600],
    [withModel, 60],
  ] as const) {
    const windowNotFull = 3 * (windowLength - 1);
    const all = {
      consumed: records,
      scored: records - windowNotFull,
      windowNotFull,
      rejected: 0,
      warmUps: 0,
    };
    expect(await countsOf(daemon)).toEqual(all);
    expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  }
});

test('a label of a person is a message of its topic: it takes effect, and a daemon that starts later has it', async () => {
  const [topic, labelTopic] = [await broker.createTopic(), await broker.createTopic()];
  const records = createPump('pump-1', {
    seed: 1,
    count: 820,
    start: Date.now() - 3_600_000,
    disturb(values, i) {
      if (i >= 700 && i < 720) values[2]! += 30;
    },
  });
  const produce = (from: number, to: number) =>
    broker.produce(
      topic,
      records.slice(from, to).map((record) => ({ key: record.key, value: JSON.stringify(record) })),
    );
  await produce(0, 600);
  const folder = await newFolder();
  const tokenFile = path.join(folder, 'token');
  const token = randomBytes(32).toString('hex');
  await writeFile(tokenFile, `${token}\n`);
  const settings = {
    ...(await plantSettings(broker, topic, folder)),
    'training.labels.topic': labelTopic,
    // Which an event of a fault does not spend.
    'events.budget': '5 per day',
    'api.tokenFile': tokenFile,
  };
  await train(settings);
  const first = startVaemon(['run'], config, settings);
  await first.ready();
  await produce(600, 800);
  await until('an event', () => first.log('event opened').length > 0);
  const api = `${String(first.log('web server listens')[0]!['url'])}/api/v1`;
  const ask = async (route: string, sent?: object) => {
    const answer = await fetch(`${api}${route}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', connection: 'close' },
      ...(sent && { method: 'POST', body: JSON.stringify(sent) }),
    });
    const body = (await answer.json()) as { events: { id: string; revision: number }[] };
    return { status: answer.status, body };
  };
  const [event] = (await ask('/events')).body.events;
  const route = `/events/${encodeURIComponent(event!.id)}/label`;
  const { status } = await ask(route, { label: 'anomaly', note: 'bearing', revision: event!.revision });
  expect(status).toBe(200);
  await until('it to be read', () => first.log('labels were read').at(-1)?.['labels'] === 1);
  // Before the next record is scored.
  await produce(800, 820);
  await until('its effect', () => first.log('label took effect').length > 0);
  expect(first.log('label took effect')[0]).toMatchObject({ event: event!.id, label: 'anomaly' });
  const [message] = await readTopic(broker.client(), labelTopic);
  expect(JSON.parse(String(message!.value))).toMatchObject({
    key: 'pump-1',
    label: 'anomaly',
    note: 'bearing',
  });
  await untilAllIsCommitted(settings);
  expect(await first.signal('SIGTERM')).toEqual(cleanExit);

  const second = startVaemon(['run'], config, settings);
  await second.ready();
  const { events } = JSON.parse((await second.get('/api/v1/events')).body) as { events: object[] };
  expect(events).toMatchObject([{ id: event!.id, label: { label: 'anomaly' } }]);
  expect(await second.signal('SIGTERM')).toEqual(cleanExit);
});
