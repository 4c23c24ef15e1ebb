import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmdirSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startServer, stopServers } from '../system/http-server';
import { until } from './kafka/broker';
import { copyStore, createPump, newFolder, removeFolders, toCsv, windowLength, writeConfig } from './plant';
import { endAllVaemon, startVaemon, trainingPidOf } from './vaemon-process';
import type { SettingsOverrides, VaemonProcess } from './vaemon-process';

jest.setTimeout(240_000);

const historyRecords = 600;
const liveRecords = 1_200;
const recordedAt = Date.UTC(2026, 0, 1);
/** In the live part of the recording. */
const fault = { from: historyRecords + 150, to: historyRecords + 180 };
/** What the summary counts neither way: the fault and the minute after it, a record a second. */
const faultyRecords = fault.to - fault.from + 1 + 60;
const cleanExit = { code: 0, signal: null };

let config: string;
let recording: string;
let labels: string;
/** Holds two versions of the plant's model, the newer one current. */
let trainedStore: string;
let versions: string[];

beforeAll(async () => {
  config = await writeConfig();
  recording = path.join(config, 'pump.csv');
  labels = path.join(config, 'labels.csv');
  const records = createPump('pump-1', {
    seed: 1,
    count: historyRecords + liveRecords,
    start: recordedAt,
    disturb(values, i) {
      if (i >= fault.from && i <= fault.to) values[2]! += 30;
    },
  });
  await writeFile(recording, toCsv(records));
  const [start, end] = [fault.from, fault.to].map((i) => new Date(recordedAt + i * 1000).toISOString());
  await writeFile(labels, `start,end,kind,channels\n${start},${end},overheating,temperature\n`);

  trainedStore = await newFolder();
  for (let i = 0; i < 2; i++) {
    const training = startVaemon(['train'], config, { ...replay, ...files(), 'store.path': trainedStore });
    expect(await training.ended).toEqual(cleanExit);
  }
  versions = (await readdir(path.join(trainedStore, 'plant', 'versions'))).sort();
});
afterEach(endAllVaemon);
afterEach(stopServers);
afterAll(removeFolders);

const replay: SettingsOverrides = {
  'source.file.historyRecords': historyRecords,
  'source.file.columns.conditions': 'mode',
};
const files = (): SettingsOverrides => ({ 'source.file.path': recording, 'source.file.labels': labels });

/** A replay that goes on for ever, 200 records a second. */
function startReplay(store: string, settings: SettingsOverrides = {}): VaemonProcess {
  const endless = { 'source.file.rate': 200, 'source.file.loop': 'true' };
  return startVaemon(['run'], config, {
    ...replay,
    ...files(),
    ...endless,
    'source.file.labels': '',
    'store.path': store,
    ...settings,
  });
}

/** Each record that came was scored, but the first ones, for want of a full window. */
async function expectNoGap(daemon: VaemonProcess): Promise<void> {
  await until('as many verdicts as records', async () => {
    const consumed = await daemon.metric('vaemon_records_consumed_total');
    const scored = await daemon.metric('vaemon_records_scored_total');
    return consumed === scored + windowLength - 1;
  });
  expect(await daemon.metric('vaemon_records_window_not_full_total')).toBe(windowLength - 1);
  expect(await daemon.metric('vaemon_records_rejected_total')).toBe(0);
}

async function untilScored(daemon: VaemonProcess, more: number): Promise<void> {
  const before = await daemon.metric('vaemon_records_scored_total');
  await until(
    `${more} more verdicts`,
    async () => (await daemon.metric('vaemon_records_scored_total')) >= before + more,
  );
}

const trainings = (daemon: VaemonProcess, result: string): Promise<number> =>
  daemon.metric('vaemon_trainings_total', { result });

