/** Checks the store: whether it can be written, and which parts of it this release and these settings use or drop. */
import { constants } from 'node:fs';
import nodeFs from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { settingsFingerprint } from '../../config/fingerprint';
import type { DaemonSettings, DetectorSettings } from '../../config/settings';
import { ModelVersionError } from '../../errors';
import { createRecordDecoder } from '../../pipeline/record-decoder';
import { quarantinePath, readQuarantine } from '../../runtime/quarantine';
import { decodeBundle } from '../../scoring/bundle';
import type { OpenSession } from '../../onnx/session';
import { configuredSource } from '../../sources/configured';
import { createOffsetStore } from '../../state/offsets';
import { stateRules } from '../../state/rules';
import { createSnapshotFormat } from '../../state/snapshot';
import { createStateStore } from '../../state/store';
import { findHolder } from '../../store/lease';
import { createModelStore } from '../../store/model-store';
import { firstLineOf, messageOf } from '../../system/error-text';
import { incomingName } from '../../system/temporary-names';
import { ok, warning, wrong, type Finding } from './finding';

/** With less free space there is a warning; below the second bound a training may fail. Bytes. */
const enoughBytes = 2 ** 30;
const leastBytes = 100 * 2 ** 20;

/** Checks the folder of the store, which all detectors share. */
export async function examineStore({ role, store }: DaemonSettings): Promise<Finding[]> {
  const path = resolve(store.path);
  const subject = `store ${path}`;
  const existing = await firstExisting(path);
  const isThere = existing === path;
  const problem = await whyNotWritable(existing);
  if (problem !== undefined) {
    const mend = `sudo install -d -o "$(id -un)" -m 700 ${path}, or set store.path`;
    // A process that only scores can work with a read-only store.
    return [(role === 'score' && isThere ? warning : wrong)(subject, `cannot be written: ${problem}`, mend)];
  }
  const { bavail, bsize } = await nodeFs.statfs(existing);
  const free = bavail * bsize;
  const message = `${isThere ? 'can be written' : 'is created at the first start'}; ${gibibytes(free)} GiB free`;
  if (free >= enoughBytes) return [ok(subject, message)];
  const mend = 'free some space, or lower training.keepVersions and training.keepFor';
  return [(free < leastBytes ? wrong : warning)(subject, message, mend)];
}

const gibibytes = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);

async function firstExisting(path: string): Promise<string> {
  const found = await nodeFs.stat(path).catch(() => undefined);
  return found !== undefined || dirname(path) === path ? path : firstExisting(dirname(path));
}

/** Writes and removes a file: access rights do not reveal a file system that is full or read-only. */
async function whyNotWritable(folder: string): Promise<string | undefined> {
  const probe = join(folder, incomingName('doctor'));
  try {
    if (!(await nodeFs.stat(folder)).isDirectory()) return `${folder} is not a folder`;
    await nodeFs.access(folder, constants.W_OK | constants.X_OK);
    await nodeFs.writeFile(probe, 'x', { mode: 0o600 });
    return undefined;
  } catch (error) {
    return firstLineOf(error);
  } finally {
    await nodeFs.rm(probe, { force: true }).catch(() => undefined);
  }
}

export interface StoredParts {
  settings: DetectorSettings;
  daemon: DaemonSettings;
  /** Undefined if tfjs scores. */
  openSession: OpenSession | undefined;
}

/** Checks all stored data of one detector. */
export async function examineStored(parts: StoredParts): Promise<Finding[]> {
  return [
    ...(await examineLease(parts)),
    ...(await examineVersions(parts)),
    ...(await examineState(parts)),
    ...(await examineOffsets(parts)),
    ...(await examineQuarantine(parts)),
  ];
}

async function examineLease({ settings, daemon }: StoredParts): Promise<Finding[]> {
  const { detector, source } = settings;
  const { path: directory, leaseTimeoutMs: timeoutMs } = daemon.store;
  const findings: Finding[] = [];
  if (source.kind === 'prometheus') {
    const scorer = await findHolder({ directory, detector, timeoutMs, duty: 'scores' });
    if (scorer !== undefined)
      findings.push(
        warning(
          'scoring lease',
          `taken by ${scorer}: another process with this store waits`,
          'expected while the daemon runs; else end that process',
        ),
      );
  }
  const holder = await findHolder({ directory, detector, timeoutMs });
  if (holder === undefined) return [...findings, ok('lease', 'free: no process trains this detector')];
  const message = `taken by ${holder}`;
  return daemon.role === 'score'
    ? [...findings, ok('lease', message)]
    : [
        ...findings,
        warning(
          'lease',
          `${message}: another process with role ${daemon.role} does not train`,
          'expected while the daemon runs; else end that process, or set role to score in one of them',
        ),
      ];
}

