import path from 'node:path';
import { settingsFingerprint } from '../../src/config/fingerprint';
import { loadSettings } from '../../src/config/load';
import type { DetectorSettings } from '../../src/config/settings';
import { createActiveModel } from '../../src/runtime/active-model';
import type { VerifiedDetector } from '../../src/scoring/bundle';
import type { ModelStore } from '../../src/store/model-store';
import { createModel } from './model';
import { createRecordedLog } from './recorded-log';

const version = '20260101T000000.000Z';
const noop = (): undefined => undefined;

async function settingsWith(falseAlarmTarget: string): Promise<DetectorSettings> {
  const { detectors } = await loadSettings(path.join(__dirname, '../../config/demo'), {
    env: {},
    overrides: { 'calibration.falseAlarmTarget': falseAlarmTarget },
  });
  return detectors[0]!.settings;
}

/** A model that is in use with a target of one record in a thousand. */
async function create() {
  const settings = await settingsWith('0.001');
  const state = {
    spec: { kind: 'cvae' },
    settingsFingerprint: settingsFingerprint(settings),
    channels: ['cpu_user', 'io_wait'],
    scaler: { count: [100, 100] },
    recordsPerMs: 0.001,
    independentAfter: 1,
    calibration: { tail: { scores: new Float64Array(10_000) }, effectiveSize: 10_000 },
  };
  const { detector } = createModel(version).model;
  const targets: number[] = [];
  const log = createRecordedLog();
  const model = createActiveModel({
    settings,
    store: { read: (() => Promise.resolve({ files: new Map() })) as unknown as ModelStore['read'] },
    decode: () => Promise.resolve({ ...detector, state, reach: 1 } as unknown as VerifiedDetector),
    metrics: {
      modelLoaded: noop,
      coldStart: noop,
      modelLoadFailed: noop,
      falseAlarmTarget: (ratio) => void targets.push(ratio),
      detectionPower: { trained: noop, live: noop },
    },
    log,
  });
  model.use(await model.load(version));
  return { model, settings, targets, log };
}

test('a version that does not come into use is neither logged nor counted', async () => {
  const { model, targets, log } = await create();
  const [counted, logged] = [targets.length, log.entries.length];
  expect(logged).toBeGreaterThan(0);
  await model.loadQuietly(version);
  expect(targets).toHaveLength(counted);
  expect(log.entries).toHaveLength(logged);
});

test('other settings come into force when they are taken, and the watch for drift goes on', async () => {
  const { model, settings, targets } = await create();
  const { drift } = model.slot.current()!;
  const take = model.reload(await settingsWith('0.01'));
  expect(model.settings()).toBe(settings);
  expect(model.slot.current()!.threshold).toBeCloseTo(3, 10);
  take();
  expect(model.slot.current()!.threshold).toBeCloseTo(2, 10);
  expect(model.slot.current()!.drift).toBe(drift);
  expect(targets.at(-1)).toBe(0.01);
});

test('the watch for drift begins again with other settings of it', async () => {
  const { model, settings } = await create();
  const { drift } = model.slot.current()!;
  const falseStartTarget = { kind: 'ratio', ratio: 1e-5 } as const;
  model.reload({ ...settings, drift: { ...settings.drift, falseStartTarget } })();
  expect(model.slot.current()!.drift).not.toBe(drift);
});

test('a version that is loaded before a change of the settings is used by those in force', async () => {
  const { model } = await create();
  const loaded = await model.load(version);
  model.reload(await settingsWith('0.01'))();
  model.use(loaded);
  expect(model.slot.current()!.threshold).toBeCloseTo(2, 10);
});

test('settings that the version cannot decide by are refused, and those in force stay', async () => {
  const { model, settings } = await create();
  const rare = await settingsWith('1e-30');
  expect(() => model.reload(rare)).toThrow(RangeError);
  expect(model.settings()).toBe(settings);
});