test('trains at the start, scores the file to its end and sums up', async () => {
  const store = await newFolder();
  const daemon = startVaemon(['run', '--once'], config, { ...replay, ...files(), 'store.path': store });
  expect(await daemon.ended).toEqual(cleanExit);
  expect(daemon.stderr()).toBe('');
  expect(daemon.log('new model in use')).toMatchObject([{ trigger: 'start' }]);
  expect(daemon.log('event opened')[0]).toMatchObject({ key: 'pump-1' });
  expect(daemon.log('event closed')).toHaveLength(daemon.log('event opened').length);
  expect(daemon.log('drift detected: records no longer match the calibration')).toEqual([]);
  expect(daemon.stdout()).toContain('faults found    1 of 1');
  expect(daemon.stdout()).toMatch(/overheating +found after +\d+ s +by temperature\n/);
  const normalRecords = liveRecords - (windowLength - 1) - faultyRecords;
  expect(daemon.stdout()).toContain(`of ${normalRecords} normal records`);
  expect(daemon.log().at(-1)).toMatchObject({ message: 'stopped' });
});

test('swaps scheduled trainings in without a gap', async () => {
  const daemon = startReplay(await copyStore(trainedStore), {
    ...files(),
    'source.file.rate': 100,
    'training.schedule': '*/2 * * * * *',
    'training.keepVersions': 2,
    'training.keepFor': '0s',
  });
  await daemon.ready();
  expect(await daemon.metric('vaemon_model_info', { model: versions[1]! })).toBe(1);
  await until('a swap', async () => (await daemon.metric('vaemon_model_swaps_total')) >= 1);
  await expectNoGap(daemon);
  expect(await daemon.metric('vaemon_model_info', { model: versions[1]! })).toBe(0);
  expect(await daemon.metric('vaemon_model_info')).toBe(1);

  // Every record to the end of the file has had a verdict, whichever model it was.
  const normalRecords = liveRecords - (windowLength - 1) - faultyRecords;
  await until('the end of a pass', () => daemon.stdout().includes(`of ${normalRecords} normal records`));
  await until('versions to be removed', () => daemon.log('old model versions removed').length > 0);
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  expect(daemon.log().filter(({ level }) => level === 'error')).toEqual([]);
  expect(daemon.log('new model in use').every(({ trigger }) => trigger === 'schedule')).toBe(true);
});

test('a new version scores in the shadow first, and comes into use when its gates pass', async () => {
  const store = await copyStore(trainedStore);
  const daemon = startReplay(store, {
    'training.schedule': '*/3 * * * * *',
    'training.challenger.enabled': 'true',
    'training.challenger.for': '3s',
    'training.challenger.records': 2_000,
  });
  await daemon.ready();
  const inShadow = 'model version scores in the shadow until its gates pass';
  await until('a version on trial', () => daemon.log(inShadow).length > 0);
  // On a busy machine, the shadow of the first one may seem to cost too much.
  const passed = 'model version passed its gates: it is in use';
  await until('a version that passes its gates', () => daemon.log(passed).length > 0);
  const version = String(daemon.log(passed)[0]!['version']);
  expect(daemon.log(passed)[0]).toMatchObject({ level: 'info', before: versions[1] });
  await until('the new version to score', async () => (await daemon.metric('vaemon_model_swaps_total')) >= 1);
  expect(await daemon.metric('vaemon_shadow_records_total')).toBeGreaterThanOrEqual(100);
  expect(await daemon.metric('vaemon_model_trials_total', { result: 'promoted' })).toBeGreaterThanOrEqual(1);
  const trials = JSON.parse(await readFile(path.join(store, 'plant', 'trials.json'), 'utf8')) as {
    version: string;
    gates: { gate: string; passed: boolean }[];
  }[];
  const { gates } = trials.find((one) => one.version === version)!;
  expect(gates.map(({ gate }) => gate)).toEqual(['alarms', 'rank', 'loss', 'power', 'cost']);
  const audit = (await readFile(path.join(store, 'audit.log'), 'utf8')).trim().split('\n');
  expect(audit.map((line) => JSON.parse(line) as unknown)).toContainEqual(
    expect.objectContaining({ detector: 'plant', by: 'gates', action: 'promote', version }),
  );
  // The shadow has left no trace in what the daemon does: as many verdicts as records.
  await expectNoGap(daemon);
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  expect(daemon.log().filter(({ level }) => level === 'error')).toEqual([]);
});

