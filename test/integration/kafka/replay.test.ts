/** Recorded detections, derived again. */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { ReplayReport } from '../../../src/offline/replay/replay';
import { newFolder, removeFolders, writeConfig } from '../plant';
import { endAllVaemon, startVaemon } from '../vaemon-process';
import type { SettingsOverrides } from '../vaemon-process';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { createFleetFeed } from './fleet-feed';
import type { FleetFeed } from './fleet-feed';
import { groupOf, plantSettings } from './outcomes';
import { readTopic, readOutput, untilCommitted } from './readings';

jest.setTimeout(240_000);

let broker: TestBroker;
let config: string;
let feed: FleetFeed;
let topic: string;
let began: string;
const cleanExit = { code: 0, signal: null };

beforeAll(async () => {
  [broker, config] = await Promise.all([startBroker(), writeConfig()]);
  topic = await broker.createTopic({ partitions: 2 });
  began = new Date().toISOString();
  feed = await createFleetFeed({ kafka: broker.client(), topic, partitions: 2, devices: 10, seed: 5 });
  await feed.produce(2_000);
}, 240_000);
afterEach(endAllVaemon);
afterAll(async () => {
  await feed.close();
  await broker.remove();
  await removeFolders();
});

/** A detector that has judged the topic with two versions, killed once on the way. */
async function judge(overrides: SettingsOverrides = {}): Promise<SettingsOverrides> {
  const store = await newFolder();
  const plant = await plantSettings(broker, topic, store);
  const settings = {
    ...plant,
    'window.ttl': '1000d',
    'store.pollInterval': '300ms',
    'source.kafka.warmUpRecords': 0,
    // Many, since the model has learned from the faults, too.
    'calibration.falseAlarmTarget': '0.05',
    'events.openRecords': 1,
    ...overrides,
  };
  const training = startVaemon(['train'], config, settings);
  expect(await training.ended).toEqual(cleanExit);
  const first = startVaemon(['run'], config, settings);
  await until('some verdicts', async () => (await first.metric('vaemon_records_scored_total')) > 500, 60_000);
  await first.signal('SIGKILL');
  const second = startVaemon(['run'], config, settings);
  await second.ready();
  await untilCommitted(broker.client(), groupOf(plant));
  const again = startVaemon(['train'], config, settings);
  expect(await again.ended).toEqual(cleanExit);
  await until('the new version', async () => (await second.metric('vaemon_model_swaps_total')) === 1);
  await feed.produce(500);
  await untilCommitted(broker.client(), groupOf(plant));
  expect(await second.signal('SIGTERM')).toEqual(cleanExit);
  return settings;
}

async function replay(
  settings: SettingsOverrides,
  ...options: string[]
): Promise<{ code: number | null; report: ReplayReport; stderr: string }> {
  const command = startVaemon(['replay', '--json', ...options], config, settings);
  const { code } = await command.ended;
  const text = command.stdout();
  return {
    code,
    report: text.startsWith('{') ? (JSON.parse(text) as ReplayReport) : (undefined as never),
    stderr: command.stderr(),
  };
}

const versionsIn = (settings: SettingsOverrides) =>
  readdir(path.join(String(settings['store.path']), 'plant', 'versions'));

