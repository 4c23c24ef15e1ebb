import { createRandom } from '../../../src/tensor';
import { copyStore, newFolder, writeConfig } from '../plant';
import { endAllVaemon, startVaemon } from '../vaemon-process';
import type { SettingsOverrides, VaemonProcess } from '../vaemon-process';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { cleanUpAfterwards } from './clean-up';
import { createFleetFeed } from './fleet-feed';
import type { FleetFeed } from './fleet-feed';
import { isFollowed } from './outcomes';
import { readOutput, untilCommitted } from './readings';

let broker: TestBroker;
let config: string;

const feeds: FleetFeed[] = [];
const partitions = 4;
const rebalances = 20;

async function createFleet(seed: number, faults = true) {
  const topic = await broker.createTopic({ partitions });
  const kafka = broker.client();
  const feed = await createFleetFeed({ kafka, topic, partitions, devices: 40, seed, faults });
  feeds.push(feed);
  return { topic, feed };
}

async function settingsFor(topic: string, store: string) {
  const [detections, deadLetters] = [await broker.createTopic(), await broker.createTopic()];
  return {
    'source.kind': 'kafka',
    'source.kafka.brokers': broker.bootstrap,
    'source.kafka.topic': topic,
    'source.kafka.groupId': `group-of-${detections}`,
    'source.kafka.startFrom': 'earliest',
    // No effect: stored state determines what is read again.
    'source.kafka.warmUpRecords': 0,
    'source.kafka.saveEveryRecords': 300,
    'source.kafka.sessionTimeout': '6s',
    'sinks.kafka.enabled': 'true',
    'sinks.kafka.detectionsTopic': detections,
    'sinks.kafka.deadLetterTopic': deadLetters,
    'sinks.kafka.emit': 'all',
    'window.length': 8,
    'window.ttl': '1000d',
    'events.silence': '20s',
    'store.path': store,
  } satisfies SettingsOverrides;
}
type FleetSettings = Awaited<ReturnType<typeof settingsFor>>;
const groupOf = (settings: FleetSettings) => ({
  topic: settings['source.kafka.topic'],
  groupId: settings['source.kafka.groupId'],
});

beforeAll(async () => {
  [broker, config] = await Promise.all([startBroker(), writeConfig()]);
}, 240_000);
cleanUpAfterwards(() => broker, feeds);

/** A store with one model version, trained on normal records. */
async function train(acceptAfter: string): Promise<string> {
  const { topic, feed } = await createFleet(1, false);
  await feed.produce(3_000);
  const store = await newFolder();
  const settings = { ...(await settingsFor(topic, store)), 'events.acceptAfter': acceptAfter };
  const training = startVaemon(['train'], config, settings);
  const status = await training.ended;
  if (status.code !== 0) throw new Error(training.stdout() + training.stderr());
  return store;
}

/** Starts and stops members for a number of changes; one is left. Returns how the others ended. */
async function shake(start: () => VaemonProcess, seed: number): Promise<string[]> {
  const random = createRandom(seed);
  const members = [start()];
  const changes: string[] = [];
  await members[0]!.ready();
  while (changes.length < rebalances) {
    await new Promise((resolve) => setTimeout(resolve, 500 + 2_500 * random.uniform()));
    if (members.length === 1 || (members.length < 3 && random.uniform() < 0.5)) {
      const next = start();
      // Some end before they have handled a record.
      if (random.uniform() < 0.7) await next.ready();
      members.push(next);
      changes.push('start');
    } else {
      const signal = random.uniform() < 0.5 ? 'SIGKILL' : 'SIGTERM';
      const [gone] = members.splice(Math.floor(members.length * random.uniform()), 1);
      changes.push(signal);
      await gone!.signal(signal);
    }
  }
  await members[0]!.ready();
  return changes;
}

const equal = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
/** The first differences between two outputs. */
function differences<T>(expected: ReadonlyMap<string, T[]>, actual: ReadonlyMap<string, T[]>) {
  return [...new Set([...expected.keys(), ...actual.keys()])]
    .filter((id) => {
      const said = actual.get(id) ?? [];
      return said.length === 0 || said.some((one) => !equal(one, expected.get(id)?.[0]));
    })
    .slice(0, 5)
    .map((id) => ({ id, expected: expected.get(id), actual: actual.get(id) }));
}

test.each([
  ['following new normals', '64', 7],
  ['following none', '0', 8],
])(
  `%s, ${rebalances} rebalances and kills change no detection and no event of 40 devices of uneven rates`,
  async (_, acceptAfter, seed) => {
    const { topic, feed } = await createFleet(seed);
    const trainedStore = await train(acceptAfter);
    const settings = await settingsFor(topic, await copyStore(trainedStore));
    const overrides = { ...settings, 'events.acceptAfter': acceptAfter };
    feed.start(400);
    const changes = await shake(() => startVaemon(['run'], config, overrides), seed);
    expect(new Set(changes)).toEqual(new Set(['start', 'SIGKILL', 'SIGTERM']));
    await feed.stop();
    await untilCommitted(broker.client(), groupOf(settings), 120_000);
    await endAllVaemon();

    const calm = await settingsFor(topic, trainedStore);
    const control = startVaemon(['run'], config, { ...calm, 'events.acceptAfter': acceptAfter });
    await control.ready();
    await untilCommitted(broker.client(), groupOf(calm), 120_000);
    await until(
      'the last detections',
      async () => (await control.metric('vaemon_consumer_lag_records')) === 0,
    );
    expect(await control.signal('SIGTERM')).toEqual({ code: 0, signal: null });

    const expected = await readOutput(broker.client(), calm['sinks.kafka.detectionsTopic']);
    const actual = await readOutput(broker.client(), settings['sinks.kafka.detectionsTopic']);
    expect(expected.detections.size).toBeGreaterThan(feed.produced() / 2);
    expect(expected.events.size).toBeGreaterThan(20);
    expect(differences(expected.detections, actual.detections)).toEqual([]);
    expect(differences(expected.events, actual.events)).toEqual([]);
    const marked = [...actual.detections.values()]
      .flat()
      .filter(({ incomplete }) => incomplete !== undefined);
    expect(marked).toEqual([]);
    if (acceptAfter !== '0') {
      const followed = [...actual.detections.values()].filter(([one]) => isFollowed(one!.baseline));
      expect(followed.length).toBeGreaterThan(100);
    }
  },
  420_000,
);