test('a normal that moves is noticed, and starts a training where that is wanted', async () => {
  const moved = path.join(config, 'moved.csv');
  const records = createPump('pump-1', {
    seed: 1,
    count: historyRecords + liveRecords,
    start: recordedAt,
    disturb(values, i) {
      // Far beyond its noise, and for good.
      if (i >= historyRecords + 600) values[2]! += 4;
    },
  });
  await writeFile(moved, toCsv(records));
  const daemon = startVaemon(['run'], config, {
    ...replay,
    'source.file.path': moved,
    'source.file.rate': 1000,
    'source.file.loop': 'true',
    'store.path': await copyStore(trainedStore),
    'training.onDrift': 'true',
    'drift.falseStartTarget': '0.0001',
  });
  await until('a training', () => Promise.resolve(daemon.log('new model in use').length > 0));
  expect(daemon.log('drift detected: records no longer match the calibration')[0]).toMatchObject({
    level: 'warn',
    version: versions[1],
  });
  expect(daemon.log('training started')).toMatchObject([{ trigger: 'drift' }]);
  expect(await daemon.metric('vaemon_drifts_total')).toBeGreaterThanOrEqual(1);
});

test('an event that is open when the daemon stops is closed by it', async () => {
  const store = await copyStore(trainedStore);
  const stuck = path.join(config, 'stuck.csv');
  const records = createPump('pump-1', {
    seed: 1,
    count: historyRecords + liveRecords,
    start: recordedAt,
    disturb(values, i) {
      if (i >= historyRecords + 100) values[2]! += 30;
    },
  });
  await writeFile(stuck, toCsv(records));
  const settings = { ...replay, 'source.file.path': stuck, 'source.file.rate': 200, 'store.path': store };
  const daemon = startVaemon(['run'], config, settings);
  await until('an event', () => Promise.resolve(daemon.log('event opened').length > 0));
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  expect(daemon.log('event closed').at(-1)).toMatchObject({ closedBy: 'end' });
});

test('a training that is killed leaves the old model scoring, and the next one works', async () => {
  const daemon = startReplay(await copyStore(trainedStore), { 'training.schedule': '*/3 * * * * *' });
  await daemon.ready();
  let pid: number | undefined;
  await until('a training', () => (pid = trainingPidOf(daemon)) !== undefined);
  process.kill(pid!, 'SIGKILL');
  await until('the failure to be counted', async () => (await trainings(daemon, 'killed')) === 1);
  expect(daemon.log('training failed')).toMatchObject([
    { level: 'error', reason: 'killed', err: { message: expect.stringContaining('SIGKILL') } },
  ]);
  expect(await daemon.metric('vaemon_model_info', { model: versions[1]! })).toBe(1);
  expect(await daemon.get('/readyz')).toMatchObject({ status: 200 });
  await untilScored(daemon, 50);

  await until('a training that works', async () => (await trainings(daemon, 'ok')) >= 1);
  expect(await daemon.metric('vaemon_model_info', { model: versions[1]! })).toBe(0);
  await expectNoGap(daemon);
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
});

test.each(['SIGTERM', 'SIGKILL'] as const)('a training ends with its daemon: %s', async (signal) => {
  const forLong = { 'training.epochs': 100_000, 'training.patience': 100_000 };
  const daemon = startReplay(await newFolder(), forLong);
  let pid: number | undefined;
  await until('a training', () => (pid = trainingPidOf(daemon)) !== undefined);
  expect(await daemon.signal(signal)).toEqual(signal === 'SIGTERM' ? cleanExit : { code: null, signal });
  const ended = until('the training to end', () => !existsSync(`/proc/${pid!}`));
  await ended.catch((error: unknown) => {
    process.kill(pid!, 'SIGKILL');
    throw error;
  });
});

/** A folder that is a file system of its own, 2 MB in memory; undefined where that may not be mounted. */
function mountSmallDisk(): string | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'vaemon-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmdirSync(folder);
    return undefined;
  }
}

