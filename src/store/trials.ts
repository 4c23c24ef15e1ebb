/**
 * The trials of model versions, and what the processes of a detector see in them.
 *
 *     <directory>/<detector>/trials.json                the newest trial of each version, the newest first
 *     <directory>/<detector>/trial/<process>.json       what one process has seen in the phase in progress
 *
 * The process that trains, or a person, writes the first file; each process that scores writes a file of its own.
 */
import nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import type { Gate, TrialEvidence } from '../calibration/gates';
import { privateFolder, writeAtomically } from '../system/atomic-write';
import { entriesOf, unlessMissing } from '../system/file-system';
import { isVersionName } from './version-name';

/**
 * `shadow`: it scores in the shadow of the version before. `refused`: a gate failed. `promoted`: it is in use, the version
 * before scores in the shadow. `kept`: its first hours are over. `rolled_back`: a gate failed in them. `withdrawn`: a person, or a
 * newer version, has ended the trial.
 */
export const trialStates = ['shadow', 'refused', 'promoted', 'kept', 'rolled_back', 'withdrawn'] as const;
export type TrialState = (typeof trialStates)[number];

export interface Trial {
  version: string;
  /** The version in use when it began. */
  before: string;
  state: TrialState;
  /** Since when, Unix ms: by the clock of the detector, and by that of the machine. */
  since: number;
  changedAt: number;
  by: 'gates' | 'person';
  gates: readonly Gate[];
  /** Why it ended, where that was for no gate. */
  reason?: string;
}

/** Whether a version scores in the shadow. */
export function isActive({ state }: Pick<Trial, 'state'>): boolean {
  return state === 'shadow' || state === 'promoted';
}

/** Whether a version must not come into use unless a person wants that. */
export function isRefused({ state }: Pick<Trial, 'state'>): boolean {
  return state === 'refused' || state === 'rolled_back';
}

/** Largest number of trials that are kept: more than there are versions. */
const mostTrials = 200;

export type TrialStore = ReturnType<typeof createTrialStore>;

export function createTrialStore(directory: string, detector: string) {
  const root = join(directory, detector);
  const path = join(root, 'trials.json');
  const folder = join(root, 'trial');

  /** The newest first. A file that is damaged counts as none: no detection depends on it. */
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
    /** A person uses a version: its own trial is over, and that of any other. */
    async choose(version: string, now: number): Promise<void> {
      const end = { since: now, changedAt: now, by: 'person' } as const;
      for (const trial of await list()) {
        if (trial.version === version && trial.state !== 'kept')
          await put({ ...trial, ...end, state: 'kept', reason: 'a person uses it' });
        else if (trial.version !== version && isActive(trial))
          await put({ ...trial, ...end, state: 'withdrawn', reason: `a person uses version ${version}` });
      }
    },
    /** What a process has seen in the phase of a trial that is in progress. */
    async report(process: string, phase: string, evidence: TrialEvidence): Promise<void> {
      await nodeFs.mkdir(folder, { recursive: true, mode: privateFolder });
      await writeAtomically(join(folder, `${process}.json`), JSON.stringify({ phase, evidence }));
    },
    /** What other processes have seen in a phase, the earlier lives of this one included. */
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
