import { join } from 'node:path';
import { runCli } from '../../src/cli/cli';
import { loadSettings } from '../../src/config/load';
import type { DetectorSettings } from '../../src/config/settings';
import type { Detection } from '../../src/domain/detection';
import { countAlarms } from '../../src/offline/replay/alarms';
import { derive } from '../../src/offline/replay/derivation';
import type { RecordedDetection, ReplayedPartition } from '../../src/offline/replay/recorded';
import { replay, type ReplayParts } from '../../src/offline/replay/replay';
import { formatReplay } from '../../src/offline/replay/report';
import { openEngines, usualEngines, type Engines } from '../../src/runtime/engines';
import { encodeDetection } from '../../src/sinks/kafka/messages';
import type { Message } from '../../src/sources/source';
import { createModelStore } from '../../src/store/model-store';
import { createRandom } from '../../src/tensor';
import { captureContext } from '../cli/capture';
import { removeFolders, writeFolder } from '../config/folder';

const config = `detector: pump
source: SOURCE
record: { channels: [flow, pressure] }
window: { length: 3 }
model: { kind: vae, latentDim: 1, hidden: [8] }
training: { epochs: 3, minRecords: 100 }
calibration: { falseAlarmTarget: 0.2 }
events: { acceptAfter: 64 }
`;
const count = 600;
/** First offset to replay. */
const liveFrom = 250;

/** After 200 records the flow rises for good, which baselines follow. */
const records = (() => {
  const random = createRandom(1);
  return Array.from({ length: count }, (_, i) => {
    const flow = 10 + random.normal() + (i >= 200 ? 60 : 0) + (i % 50 === 0 ? 30 : 0);
    const values = { flow, pressure: flow / 5 + 0.1 * random.normal() };
    return JSON.stringify({ key: 'a', timestamp: Date.UTC(2026, 0, 1) + i * 1000, values });
  });
})();

let settings: DetectorSettings;
let engines: Engines;
let version: string;
let readVersion: ReplayParts['readVersion'];
let recorded: Map<string, RecordedDetection[]>;

const partitionFrom = (from: number, live: number): ReplayedPartition => ({
  partition: 0,
  from: BigInt(from),
  liveFrom: BigInt(live),
  messages: records.slice(from).map((text, i): Message => ({
    key: null,
    value: Buffer.from(text),
    timestamp: 0,
    origin: { topic: 't', partition: 0, offset: String(from + i) },
    warmUp: from + i < live,
  })),
});

beforeAll(async () => {
  const folder = await writeFolder({ 'records.ndjson': `${records.slice(0, 200).join('\n')}\n` });
  const store = join(folder, 'models');
  const files = await writeFolder({
    'pump.yaml': config.replace(
      'SOURCE',
      `{ kind: file, file: { path: ${join(folder, 'records.ndjson')}, historyRecords: 200 } }`,
    ),
  });
  const { context, exitCode } = captureContext({ VAEMON_STORE_PATH: store });
  await runCli(['train', join(files, 'pump.yaml')], context);
  expect(exitCode()).toBe(0);
  const kafka = await writeFolder({
    'pump.yaml': config.replace(
      'SOURCE',
      '{ kind: kafka, kafka: { topic: t, brokers: [localhost:1] } }\nsinks: { kafka: { deadLetterTopic: d } }',
    ),
  });
  const { detectors } = await loadSettings(join(kafka, 'pump.yaml'), { env: {} });
  settings = detectors[0]!.settings;
  engines = await openEngines(usualEngines);
  const models = createModelStore({ directory: store, detector: 'pump' });
  version = (await models.current())!;
  readVersion = async (name) => (await models.read(name)).files;

  const partitions = [partitionFrom(0, 0)];
  const { detector, detections } = await derive(
    { settings, engines, readVersion, partitions, recorded: new Map() },
    version,
    'followed',
  );
  detector.dispose();
  recorded = new Map(
    [...detections].map(([origin, detection]) => [
      origin,
      [JSON.parse(String(encodeDetection(detection).value)) as RecordedDetection],
    ]),
  );
}, 60_000);
afterAll(() => engines.close());
afterAll(removeFolders);