const disk = mountSmallDisk();
afterAll(() => {
  if (disk === undefined) return;
  execFileSync('umount', [disk]);
  rmdirSync(disk);
});

// Counted as skipped where this user may not mount a file system.
(disk === undefined ? test.skip : test)(
  'a full disk leaves the old model scoring, and with space the next training works',
  async () => {
    const store = path.join(disk!, 'store');
    const withoutEvents = { 'events.openRecords': 1_000, 'events.openWindow': 1_000 };
    const daemon = startReplay(store, { 'training.schedule': '*/3 * * * * *', ...withoutEvents });
    await daemon.ready();
    const ballast = path.join(disk!, 'ballast');
    await writeFile(ballast, Buffer.alloc(4_000_000)).catch(() => undefined);
    await until('the failure to be counted', async () => (await trainings(daemon, 'store')) >= 1);
    expect(daemon.log('training failed')[0]).toMatchObject({
      level: 'error',
      reason: 'store',
      err: { message: expect.stringMatching(/could not publish a model version.*no space left.*free some/) },
    });
    await untilScored(daemon, 50);

    await rm(ballast);
    const before = await trainings(daemon, 'ok');
    await until('a training that works', async () => (await trainings(daemon, 'ok')) > before);
    await expectNoGap(daemon);
    expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  },
);

test('nothing is trained while the quarantine cannot be written', async () => {
  const store = await copyStore(trainedStore);
  const quarantine = path.join(store, 'plant', 'quarantine.json');
  const daemon = startReplay(store, { 'training.schedule': '*/3 * * * * *' });
  await daemon.ready();
  await until('an event', () => daemon.log('event closed').length > 0);
  // No file can be renamed to the name of a folder that holds something.
  await rm(quarantine, { force: true });
  await mkdir(path.join(quarantine, 'in the way'), { recursive: true });
  await until('the failure to be counted', async () => (await trainings(daemon, 'store')) >= 1);
  expect(daemon.log('training failed').at(-1)).toMatchObject({
    level: 'error',
    reason: 'store',
    err: { message: expect.stringContaining(`cannot write ${quarantine}`) },
  });
  await untilScored(daemon, 50);

  await rm(quarantine, { recursive: true });
  const before = await trainings(daemon, 'ok');
  await until('a training that works', async () => (await trainings(daemon, 'ok')) > before);
  expect(JSON.parse(await readFile(quarantine, 'utf8'))).toContainEqual({
    key: 'pump-1',
    from: expect.any(Number),
    to: expect.any(Number),
  });
  await expectNoGap(daemon);
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
});

async function flipByte(file: string): Promise<void> {
  const bytes = await readFile(file);
  const middle = bytes.length >> 1;
  bytes[middle] = bytes[middle]! ^ 1;
  await writeFile(file, bytes);
}

const damages: [string, string, string, (version: string) => Promise<void>][] = [
  [
    'a flipped byte',
    'checksum',
    'weights.safetensors',
    (version) => flipByte(path.join(version, 'weights.safetensors')),
  ],
  ['a missing file', 'missing_file', 'golden.json', (version) => rm(path.join(version, 'golden.json'))],
  [
    'an older schema',
    'schema',
    'older schema 0',
    async (version) => {
      const manifest = path.join(version, 'manifest.json');
      const text = await readFile(manifest, 'utf8');
      await writeFile(manifest, text.replace(/"schemaVersion": \d+/, '"schemaVersion": 0'));
    },
  ],
];

test.each(damages)(
  'a model version with %s is named, and the one before is used',
  async (_, reason, named, damage) => {
    const store = await copyStore(trainedStore);
    await damage(path.join(store, 'plant', 'versions', versions[1]!));
    const daemon = startReplay(store);
    await daemon.ready();
    const refusals = daemon.log('model version is unusable');
    expect(refusals).toMatchObject([{ level: 'error', version: versions[1] }]);
    const { message } = refusals[0]!['err'] as { message: string };
    expect(message).toContain(`model version ${versions[1]!}`);
    expect(message).toContain(named);
    expect(daemon.log('model loaded')).toMatchObject([{ version: versions[0] }]);
    expect(await daemon.metric('vaemon_model_load_failures_total', { reason })).toBe(1);
    expect(await daemon.metric('vaemon_trainings_total')).toBe(0);
    await untilScored(daemon, 10);
    expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  },
);