test('all detections are equal bit for bit, by the two versions that made them', async () => {
  const settings = await judge();
  const { detections } = await readOutput(broker.client(), String(settings['sinks.kafka.detectionsTopic']));
  const { code, report, stderr } = await replay(settings, '--from', began);
  expect(report).toMatchObject({
    different: 0,
    withoutVersion: 0,
    incomplete: 0,
    unrecorded: 0,
    differences: [],
  });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  // A record that was judged before and after the kill counts once, when both said the same.
  expect(report.identical).toBe(detections.size);
  expect(Object.keys(report.versions).sort()).toEqual((await versionsIn(settings)).sort());
  expect(report.alarms.alarms).toBeGreaterThan(20);
  expect(report.alarms.events).toBeGreaterThan(3);

  // One record: its window is filled by what lies before it.
  const [origin] = [...detections.keys()].filter((one) => one.startsWith('1/')).slice(-1);
  const one = await replay(settings, '--offset', `${topic}:${origin!.replace('/', ':')}`, '--lead', '1000');
  expect(one.report).toMatchObject({ records: 1, identical: 1, different: 0 });
  const without = await replay(settings, '--offset', `${topic}:${origin!.replace('/', ':')}`, '--lead', '1');
  expect(without.report).toMatchObject({ records: 1, identical: 0, incomplete: 1, different: 0 });

  // What would have been.
  const loose = await replay(settings, '--from', began, '--what-if', 'target=0.3');
  expect(loose.report.whatIf!.alarms).toBeGreaterThan(loose.report.alarms.alarms);
  expect(loose.report.alarms).toEqual(report.alarms);
  const [firstVersion] = (await versionsIn(settings)).sort();
  const other = await replay(settings, '--from', began, '--what-if', `version=${firstVersion}`);
  expect(other.report.whatIf).toMatchObject({ records: report.alarms.records });
  expect(Object.keys(other.report.whatIf!.threshold)).toEqual([firstVersion]);

  // A verdict that someone has changed is found, and a record that no one has judged.
  const messages = await readTopic(broker.client(), String(settings['sinks.kafka.detectionsTopic']));
  const last = messages.filter(({ headers }) => String(headers?.['type']) === 'detection').at(-1)!;
  const changed = { ...(JSON.parse(String(last.value)) as object), surprise: 0.123456789 };
  await broker.produce(String(settings['sinks.kafka.detectionsTopic']), [{ value: JSON.stringify(changed) }]);
  const wrong = await replay(settings, '--from', began);
  expect(wrong.code).toBe(1);
  expect(wrong.report).toMatchObject({ different: 1, identical: detections.size });
  expect(wrong.report.differences).toEqual([
    expect.objectContaining({ field: 'surprise', recorded: 0.123456789 }),
  ]);
  await feed.produce(1);
  const unsaid = await replay(settings, '--from', began);
  expect(unsaid.report.unrecorded).toBe(1);

  // Without a version its verdicts cannot be derived, and that is said.
  await rm(path.join(String(settings['store.path']), 'plant', 'versions', firstVersion!), {
    recursive: true,
  });
  const gone = await replay(settings, '--from', began);
  expect(gone.code).toBe(1);
  expect(gone.report.withoutVersion).toBe(report.versions[firstVersion!]);
  expect(gone.report.unusable[firstVersion!]).toMatch(/there is no such version/);
});

test('with levels that follow the devices, and where anomalies alone are written', async () => {
  const settings = await judge({ 'events.acceptAfter': 64, 'sinks.kafka.emit': 'all' });
  const { report } = await replay(settings, '--from', began);
  expect(report).toMatchObject({ different: 0, withoutVersion: 0, incomplete: 0, unrecorded: 0 });
  expect(report.identical).toBeGreaterThan(1_500);

  const quiet = await judge({ 'sinks.kafka.emit': 'anomalies' });
  const { detections } = await readOutput(broker.client(), String(quiet['sinks.kafka.detectionsTopic']));
  const { code, report: ofAnomalies } = await replay(quiet, '--from', began);
  expect(ofAnomalies).toMatchObject({ different: 0, withoutVersion: 0, unrecorded: 0 });
  expect(code).toBe(0);
  expect(ofAnomalies.identical).toBe(detections.size);
  expect(ofAnomalies.quiet + ofAnomalies.incomplete).toBe(ofAnomalies.records - detections.size);
  // No detection says at which record the second version came into use; where it decides narrowly, that makes a difference.
  expect(ofAnomalies.incomplete).toBeLessThan(10);
});

test('an invalid selection is refused with a hint', async () => {
  const settings = await plantSettings(broker, topic, await newFolder());
  expect((await replay(settings)).stderr).toMatch(/select records with --from or --offset/);
  expect((await replay(settings, '--offset', 'other:0:1')).stderr).toMatch(/reads topic-/);
  expect((await replay(settings, '--offset', `${topic}:0:99999999`)).stderr).toMatch(
    /the topic has the offsets 0 to \d+ there/,
  );
  expect((await replay(settings, '--from', 'yesterday')).stderr).toMatch(/Expected a time/);
  expect((await replay(settings, '--from', began, '--max-records', '10')).stderr).toMatch(
    /select a shorter time/,
  );
  const empty = await replay(settings, '--from', '2001-10-01T00:00:00Z', '--to', '2001-10-02T00:00:00Z');
  expect(empty.stderr).toMatch(/no record is selected: topic-\S+ has no message in this time/);
  expect(empty.code).toBe(1);
  expect((await replay(settings, '--from', began, '--what-if', 'target=7')).stderr).toMatch(
    /--what-if target=7/,
  );
  expect((await replay(settings, '--from', began, '--what-if', 'mood=bad')).stderr).toMatch(
    /target=… or version=…/,
  );
});
