import type { Settings } from '../../src/config/settings';
import { loadSettings } from '../../src/config/load';
import { createMetrics } from '../../src/metrics/metrics';
import { createReload } from '../../src/runtime/reload';
import { minimalDetector, removeFolders, writeFolder } from '../config/folder';
import { createRecordedLog } from './recorded-log';

afterEach(removeFolders);

async function settingsOf(text: string): Promise<Settings> {
  const folder = await writeFolder({ 'detectors/pump.yaml': minimalDetector() + text });
  return loadSettings(folder, { env: {} });
}

/** A reload of files that the test replaces: their hash, and the text after a minimal detector. */
async function create(prepare: (settings: Settings) => void = () => undefined) {
  const files = { hash: 'a1', text: '' };
  const log = createRecordedLog();
  const metrics = createMetrics({ version: '1', engine: 'cpu', process: false });
  const used: Settings[] = [];
  let time = 5_000;
  const reload = createReload({
    files: {
      hash: () => Promise.resolve(files.hash),
      load: () => settingsOf(files.text),
      loadedHash: 'a1',
    },
    settings: await settingsOf(''),
    intervalMs: 0,
    prepare(settings) {
      prepare(settings);
      return () => void used.push(settings);
    },
    metrics: metrics.configuration,
    log,
    now: () => (time += 1000),
  });
  const scrape = async (name: string): Promise<number> =>
    Number(new RegExp(`^vaemon_config_${name} (.*)$`, 'm').exec(await metrics.text())![1]);
  const messages = () =>
    log.entries.map(({ level, message, fields }) => ({ level, message, keys: fields['keys'] }));
  return { files, reload, used, scrape, messages, log };
}

const closeAfterOf = ({ detectors }: Settings): number => detectors[0]!.settings.events.closeAfter;

test('a change is used once it has been the same twice', async () => {
  const { files, reload, used, scrape, messages } = await create();
  expect(await scrape('last_reload_success_timestamp_seconds')).toBe(6);
  await reload.look();
  files.hash = 'b2';
  files.text = 'events: { closeAfter: 3 }\n';
  await reload.look();
  // It changes further.
  files.hash = 'c3';
  await reload.look();
  expect(used).toEqual([]);
  await reload.look();
  await reload.look();
  expect(used.map(closeAfterOf)).toEqual([3]);
  expect(closeAfterOf(reload.settings())).toBe(3);
  expect(messages()).toEqual([
    { level: 'info', message: 'configuration reloaded', keys: ['pump: events.closeAfter'] },
  ]);
  expect(await scrape('hash')).toBe(0xc3);
  expect(await scrape('last_reload_successful')).toBe(1);
  expect(await scrape('last_reload_success_timestamp_seconds')).toBe(7);
  await reload.stop();
});

test('a change that is taken back before it is used has no effect', async () => {
  const { files, reload, used } = await create();
  files.hash = 'b2';
  await reload.look();
  files.hash = 'a1';
  await reload.look();
  files.hash = 'b2';
  await reload.look();
  expect(used).toEqual([]);
});

test('a bad file leaves the settings as they are, once in the log, until it is replaced', async () => {
  const { files, reload, used, scrape, log } = await create();
  files.text = 'events: { closeAfter: 0 }\n';
  files.hash = 'b2';
  for (let i = 0; i < 5; i++) await reload.look();
  expect(used).toEqual([]);
  expect(log.entries).toHaveLength(1);
  expect(log.entries[0]!.level).toBe('error');
  expect(String(log.entries[0]!.fields['err'])).toContain('events.closeAfter: must be a whole number');
  expect(await scrape('last_reload_successful')).toBe(0);
  expect(await scrape('hash')).toBe(0xa1);
  files.text = 'events: { closeAfter: 4 }\n';
  files.hash = 'c3';
  await reload.look();
  await reload.look();
  expect(used.map(closeAfterOf)).toEqual([4]);
  expect(await scrape('last_reload_successful')).toBe(1);
});

test('settings that a detector cannot use are refused whole', async () => {
  const { files, reload, used, scrape, log } = await create(() => {
    throw new RangeError('the target is too rare');
  });
  files.text = 'calibration: { falseAlarmTarget: 0.00001 }\n';
  await reload.now();
  expect(used).toEqual([]);
  expect(String(log.entries[0]!.fields['err'])).toContain('too rare');
  expect(await scrape('last_reload_successful')).toBe(0);
});

test('keys that need a restart are named, counted, and compared with what is in force', async () => {
  const { files, reload, used, scrape, messages } = await create();
  files.text = 'window: { length: 12 }\nevents: { closeAfter: 3 }\n';
  await reload.now();
  await reload.now();
  const waiting = {
    level: 'warn',
    message: 'the configuration has changes that need a restart',
    keys: ['pump: window.length'],
  };
  expect(messages()).toEqual([
    { level: 'info', message: 'configuration reloaded', keys: ['pump: events.closeAfter'] },
    waiting,
    waiting,
  ]);
  expect(used.at(-1)!.detectors[0]!.settings.window.length).toBe(10);
  expect(await scrape('restart_keys')).toBe(1);
  files.text = '';
  await reload.now();
  expect(await scrape('restart_keys')).toBe(0);
  expect(closeAfterOf(reload.settings())).toBe(10);
});