test('trains anew when no version can be used', async () => {
  const store = await copyStore(trainedStore);
  for (const version of versions) {
    await flipByte(path.join(store, 'plant', 'versions', version, 'model.json'));
  }
  const daemon = startReplay(store);
  await daemon.ready();
  expect(daemon.log('model version is unusable')).toHaveLength(2);
  expect(await daemon.metric('vaemon_model_load_failures_total', { reason: 'checksum' })).toBe(2);
  expect(daemon.log('new model in use')).toMatchObject([{ trigger: 'start' }]);
  await untilScored(daemon, 10);
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
});

test('refuses versions that were trained for another window, and trains anew', async () => {
  const daemon = startReplay(await copyStore(trainedStore), { 'window.length': windowLength + 1 });
  await daemon.ready();
  expect(daemon.log('model version is unusable')).toMatchObject([
    { version: versions[1], err: { message: expect.stringContaining('window') } },
    { version: versions[0], err: { message: expect.stringContaining('window') } },
  ]);
  expect(await daemon.metric('vaemon_model_load_failures_total', { reason: 'schema' })).toBe(2);
  expect(daemon.log('new model in use')).toMatchObject([{ trigger: 'start' }]);
  await untilScored(daemon, 10);
  expect(await daemon.metric('vaemon_records_window_not_full_total')).toBe(windowLength);
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
});

test('reports every problem of a configuration and starts nothing', async () => {
  const folder = await newFolder();
  const store = path.join(folder, 'store');
  await mkdir(path.join(folder, 'detectors'));
  await writeFile(path.join(folder, 'daemon.yaml'), `http: { prt: 9464 }\nstore: { path: ${store} }\n`);
  await writeFile(
    path.join(folder, 'detectors', 'pump.yaml'),
    [
      'detector: pump',
      'source: { kind: file, file: { path: pump.csv } }',
      'record: { channels: [load, current] }',
      'window: { length: long }',
      'model: { latentDim: 1 }',
      '',
    ].join('\n'),
  );
  const daemon = startVaemon(['run'], folder, {});
  expect(await daemon.ended).toEqual({ code: 78, signal: null });
  expect(daemon.stderr()).toMatch(/daemon\.yaml: http\.prt: .*port/);
  expect(daemon.stderr()).toMatch(/pump\.yaml: window\.length: /);
  expect(daemon.stdout()).toBe('');
  expect(existsSync(store)).toBe(false);
});

test.each([
  ['lies in a file', () => path.join(recording, 'store')],
  ['lies where no folder can be made', () => '/sys/vaemon-store'],
])('ends within seconds, with the path, when its store %s', async (_, store) => {
  const began = Date.now();
  const daemon = startReplay(store());
  expect(await daemon.ended).toEqual({ code: 1, signal: null });
  expect(Date.now() - began).toBeLessThan(15_000);
  expect(daemon.stderr().trim().split('\n')).toHaveLength(1);
  expect(daemon.stderr()).toContain(store());
});

/** A configuration as Kubernetes mounts a ConfigMap: behind a link, which `swap` replaces in one step. */
async function mountConfig() {
  const mount = await newFolder();
  const text = await readFile(path.join(config, 'detectors', 'plant.yaml'), 'utf8');
  let count = 0;
  async function swap(change: (text: string) => string): Promise<void> {
    const folder = `..${++count}`;
    await mkdir(path.join(mount, folder));
    await writeFile(path.join(mount, folder, 'plant.yaml'), change(text));
    await symlink(folder, path.join(mount, '..next'));
    await rename(path.join(mount, '..next'), path.join(mount, '..data'));
  }
  await swap((same) => same);
  await symlink(path.join('..data', 'plant.yaml'), path.join(mount, 'plant.yaml'));
  return { file: path.join(mount, 'plant.yaml'), swap };
}

