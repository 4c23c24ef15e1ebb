import { sourceOf, type DetectorSettings } from '../../src/config/settings';
import { loadSettings } from '../../src/config/load';
import { createRecordDecoder } from '../../src/pipeline/record-decoder';
import { settingsFingerprint } from '../../src/config/fingerprint';
import { minimalDetector, removeFolders, writeFolder } from '../config/folder';
import { loadEncoder } from '../formats/document';

afterEach(removeFolders);

/** Settings as the operator's file gives them, with some of them replaced. */
async function settingsWith(overrides: Partial<DetectorSettings> = {}): Promise<DetectorSettings> {
  const folder = await writeFolder({ 'daemon.yaml': '', 'detectors/pump.yaml': minimalDetector() });
  const { detectors } = await loadSettings(folder, { env: {} });
  return { ...detectors[0]!.settings, ...overrides };
}

describe('the fingerprint of the settings', () => {
  async function changes(
    change: (settings: DetectorSettings) => Partial<DetectorSettings>,
  ): Promise<boolean> {
    const settings = await settingsWith();
    return settingsFingerprint({ ...settings, ...change(settings) }) !== settingsFingerprint(settings);
  }

  test.each<[string, (settings: DetectorSettings) => Partial<DetectorSettings>]>([
    [
      'a channel is added',
      ({ record }) => ({ record: { ...record, channels: [...record.channels, 'power'] } }),
    ],
    [
      'channels change places',
      ({ record }) => ({ record: { ...record, channels: [...record.channels].reverse() } }),
    ],
    [
      'a condition is added',
      ({ record }) => ({
        record: { ...record, conditions: [{ name: 'hour', kind: 'hour-of-day', timeZone: 'UTC' }] },
      }),
    ],
    ['windows get longer', ({ window }) => ({ window: { ...window, length: window.length + 1 } })],
    ['the model changes', ({ model }) => ({ model: { ...model, latentDim: model.latentDim + 1 } })],
  ])('is another one when %s', async (_, change) => {
    expect(await changes(change)).toBe(true);
  });

  test.each<[string, (settings: DetectorSettings) => Partial<DetectorSettings>]>([
    ['sinks', ({ sinks }) => ({ sinks: { ...sinks, log: { enabled: !sinks.log.enabled } } })],
    [
      'the source',
      (settings) => ({
        source: { kind: 'file', file: { ...sourceOf(settings, 'file').file, path: 'other.csv' } },
      }),
    ],
    ['training', ({ training }) => ({ training: { ...training, epochs: training.epochs + 1 } })],
    [
      'the false-alarm target',
      ({ calibration }) => ({
        calibration: { ...calibration, falseAlarmTarget: { kind: 'ratio', ratio: 0.5 } },
      }),
    ],
    ['the number of keys', ({ window }) => ({ window: { ...window, maxKeys: window.maxKeys + 1 } })],
    ['events', ({ events }) => ({ events: { ...events, closeAfter: events.closeAfter + 1 } })],
  ])('stays when %s change', async (_, change) => {
    expect(await changes(change)).toBe(false);
  });

  test('of images follows what the model sees of them, not how they arrive', async () => {
    const { record, ...settings } = await settingsWith();
    const image = { ...record.image, width: 8, height: 8 };
    const fingerprint = (changes: Partial<typeof image>): string =>
      settingsFingerprint({
        ...settings,
        record: { ...record, kind: 'image', image: { ...image, ...changes } },
      });
    for (const changes of [{ width: 9 }, { height: 9 }, { colour: 'rgb' }, { fit: 'cover' }] as const)
      expect(fingerprint(changes)).not.toBe(fingerprint({}));
    expect(fingerprint({ format: 'raw', maxPixels: 5 })).toBe(fingerprint({}));
    expect(settingsFingerprint({ ...settings, record: { ...record, image } })).toBe(
      settingsFingerprint({ ...settings, record }),
    );
  });

  test('is the same in every process', async () => {
    expect(settingsFingerprint(await settingsWith())).toBe(settingsFingerprint(await settingsWith()));
    expect(settingsFingerprint(await settingsWith())).toMatch(/^[0-9a-f]{16}$/);
  });
});

test('the record decoder reads records as the detector is configured', async () => {
  const settings = await settingsWith();
  const record = {
    ...settings.record,
    conditions: [
      { name: 'hour', kind: 'hour-of-day', timeZone: 'UTC' },
      { name: 'mode', kind: 'category', maxValues: 4, missing: 'reject' },
    ] as const,
  };
  const recordDecoder = createRecordDecoder({ ...settings, record });
  expect(recordDecoder.shape).toEqual({ length: settings.window.length, channels: 2, conditions: 1 });

  const now = Date.parse('2026-03-01T12:00:00Z');
  const value = { key: 'a', timestamp: now, values: { flow: 2, pressure: 1 }, conditions: { mode: 'idle' } };
  const message = {
    key: null,
    value: Buffer.from(JSON.stringify(value)),
    timestamp: now,
    origin: { topic: 't', partition: 0, offset: '0' },
    warmUp: false,
  };
  const { records, rows } = await recordDecoder.decode([message], now);
  expect(rows).toEqual([0]);
  expect([...records.values]).toEqual([1, 2]);
  expect(recordDecoder.table.value(records.conditions[0]!)).toBe('idle');

  const small = createRecordDecoder({ ...settings, record: { ...record, maxBytes: 10 } });
  const refused = await small.decode([message, message], now);
  expect(refused.records.count).toBe(0);
  expect(refused.rows).toEqual([
    expect.objectContaining({ reason: 'too_large' }),
    expect.objectContaining({ reason: 'too_large' }),
  ]);
});

test('binary records are read where the detector says so, and JSON where a file has them', async () => {
  const { record, ...settings } = await settingsWith();
  const detector = { ...settings, record: { ...record, format: 'binary' } as const };
  const now = Date.parse('2026-03-01T12:00:00Z');
  const read = async (value: Buffer, format?: 'json') => {
    const message = { key: null, value, timestamp: now, origin: { topic: 't', partition: 0, offset: '0' } };
    const { records, rows } = await createRecordDecoder(detector, format && { format }).decode(
      [{ ...message, warmUp: false }],
      now,
    );
    return rows[0] === 0 ? [...records.values] : rows[0];
  };
  const binary = loadEncoder()({ key: 'a', timestamp: now, values: [1, 2] });
  const json = Buffer.from(JSON.stringify({ key: 'a', timestamp: now, values: [1, 2] }));
  expect(await read(binary)).toEqual([1, 2]);
  expect(await read(json)).toMatchObject({ reason: 'unknown_format' });
  expect(await read(json, 'json')).toEqual([1, 2]);
});
