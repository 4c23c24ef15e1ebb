/**
 * The trials of model versions, with the evidence of each process.
 *
 *     <directory>/<detector>/trials.json                the newest trial of each version, the newest first
 *     <directory>/<detector>/trial/<process>.json       evidence of one process in the present phase
 *
 * The process that trains, or a person, writes the first file; each process that scores writes its own file.
 */
import nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import type { Gate, TrialEvidence } from '../calibration/gates';
import { privateFolder, writeAtomically } from '../system/atomic-write';
import { entriesOf, unlessMissing } from '../system/file-system';
import { isVersionName } from './version-name';

/**
 * `shadow`: the version scores in the shadow of the previous one. `refused`: a gate failed. `promoted`: it is in use, and the
 * previous version scores in the shadow. `kept`: its first hours are over. `rolled_back`: a gate failed in its first hours.
 * `withdrawn`: a person or a newer version ended the trial.
 */
export const trialStates = ['shadow', 'refused', 'promoted', 'kept', 'rolled_back', 'withdrawn'] as const;
export type TrialState = (typeof trialStates)[number];

export interface Trial {
  version: string;
  /** The version in use when the trial began. */
  before: string;
  state: TrialState;
  /** When the trial began, Unix ms, by the clock of the detector; `changedAt` is by that of the machine. */
  since: number;
  changedAt: number;
  by: 'gates' | 'person';
  gates: readonly Gate[];
  /** Reason for the end, if it was not a gate. */
  reason?: string;
}

/** Whether one of the two versions scores in the shadow. */
export function isActive({ state }: Pick<Trial, 'state'>): boolean {
  return state === 'shadow' || state === 'promoted';
}

/** Whether a version must not come into use unless a person decides so. */
export function isRefused({ state }: Pick<Trial, 'state'>): boolean {
  return state === 'refused' || state === 'rolled_back';
}

/** Maximum number of stored trials, above the maximum number of versions. */
const mostTrials = 200;

export type TrialStore = ReturnType<typeof createTrialStore>;

export function createTrialStore(directory: string, detector: string) {
  const root = join(directory, detector);
  const path = join(root, 'trials.json');
  const folder = join(root, 'trial');

  /** All trials, the newest first. A damaged file counts as empty, as no detection depends on it. */
  async function list(): Promise<readonly Trial[]> {
    const found = await unlessMissing(nodeFs.readFile(path, 'utf8'));
    if (found === undefined) return [];
    const trials = parse(found);
    return Array.isArray(trials) ? trials.filter(isTrial) : [];
  }

  /** Adds or replaces the trial of a version. */
  async function put(trial: Trial): Promise<void> {
    const others = (await list()).filter(({ version }) => version !== trial.version);
    await nodeFs.mkdir(root, { recursive: true, mode: privateFolder });
    await writeAtomically(path, `${JSON.stringify([trial, ...others].slice(0, mostTrials), null, 1)}\n`);
  }

  return {
    list,
    put,
    /** Ends all trials, because a person has chosen a version. */
    async choose(version: string, now: number): Promise<void> {
      const end = { since: now, changedAt: now, by: 'person' } as const;
      for (const trial of await list()) {
        if (trial.version === version && trial.state !== 'kept')
          await put({ ...trial, ...end, state: 'kept', reason: 'a person chose it' });
        else if (trial.version !== version && isActive(trial))
          await put({ ...trial, ...end, state: 'withdrawn', reason: `a person chose version ${version}` });
      }
    },
    /** Writes the evidence of a process for the present phase of a trial. */
    async report(process: string, phase: string, evidence: TrialEvidence): Promise<void> {
      await nodeFs.mkdir(folder, { recursive: true, mode: privateFolder });
      await writeAtomically(join(folder, `${process}.json`), JSON.stringify({ phase, evidence }));
    },
    /** Evidence of other processes in a phase, and of earlier runs of this one. */
    async reports(process: string, phase: string): Promise<TrialEvidence[]> {
      const found: TrialEvidence[] = [];
      for (const { name } of await entriesOf(nodeFs, folder)) {
        if (!name.endsWith('.json') || name === `${process}.json`) continue;
        const text = await unlessMissing(nodeFs.readFile(join(folder, name), 'utf8'));
        const report = parse(text ?? '') as { phase?: string; evidence: TrialEvidence } | undefined;
        if (report?.phase === phase) found.push(report.evidence);
      }
      return found;
    },
    clearReports: () => nodeFs.rm(folder, { recursive: true, force: true }),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isTrial(value: unknown): value is Trial {
  const trial = value as Partial<Trial> | null;
  return (
    typeof trial?.version === 'string' &&
    isVersionName(trial.version) &&
    typeof trial.before === 'string' &&
    isVersionName(trial.before) &&
    trialStates.some((state) => state === trial.state) &&
    typeof trial.since === 'number' &&
    Array.isArray(trial.gates)
  );
}