test('follows its configuration while it scores, keeps it where the next one is bad, and reads it on SIGHUP', async () => {
  const { file, swap } = await mountConfig();
  const settings = { ...replay, ...files(), 'source.file.rate': 200, 'source.file.loop': 'true' };
  const daemon = startVaemon(['run'], file, {
    ...settings,
    'source.file.labels': '',
    'store.path': await copyStore(trainedStore),
    'reload.interval': '100ms',
  });
  await daemon.ready();
  const threshold = async (): Promise<number> => {
    const { body } = await daemon.get('/api/v1/detectors/plant');
    return (JSON.parse(body) as { model: { threshold: number } }).model.threshold;
  };
  const before = await threshold();
  const useTarget = (ratio: number) => (text: string) =>
    text.replace(/falseAlarmTarget: [^\n}]+/, `falseAlarmTarget: ${ratio}`);
  await swap(useTarget(0.05));
  await until('the configuration to be read again', () => daemon.log('configuration reloaded').length > 0);
  expect(daemon.log('configuration reloaded')[0]).toMatchObject({
    keys: ['plant: calibration.falseAlarmTarget'],
  });
  expect(await threshold()).toBeCloseTo(-Math.log10(0.05), 10);
  expect(before).not.toBeCloseTo(-Math.log10(0.05), 3);

  const failed = 'the changed configuration cannot be used: the previous one stays in force';
  await swap(useTarget(7));
  await until('the bad configuration to be refused', () => daemon.log(failed).length > 0);
  expect(await daemon.metric('vaemon_config_last_reload_successful')).toBe(0);
  // The version in use cannot have a target as rare as this.
  await swap(useTarget(1e-12));
  process.kill(daemon.pid, 'SIGHUP');
  await until('the target to be refused', () => daemon.log(failed).length > 1);
  expect(JSON.stringify(daemon.log(failed)[1])).toContain('calibration.falseAlarmTarget is 1.0e-12');
  expect(await threshold()).toBeCloseTo(-Math.log10(0.05), 10);

  await swap((text) => `${useTarget(0.02)(text)}past: { events: 7 }\n`);
  process.kill(daemon.pid, 'SIGHUP');
  const waits = 'the configuration has changes that need a restart';
  await until('the next configuration to be read', () => daemon.log(waits).length > 0);
  expect(daemon.log(waits)[0]).toMatchObject({ keys: ['plant: past.events'] });
  expect(await threshold()).toBeCloseTo(-Math.log10(0.02), 10);
  expect(await daemon.metric('vaemon_config_last_reload_successful')).toBe(1);
  expect(await daemon.metric('vaemon_config_restart_keys')).toBe(1);
  await untilScored(daemon, 200);
  await expectNoGap(daemon);
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
});

test('sinks for people that answer 500, never, or with 10 MB hold up no record, and get what waits when they are back', async () => {
  let isBroken = true;
  const types: string[] = [];
  const webhook = await startServer((_, body) => {
    if (isBroken) return [500, 'x'];
    types.push((JSON.parse(body) as { type: string }).type);
    return [200, ''];
  });
  const grafana = await startServer(() => [200, 'x'.repeat(10_000_000)]);
  const alertmanager = await startServer(() => [-1, '']);
  const daemon = startReplay(await copyStore(trainedStore), {
    'sinks.webhook.url': webhook.url,
    'sinks.grafana.url': grafana.url,
    'sinks.grafana.timeout': '1s',
    'sinks.alertmanager.urls': alertmanager.url,
    'sinks.alertmanager.timeout': '1s',
  });
  await daemon.ready();
  for (const sink of ['webhook', 'grafana', 'alertmanager'])
    await until(
      `${sink} to fail`,
      async () => (await daemon.metric('vaemon_notification_failures_total', { sink })) > 1,
    );
  expect(types).toEqual([]);
  await untilScored(daemon, 1_000);
  await expectNoGap(daemon);
  isBroken = false;
  await until('what waits to arrive', () => types.includes('vaemon.event.closed'), 90_000);
  expect(types[0]).toBe('vaemon.event.open');
  for (const metric of ['sink_errors', 'notifications_dropped', 'notifications_refused'])
    expect(await daemon.metric(`vaemon_${metric}_total`)).toBe(0);
  const began = Date.now();
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  expect(Date.now() - began).toBeLessThan(30_000);
});

