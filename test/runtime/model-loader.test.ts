import path from 'node:path';
import { settingsFingerprint } from '../../src/config/fingerprint';
import { loadSettings } from '../../src/config/load';
import type { DetectorSettings } from '../../src/config/settings';
import { ModelVersionError } from '../../src/errors';
import { createModelLoader } from '../../src/runtime/model-loader';
import type { VerifiedDetector } from '../../src/scoring/bundle';
import type { ModelStore } from '../../src/store/model-store';
import { createModel } from './model';
import { createRecordedLog } from './recorded-log';

const version = '20260101T000000.000Z';
let settings: DetectorSettings;
beforeAll(async () => {
  const { detectors } = await loadSettings(path.join(__dirname, '../../config/demo'), {
    env: {},
    overrides: { 'calibration.falseAlarmTarget': '0.001' },
  });
  settings = detectors[0]!.settings;
});

function create({
  calibrationRecords = 10_000,
  valuesByChannel = [100, 100],
  fingerprint = settingsFingerprint(settings),
  counters = undefined as readonly string[] | undefined,
  kind = 'cvae',
  reach = 9,
  read = (() => Promise.resolve({ files: new Map() })) as unknown as ModelStore['read'],
} = {}) {
  const { model, disposed } = createModel(version);
  const state = {
    spec: { kind },
    settingsFingerprint: fingerprint,
    channels: ['cpu_user', 'io_wait'],
    scaler: { count: valuesByChannel },
    ...(counters && { counters }),
    recordsPerMs: 0.001,
    independentAfter: 1,
    calibration: {
      tail: { scores: new Float64Array(calibrationRecords) },
      effectiveSize: calibrationRecords,
    },
  };
  const failures: string[] = [];
  const targets: number[] = [];
  const powers: unknown[] = [];
  const log = createRecordedLog();
  const load = createModelLoader({
    settings: () => settings,
    store: { read },
    decode: () => Promise.resolve({ ...model.detector, state, reach } as unknown as VerifiedDetector),
    metrics: {
      modelLoadFailed: (reason) => void failures.push(reason),
      falseAlarmTarget: (ratio) => void targets.push(ratio),
      detectionPower: { trained: (power) => void powers.push(power), live: () => undefined },
    },
    log,
  });
  return { load, disposed, failures, targets, powers, log };
}

test('the log names the channels that are scored by their rate', async () => {
  const { load, log } = create({ counters: ['energy'] });
  await load(version);
  expect(log.entries).toContainEqual({
    level: 'info',
    message: 'channels that only grow are scored by their rate',
    fields: { counters: ['energy'] },
  });
});

test('the log says that a linear model scores for the time being', async () => {
  const { load, log } = create({ kind: 'linear' });
  expect((await load(version)).coldStart).toBe(true);
  expect(log.entries).toContainEqual({
    level: 'warn',
    message: 'cold start: a linear model scores until the configured one is trained',
    fields: { kind: settings.model.kind, calibrated: 10_000 },
  });
  expect((await create().load(version)).coldStart).toBe(false);
});

test('a loaded version has the alarm threshold of the configured target, and watches for drift', async () => {
  const { load, targets, failures, log } = create();
  const { detector, threshold, drift } = await load(version);
  expect(detector.version).toBe(version);
  expect(threshold).toBeCloseTo(3, 10);
  expect(drift).toBeDefined();
  expect(targets).toEqual([0.001]);
  expect(failures).toEqual([]);
  expect(log.entries).toEqual([]);
});

test('the detection power of a version is logged and exported; a version without one loads as well', async () => {
  const report = {
    detectionPower: {
      within: [1, 4, 32],
      stretches: 4,
      alarming: 0,
      faults: [
        { kind: 'shift', size: 3, unit: 'σ', canaries: 4, found: [0, 1, 2] },
        { kind: 'shift', size: 6, unit: 'σ', canaries: 4, found: [2, 4, 4] },
      ],
    },
  };
  const files = (content: object) => new Map([['report.json', Buffer.from(JSON.stringify(content))]]);
  const reading = (content: object) =>
    (() => Promise.resolve({ files: files(content) })) as unknown as ModelStore['read'];
  const { load, powers, log } = create({ read: reading(report) });
  await load(version);
  expect(powers).toEqual([{ shift: 0.75 }]);
  expect(log.entries).toEqual([
    { level: 'info', message: expect.stringContaining('detection power') as string, fields: { shift: 0.75 } },
  ]);
  const older = create({ read: reading({ records: 600 }) });
  await older.load(version);
  expect(older.powers).toEqual([undefined]);
  expect(older.log.entries).toEqual([]);
});

test('a version trained under other settings is refused, counted and disposed', async () => {
  const { load, disposed, failures } = create({ fingerprint: 'other' });
  await expect(load(version)).rejects.toMatchObject({
    name: 'ModelVersionError',
    reason: 'schema',
    message: expect.stringContaining('trained for other channels, conditions, window or model settings'),
  });
  expect(failures).toEqual(['schema']);
  expect(disposed()).toBe(1);
});

test('a damaged version is counted by its reason; a store that cannot be read is not', async () => {
  const damaged = create({
    read: () => Promise.reject(new ModelVersionError(version, 'checksum', 'damaged')),
  });
  await expect(damaged.load(version)).rejects.toThrow('damaged');
  expect(damaged.failures).toEqual(['checksum']);
  const unreadable = create({ read: () => Promise.reject(new Error('EIO')) });
  await expect(unreadable.load(version)).rejects.toThrow('EIO');
  expect(unreadable.failures).toEqual([]);
});

test('a target beyond the calibration records is a warning', async () => {
  const { load, log } = create({ calibrationRecords: 500 });
  await load(version);
  expect(log.entries).toEqual([
    {
      level: 'warn',
      message: 'false-alarm target lies beyond the calibration records',
      fields: { target: 0.001, calibrated: 500, independent: 500 },
    },
  ]);
});

test('a version that finds no golden anomaly at the threshold is a warning', async () => {
  const { load, log } = create({ reach: 1.3 });
  await load(version);
  expect(log.entries).toMatchObject([
    {
      level: 'warn',
      message: expect.stringContaining('the version can find no anomaly') as string,
      fields: { reach: 1.3, threshold: expect.closeTo(3, 10) as number },
    },
  ]);
});

test('channels without training values are a warning', async () => {
  const { load, log } = create({ valuesByChannel: [100, 0] });
  await load(version);
  expect(log.entries).toEqual([
    {
      level: 'warn',
      message: 'channels without a value in the training data are not scored',
      fields: { channels: ['io_wait'] },
    },
  ]);
});