const replayed = (parts: Partial<ReplayParts> = {}) =>
  replay({
    settings,
    engines,
    readVersion,
    currentVersion: version,
    partitions: [partitionFrom(liveFrom - 2, liveFrom)],
    recorded,
    ...parts,
  });

test('detections derived from the middle of the stream are identical, with the baselines that were recorded', async () => {
  const { rise, shifts } = recorded.get(`0/${count - 1}`)![0]!.baseline!;
  expect(rise).toBeGreaterThan(0);
  // Its new level came after `liveFrom`.
  expect(shifts.flow).toBeGreaterThan(50);
  expect(recorded.get(`0/${liveFrom}`)![0]!.baseline!.shifts.flow).toBeLessThan(5);
  const report = await replayed();
  const all = count - liveFrom;
  expect(report).toMatchObject({ records: all, identical: all, different: 0, incomplete: 0, unrecorded: 0 });
  expect(report.versions).toEqual({ [version]: all });
  expect(report.alarms.records).toBe(all);
});

test('each detection is decided by the target that was in force, not by the present one', async () => {
  // The middle third was decided by a target of 0.01, as after two reloads.
  const strict = {
    ...settings,
    calibration: { ...settings.calibration, falseAlarmTarget: { kind: 'ratio', ratio: 0.01 } as const },
  };
  const partitions = [partitionFrom(0, 0)];
  const parts = { settings: strict, engines, readVersion, partitions, recorded: new Map() };
  const { detector, detections } = await derive(parts, version, 'followed');
  detector.dispose();
  const isStrict = (origin: string) => {
    const offset = Number(origin.split('/')[1]);
    return offset >= 400 && offset < 500;
  };
  const mixed = new Map(
    [...recorded].map(([origin, all]) => [
      origin,
      isStrict(origin)
        ? [JSON.parse(String(encodeDetection(detections.get(origin)!).value)) as RecordedDetection]
        : all,
    ]),
  );
  expect(mixed.get('0/450')![0]!.targetThreshold).toBe(2);
  const report = await replayed({ recorded: mixed });
  expect(report).toMatchObject({ identical: count - liveFrom, different: 0, differences: [] });
  expect(report.alarms.alarms).toBeLessThan((await replayed()).alarms.alarms);
  // A threshold that somebody has changed is found.
  const origin = '0/450';
  const changed = { ...mixed.get(origin)![0]!, threshold: 1 };
  expect(await replayed({ recorded: new Map([...mixed, [origin, [changed]]]) })).toMatchObject({
    different: 1,
    differences: [{ origin, field: 'threshold', recorded: 1 }],
  });
  // Where anomalies alone are written, a record without a detection has the target of the one before it.
  const sinks = { ...settings.sinks, kafka: { ...settings.sinks.kafka, emit: 'anomalies' as const } };
  const anomalies = new Map([...mixed].filter(([, [one]]) => one!.anomalous));
  const quiet = await replayed({ settings: { ...settings, sinks }, recorded: anomalies });
  expect(quiet).toMatchObject({ different: 0 });
});

test('detections of older versions, which do not name their target, have the present one', async () => {
  const old = new Map(
    [...recorded].map(([origin, all]) => [
      origin,
      all.map((one) => {
        const copy = { ...one };
        delete copy.targetThreshold;
        return copy;
      }),
    ]),
  );
  expect(await replayed({ recorded: old })).toMatchObject({ identical: count - liveFrom, different: 0 });
});

