/** Decides how a trial continues, by the evidence of all processes. */
import {
  judgeChallenger,
  judgePromoted,
  unusable,
  type Gate,
  type TrialEvidence,
  type VersionFacts,
} from '../calibration/gates';
import type { DetectorSettings } from '../config/settings';
import type { Trial, TrialState } from '../store/trials';
import { versionsOf } from './trial-phase';

export interface TrialFacts {
  trial: Trial;
  settings: DetectorSettings['training']['challenger'];
  /** Evidence of all processes. */
  evidence: TrialEvidence;
  /** Facts on the version that is not in use; undefined if it cannot be used. */
  facts: VersionFacts | undefined;
  /** The version in use in this process; undefined before there is one. */
  inUse: { version: string; facts: VersionFacts } | undefined;
  /** The version that the store's pointer names. */
  current: string | undefined;
  pinned: string | undefined;
  /** Time in this state so far, ms. */
  elapsed: number;
  /** Whether the time of the state is over. */
  isOver: boolean;
  /** Alarm budget of the detector; undefined without one. */
  eventsPerMs: number | undefined;
}

export type Ending = Exclude<TrialState, 'shadow'>;

export type Verdict =
  | { then: 'continue' }
  | { then: 'wait'; records: number; needed: number }
  | { then: 'promote' | 'roll back'; gates: readonly Gate[] }
  | { then: 'end'; as: Ending; gates: readonly Gate[]; reason?: string };

/** The gates are evaluated once a version has scored this share of its maximum number of records. */
const leastShare = 1 / 20;

/** Records that both versions must have scored before the gates are evaluated. */
export function recordsNeeded({ records }: TrialFacts['settings']): number {
  return Math.ceil(records * leastShare);
}

export function judgeTrial(given: TrialFacts): Verdict {
  const { trial, current, pinned, inUse } = given;
  const isShadow = trial.state === 'shadow';
  // A process ended after it moved the pointer, before it updated the trial.
  if (isShadow && current === trial.version) return { then: 'end', as: 'promoted', gates: [] };
  if (current !== versionsOf(trial).inUse)
    return { then: 'end', as: 'withdrawn', gates: [], reason: `version ${current} is in use` };
  if (isShadow && pinned !== undefined)
    return { then: 'end', as: 'withdrawn', gates: [], reason: `version ${pinned} is pinned` };
  // This process does not use the version of the pointer yet.
  if (inUse?.version !== current) return { then: 'continue' };
  return isShadow ? judgeShadow(given, inUse.facts) : judgeInUse(given, inUse.facts);
}

function judgeShadow({ evidence, facts, settings }: TrialFacts, inUse: VersionFacts): Verdict {
  const { problem, sample } = evidence;
  if (facts === undefined || problem !== undefined)
    return { then: 'end', as: 'refused', gates: [unusable(problem ?? 'it cannot be loaded')] };
  const needed = recordsNeeded(settings);
  if (sample.records < needed) return { then: 'wait', records: sample.records, needed };
  const gates = judgeChallenger({ evidence, challenger: facts, inUse });
  return gates.every(({ passed }) => passed)
    ? { then: 'promote', gates }
    : { then: 'end', as: 'refused', gates };
}

function judgeInUse(given: TrialFacts, inUse: VersionFacts): Verdict {
  const { trial, evidence, isOver, elapsed, eventsPerMs } = given;
  const gates = judgePromoted({
    evidence,
    allowedEvents: eventsPerMs === undefined ? inUse.target * evidence.records : eventsPerMs * elapsed,
    trainedPower: inUse.power,
  });
  // The gates are checked even after the end of the watch, as the process may not have run then.
  if (gates.some(({ passed }) => !passed)) return { then: 'roll back', gates };
  return isOver ? { then: 'end', as: 'kept', gates: trial.gates } : { then: 'continue' };
}