async function examineVersions({ settings, daemon, openSession }: StoredParts): Promise<Finding[]> {
  const { detector } = settings;
  const store = createModelStore({ directory: daemon.store.path, detector });
  const trains = daemon.role !== 'score';
  const next = trains
    ? 'the next start trains another one; a linear model scores until then'
    : 'this process scores nothing until another one trains';
  const level = trains ? warning : wrong;
  const mend = 'vaemon train … ahead of the upgrade, with the new release';
  const findings: Finding[] = [];
  const names = (await store.list()).map(({ version }) => version);
  const current = await store.current().catch((error: unknown) => toText(error));
  if (current !== undefined && !names.includes(current)) {
    findings.push(level('model', `the current version is not there (${current}); ${next}`, mend));
  } else if (current === undefined) {
    findings.push(
      names.length === 0
        ? (trains ? ok : wrong)('model', `none yet: ${trains ? 'the first start trains one' : next}`)
        : level('model', `none of ${names.length} versions is current; ${next}`, mend),
    );
  } else {
    const problem = await whyUnusable(current);
    findings.push(
      problem === undefined
        ? ok('model', `version ${current} is read, and gives the scores that it gave at its training`)
        : level('model', `${problem}; ${next}`, mend),
    );
  }
  const others = names.filter((version) => version !== current);
  const dropped: string[] = [];
  for (const version of others) {
    const problem = await store.read(version).then(
      () => undefined,
      (error: unknown) => firstLineOf(error),
    );
    if (problem !== undefined) dropped.push(problem);
  }
  if (dropped.length > 0)
    findings.push(
      warning(
        'older models',
        `${dropped.length} of ${others.length} cannot be read, so that no rollback or replay can use them: ${dropped[0]!}`,
        'keep the release that wrote them to replay their time',
      ),
    );
  return findings;

  async function whyUnusable(version: string): Promise<string | undefined> {
    try {
      const { files } = await store.read(version);
      const { table } = createRecordDecoder(settings);
      const decoded = await decodeBundle(version, files, table, openSession);
      decoded.dispose();
      return decoded.state.settingsFingerprint === settingsFingerprint(settings)
        ? undefined
        : `version ${version} was trained for other channels, conditions, window or model settings`;
    } catch (error) {
      return toText(error);
    }
  }
}

async function examineState({ settings, daemon }: StoredParts): Promise<Finding[]> {
  if (configuredSource(settings.source).state === undefined) return [];
  const store = createStateStore({ directory: daemon.store.path, detector: settings.detector });
  const rules = stateRules(settings, createRecordDecoder(settings));
  const format = createSnapshotFormat(rules);
  const partitions = await store.list();
  const dropped: string[] = [];
  let withoutEvents = 0;
  for (const { topic, partition } of partitions) {
    try {
      const state = await store.load(topic, partition);
      if (state === undefined) continue;
      if (!format.hasTheseSettings(state))
        dropped.push(`${topic}-${partition} was written for other channels, windows, conditions or group`);
      else if (format.decode(state).events === undefined) withoutEvents++;
    } catch (error) {
      dropped.push(firstLineOf(error));
    }
  }
  const findings: Finding[] = [];
  if (dropped.length > 0)
    findings.push(
      warning(
        'state',
        `${dropped.length} of ${partitions.length} partitions begin with empty windows and without open events: ${dropped[0]!}`,
        'nothing to do: warm-up fills the windows; end open events in the old release first if they matter',
      ),
    );
  else if (partitions.length > 0) findings.push(ok('state', `of ${partitions.length} partitions is read`));
  if (withoutEvents > 0)
    findings.push(
      warning(
        'state',
        `open events of ${withoutEvents} partitions are dropped: they were built under other settings of events`,
      ),
    );
  return findings;
}

async function examineOffsets({ settings, daemon }: StoredParts): Promise<Finding[]> {
  if (settings.source.kind !== 'prometheus') return [];
  const { topic } = configuredSource(settings.source);
  const offsets = createOffsetStore({ directory: daemon.store.path, detector: settings.detector, topic });
  try {
    const offset = await offsets.load(0);
    return offset === undefined
      ? []
      : [ok('offset', `everything before ${new Date(Number(offset)).toISOString()} is scored`)];
  } catch (error) {
    return [wrong('offset', firstLineOf(error))];
  }
}

async function examineQuarantine({ settings: { detector }, daemon }: StoredParts): Promise<Finding[]> {
  const path = quarantinePath(daemon.store.path, detector);
  try {
    const { length } = await readQuarantine(path);
    return length === 0 ? [] : [ok('quarantine', `${length} stretches are left out of trainings`)];
  } catch (error) {
    return [
      warning(
        'quarantine',
        `cannot be read, so trainings learn from earlier events: ${firstLineOf(error)}`,
        `restore ${path}, or label the events (training.labels)`,
      ),
    ];
  }
}

function toText(error: unknown): string {
  return error instanceof ModelVersionError ? error.message : messageOf(error);
}