test('a changed detection is reported as different, with the field', async () => {
  const origin = `0/${liveFrom + 5}`;
  const changed = { ...recorded.get(origin)![0]!, surprise: 99 };
  const report = await replayed({ recorded: new Map([...recorded, [origin, [changed]]]) });
  expect(report).toMatchObject({ different: 1, identical: count - liveFrom - 1 });
  expect(report.differences).toMatchObject([{ origin, field: 'surprise', recorded: 99 }]);
  expect(report.largestDifference).toBeGreaterThan(90);
  expect(formatReplay(settings, report)).toContain(`${origin} surprise: 99 →`);
});

test('a record without a detection is unrecorded if one is derived that the sink writes, else quiet', async () => {
  const without = (emit: 'all' | 'anomalies') => {
    const sinks = { ...settings.sinks, kafka: { ...settings.sinks.kafka, emit } };
    return replayed({ settings: { ...settings, sinks }, recorded: new Map() });
  };
  expect(await without('all')).toMatchObject({ unrecorded: count - liveFrom, quiet: 0 });
  const { alarms, incomplete, unrecorded, quiet } = await without('anomalies');
  expect(alarms.alarms).toBeGreaterThan(0);
  // The range begins within the topic: what the baselines there were, only detections could tell.
  expect([incomplete, unrecorded, quiet]).toEqual([alarms.alarms, 0, count - liveFrom - alarms.alarms]);
});

test('a version that cannot be read is reported, and its detections are counted apart', async () => {
  const gone = new Map(
    [...recorded].map(([origin, all]) => [origin, all.map((one) => ({ ...one, modelVersion: 'gone' }))]),
  );
  const report = await replayed({ recorded: gone });
  expect(report).toMatchObject({ withoutVersion: count - liveFrom, identical: 0 });
  expect(Object.keys(report.unusable)).toEqual(['gone']);
});

test('what-if counts the alarms of another false-alarm target', async () => {
  const report = await replayed({ whatIf: { target: { kind: 'ratio', ratio: 0.5 } } });
  expect(report.whatIf!.alarms).toBeGreaterThan(report.alarms.alarms);
  expect(report.whatIf!.threshold[version]).toBeCloseTo(-Math.log10(0.5), 12);
});

test.each([
  ['2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z'],
  ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'],
])('a time from %s to %s is refused', async (from, to) => {
  const folder = await writeFolder({
    'pump.yaml': config.replace(
      'SOURCE',
      '{ kind: kafka, kafka: { topic: t, brokers: [localhost:1] } }\nsinks: { kafka: { enabled: true, detectionsTopic: o, deadLetterTopic: d } }',
    ),
  });
  const { context, stderr, exitCode } = captureContext();
  await runCli(['replay', join(folder, 'pump.yaml'), '--from', from, '--to', to], context);
  expect(stderr()).toBe('vaemon: --from must be before --to: no record lies between them\n');
  expect(exitCode()).toBe(1);
});

test('a device that falls silent is among the events, where the version contains gaps', async () => {
  const { detector } = await derive(
    { settings, engines, readVersion, partitions: [partitionFrom(0, 0)], recorded: new Map() },
    version,
    'followed',
  );
  const quiet = (key: string, i: number): Detection => ({
    detector: 'pump',
    key,
    timestamp: 1000 * i,
    origin: { topic: 't', partition: 0, offset: String(i) },
    surprise: 0,
    threshold: 1,
    targetThreshold: 1,
    anomalous: false,
    extrapolated: false,
    limits: [],
    statistics: {},
    contributions: [],
    modelVersion: version,
  });
  const detections = Array.from({ length: 200 }, (_, i) =>
    i < 100 ? [quiet('a', i), quiet('b', i)] : [quiet('a', i)],
  ).flat();
  const withGaps = (gaps: { count: number; longest: number[] } | undefined) => ({
    ...detector,
    state: { ...detector.state, gaps: gaps! },
  });
  expect(countAlarms(settings, detections, () => withGaps({ count: 1e6, longest: [3, 2] }))).toEqual({
    records: detections.length,
    alarms: 0,
    events: 1,
  });
  expect(countAlarms(settings, detections, () => withGaps(undefined)).events).toBe(0);
  detector.dispose();
});
