import { join } from 'node:path';
import { rm, symlink, writeFile, mkdir } from 'node:fs/promises';
import { compareSettings } from '../../src/config/changes';
import { hashConfigFiles } from '../../src/config/files';
import { loadSettings } from '../../src/config/load';
import { writeSettings } from '../../src/config/written';
import { minimalDetector, removeFolders, writeFolder } from './folder';

afterEach(removeFolders);

/** Settings of a folder with these detectors. */
async function load(detectors: Record<string, string>, daemon = '') {
  const files = Object.entries(detectors).map(([name, text]) => [
    `detectors/${name}.yaml`,
    minimalDetector(name) + text,
  ]);
  const folder = await writeFolder({
    'daemon.yaml': daemon,
    ...(Object.fromEntries(files) as Record<string, string>),
  });
  return loadSettings(folder, { env: {} });
}

test('keys that are reloaded are applied; others keep their values and are named', async () => {
  const before = await load({ pump: '', fan: '' });
  const after = await load(
    {
      pump: 'calibration: { falseAlarmTarget: 0.01 }\nwindow: { length: 12 }\n',
      fan: 'events: { closeAfter: 3 }\n',
    },
    'log: { level: debug }\nhttp: { port: 1 }\n',
  );
  const { settings, applied, restart } = compareSettings(before, after);
  expect(applied).toEqual(['log.level', 'fan: events.closeAfter', 'pump: calibration.falseAlarmTarget']);
  expect(restart).toEqual(['http.port', 'pump: window.length']);
  expect(settings.daemon).toMatchObject({ log: { level: 'debug' }, http: { port: before.daemon.http.port } });
  const [fan, pump] = settings.detectors;
  expect(fan!.settings.events.closeAfter).toBe(3);
  expect(pump!.settings).toMatchObject({
    calibration: { falseAlarmTarget: { kind: 'ratio', ratio: 0.01 } },
    window: { length: 10 },
  });
});

test('of signals, only limits are reloaded', async () => {
  const signals = (text: string) =>
    load({ pump: '' }).then(async () => {
      const folder = await writeFolder({
        'detectors/pump.yaml': minimalDetector().replace(
          '[pressure, flow]',
          `[pressure, flow], signals: ${text}`,
        ),
      });
      return loadSettings(folder, { env: {} });
    });
  const before = await signals('{}');
  const limits = await signals('{ flow: { limits: { max: 3 } } }');
  expect(compareSettings(before, limits)).toMatchObject({ applied: ['pump: record.signals'], restart: [] });
  const direction = await signals('{ flow: { direction: up, limits: { max: 3 } } }');
  expect(compareSettings(limits, direction)).toMatchObject({
    applied: [],
    restart: ['pump: record.signals'],
  });
});

test('detectors that are new or gone need a restart', async () => {
  const { settings, restart } = compareSettings(await load({ pump: '' }), await load({ fan: '' }));
  expect(restart).toEqual(['pump: the detector is gone', 'fan: the detector is new']);
  expect(settings.detectors.map((one) => one.settings.detector)).toEqual(['pump']);
});

test('values that cannot be combined with those that need a restart are refused', async () => {
  const before = await load({ pump: '' });
  const channels = minimalDetector().replace(
    '[pressure, flow]',
    '[pressure, flow, speed], signals: { speed: { limits: { max: 3 } } }',
  );
  const folder = await writeFolder({ 'detectors/pump.yaml': channels });
  const after = await loadSettings(folder, { env: {} });
  expect(() => compareSettings(before, after)).toThrow(
    /pump: record\.signals must name channels .* record\.channels$/,
  );
});

test('another kind of source needs a restart, and only its kind is named', async () => {
  const kafka = minimalDetector().replace(
    '{ kind: file, file: { path: pump.ndjson } }',
    '{ kind: kafka, kafka: { brokers: [a:1], topic: t } }',
  );
  const folder = await writeFolder({
    'detectors/pump.yaml': `${kafka}sinks: { kafka: { deadLetterTopic: d } }\n`,
  });
  const { restart } = compareSettings(await load({ pump: '' }), await loadSettings(folder, { env: {} }));
  expect(restart).toEqual(['pump: source.kind', 'pump: sinks.kafka.deadLetterTopic']);
});

test('written settings are loaded as they were', async () => {
  const settings = await load(
    { pump: 'preset: sensor\nevents: { closeAfter: 3 }\n' },
    'log: { level: debug }\n',
  );
  const folder = await writeFolder({});
  await writeSettings(folder, settings, 'pump');
  const again = await loadSettings(folder, { env: {} });
  expect(again.daemon).toEqual(settings.daemon);
  expect(again.detectors.map((one) => one.settings)).toEqual(settings.detectors.map((one) => one.settings));
});

test('the hash of the files changes with their contents and names, also behind links that are swapped', async () => {
  const folder = await writeFolder({ 'one/pump.yaml': 'a', 'two/pump.yaml': 'b' });
  const path = join(folder, 'config');
  await mkdir(path);
  // As Kubernetes mounts a ConfigMap.
  await symlink(join(folder, 'one'), join(path, '..data'));
  await symlink('..data', join(path, 'detectors'));
  const first = await hashConfigFiles(path);
  expect(await hashConfigFiles(path)).toBe(first);
  await rm(join(path, '..data'));
  await symlink(join(folder, 'two'), join(path, '..data'));
  const second = await hashConfigFiles(path);
  expect(second).not.toBe(first);
  await writeFile(join(path, 'detectors/fan.yaml'), '');
  expect(await hashConfigFiles(path)).not.toBe(second);
  expect(await hashConfigFiles(join(folder, 'nothing'))).not.toBe(first);
  // The file of VAEMON_DEFAULTS is followed, too.
  const defaults = join(folder, 'defaults.yaml');
  await writeFile(defaults, 'log: { level: info }');
  const withDefaults = await hashConfigFiles(path, defaults);
  expect(await hashConfigFiles(path, defaults)).toBe(withDefaults);
  await writeFile(defaults, 'log: { level: debug }');
  expect(await hashConfigFiles(path, defaults)).not.toBe(withDefaults);
});