test('two processes on one store answer for each other, also when one is killed', async () => {
  const store = await copyStore(trainedStore);
  const tokenFile = path.join(await newFolder(), 'token');
  const token = 'a-token-for-this-test';
  await writeFile(tokenFile, token);
  const second = path.join(config, 'second.csv');
  await writeFile(second, (await readFile(recording, 'utf8')).replaceAll('pump-1', 'pump-2'));
  const given = path.join(config, 'given.csv');
  const shared = {
    'store.pollInterval': '200ms',
    'past.saveInterval': '200ms',
    'api.tokenFile': tokenFile,
    'training.labels.file': given,
  };
  const one = startReplay(store, shared);
  const other = startReplay(store, { ...shared, 'source.file.path': second });
  await Promise.all([one.ready(), other.ready()]);
  interface Listed {
    events: { id: string; key: string; revision: number; label?: { note: string } }[];
  }
  const eventsOf = async (daemon: VaemonProcess): Promise<Listed['events']> =>
    (JSON.parse((await daemon.get('/api/v1/events?kind=anomaly')).body) as Listed).events;
  const lists = async (daemon: VaemonProcess, key: string): Promise<boolean> =>
    (await eventsOf(daemon)).some((event) => event.key === key);
  for (const daemon of [one, other])
    for (const key of ['pump-1', 'pump-2'])
      await until(`an event of ${key} in both`, () => lists(daemon, key));
  const processes = async (daemon: VaemonProcess): Promise<number> => {
    const { body } = await daemon.get('/api/v1/detectors/plant');
    return (JSON.parse(body) as { processes: unknown[] }).processes.length;
  };
  await until('both processes in the list', async () => (await processes(other)) === 2);

  // An event of the first process, labelled at the other one.
  const event = (await eventsOf(other)).find(({ key }) => key === 'pump-1')!;
  const url = String(other.log('web server listens')[0]!['url']);
  const label = (note: string): Promise<Response> =>
    fetch(`${url}/api/v1/events/${encodeURIComponent(event.id)}/label`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ label: 'anomaly', note, revision: event.revision }),
    });
  const answers = await Promise.all([label('one person'), label('another person')]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  const noteAt = async (daemon: VaemonProcess): Promise<string | undefined> =>
    (await eventsOf(daemon)).find(({ id }) => id === event.id)?.label?.note;
  await until('the label in the first process', async () => (await noteAt(one)) !== undefined);
  expect(await noteAt(one)).toBe(await noteAt(other));
  expect((await readFile(given, 'utf8')).trim().split('\n')).toHaveLength(2);

  // The token is replaced while the process runs.
  await writeFile(tokenFile, 'another-token-of-this-test');
  expect((await label('with the old token')).status).toBe(401);

  await one.signal('SIGKILL');
  expect(await lists(other, 'pump-1')).toBe(true);
  expect(await noteAt(other)).toMatch(/person$/);
  expect(await other.signal('SIGTERM')).toEqual(cleanExit);
});

test('says so when its port is in use', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const daemon = startReplay(trainedStore, { 'http.port': port });
  expect(await daemon.ended).toEqual({ code: 1, signal: null });
  expect(daemon.stderr()).toContain(`cannot listen on 127.0.0.1 port ${port}: the port is in use`);
  await new Promise((resolve) => server.close(resolve));
});

test.each([
  ['without a model', () => newFolder()],
  ['with a model', () => copyStore(trainedStore)],
])('names a data file that is missing, %s', async (_, store) => {
  const missing = path.join(config, 'nowhere.csv');
  const daemon = startReplay(await store(), { 'source.file.path': missing });
  expect(await daemon.ended).toEqual({ code: 1, signal: null });
  expect(JSON.stringify(daemon.log('detector cannot continue'))).toContain(missing);
});
