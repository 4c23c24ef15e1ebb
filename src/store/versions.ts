/** The model versions of a detector with their trials, and comparisons of two versions. */
import { powerByKind, type DetectionPower } from '../scoring/detection-power';
import { isObject } from '../system/json';
import type { ModelStore } from './model-store';
import { isRefused, type Trial, type TrialStore } from './trials';
import { versionCreatedAt } from './version-name';

export interface VersionSummary {
  version: string;
  /** Time of publication, ISO 8601. */
  createdAt: string;
  current: boolean;
  /** Whether the version stays current after further trainings. */
  pinned: boolean;
  /** Absent if the version came into use without a trial. */
  trial?: Trial;
}

/** All versions, the newest first. */
export async function listVersions(
  store: Pick<ModelStore, 'list' | 'pinned'>,
  trials: Pick<TrialStore, 'list'>,
): Promise<VersionSummary[]> {
  const [pinned, known] = [await store.pinned(), await trials.list()];
  return (await store.list()).map((one) => {
    const trial = known.find(({ version }) => version === one.version);
    return { ...one, pinned: one.version === pinned, ...(trial && { trial }) };
  });
}

/**
 * The target of a rollback: the version before the current one, without those that failed a gate or are on trial.
 * @throws Error if there is none
 */
export function versionBefore(versions: readonly VersionSummary[]): string {
  const at = versions.findIndex(({ current }) => current);
  if (at < 0) throw new Error('there is no current version');
  const before = versions[at]!.trial?.before;
  const isUsable = ({ trial }: VersionSummary): boolean =>
    trial === undefined || (!isRefused(trial) && trial.state !== 'shadow');
  const older = versions.find(({ version }) => version === before) ?? versions.slice(at + 1).find(isUsable);
  if (older === undefined) throw new Error('there is no version before the current one');
  return older.version;
}

/**
 * The target of a promotion: the newest version that is on trial, or that failed a gate of its trial.
 * @throws Error if there is none
 */
export function promotable(versions: readonly VersionSummary[]): string {
  const found = versions.find(
    ({ current, trial }) => !current && trial !== undefined && (trial.state === 'shadow' || isRefused(trial)),
  );
  if (found === undefined) throw new Error('there is no version on trial, and none that failed its gates');
  return found.version;
}

export interface Comparison {
  versions: readonly { version: string; createdAt: string; trial?: Trial }[];
  /** Values that differ, by their path in the manifest, the model or the report; null if a version has no such value. */
  differences: readonly { what: string; values: readonly [unknown, unknown] }[];
}

/** Keys of the state that describe a model. The others are learned values, or also in the report. */
const describedState = ['spec', 'channels', 'counters', 'seasons', 'signals', 'engine', 'slow', 'groupBy'];

/** @throws ModelVersionError if a version is missing or damaged */
export async function compareVersions(
  store: Pick<ModelStore, 'read'>,
  trials: Pick<TrialStore, 'list'>,
  names: readonly [string, string],
): Promise<Comparison> {
  const known = await trials.list();
  const [first, second] = [await describe(store, names[0]), await describe(store, names[1])];
  const paths = new Set([...first.keys(), ...second.keys()]);
  return {
    versions: names.map((version) => {
      const trial = known.find((one) => one.version === version);
      return { version, createdAt: versionCreatedAt(version), ...(trial && { trial }) };
    }),
    differences: [...paths].flatMap((what) => {
      const values = [first.get(what) ?? null, second.get(what) ?? null] as const;
      return JSON.stringify(values[0]) === JSON.stringify(values[1]) ? [] : [{ what, values }];
    }),
  };
}

/** All values that describe a version, by path. */
async function describe(store: Pick<ModelStore, 'read'>, version: string): Promise<Map<string, unknown>> {
  const { manifest, files } = await store.read(version);
  const read = (name: string): Record<string, unknown> => {
    const bytes = files.get(name);
    return bytes === undefined ? {} : (JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>);
  };
  const state = read('model.json');
  const { detectionPower, released, ...report } = read('report.json');
  const leaves = new Map<string, unknown>();
  add(leaves, 'writtenBy', manifest.writtenBy);
  add(leaves, 'report', report);
  if (Array.isArray(released)) leaves.set('report.released', released.length);
  if (detectionPower !== undefined)
    add(leaves, 'detectionPower', powerByKind(detectionPower as DetectionPower));
  for (const name of describedState)
    if (name in state) add(leaves, `model.${name}`, describeState(name, state[name]));
  return leaves;
}

/** Of the slow test only its presence is compared, as it has a whole distribution. */
function describeState(name: string, value: unknown): unknown {
  return name === 'slow' ? true : value;
}

function add(leaves: Map<string, unknown>, path: string, value: unknown): void {
  if (isObject(value)) for (const [name, one] of Object.entries(value)) add(leaves, `${path}.${name}`, one);
  else leaves.set(path, value);
}
