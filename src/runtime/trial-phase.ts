/**
 * One phase of a trial in one process: the version that is not in use scores live records in the shadow, and evidence is
 * collected.
 */
import type { TrialEvidence, VersionFacts } from '../calibration/gates';
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import { ModelVersionError } from '../errors';
import type { AnomalyEvent } from '../domain/event';
import type { WitnessedRecord } from '../domain/witnessed-record';
import type { ActiveDetector } from '../pipeline/pipeline';
import type { Trial } from '../store/trials';
import type { Clock } from './clock';
import type { LoadModel } from './model-loader';
import type { Shadow } from './shadow';

export interface PhaseParts {
  role: DaemonSettings['role'];
  /** Settings in force. */
  settings: () => DetectorSettings['training']['challenger'];
  clock: Pick<Clock, 'now'>;
  /** Loads a version for the shadow, or for its facts, without logs and metrics. */
  loadQuietly: LoadModel;
  openShadow: (model: ActiveDetector, trial: { since: number; progress: () => number }) => Shadow;
  /** Detection power in live records, as the mean over the kinds of faults. */
  livePower: () => number | undefined;
}

/** The version that is not in use. A process that only trains has no shadow. */
type Subject = { facts: VersionFacts; shadow: Shadow | undefined } | { problem: string };

/** Number of evaluations of a promoted version while it is watched, and the longest time between two, ms. */
const evaluations = 60;
const longestPauseMs = 60_000;

export type TrialPhase = Awaited<ReturnType<typeof openPhase>>;

/** Id that differs if the version or the state of the trial differs. */
export function phaseId({ version, state, changedAt }: Trial): string {
  return `${version} ${state} ${changedAt}`;
}

/** The version in use during the present state of a trial, and the other one. */
export function versionsOf({ state, version, before }: Trial): { inUse: string; other: string } {
  return state === 'shadow' ? { inUse: before, other: version } : { inUse: version, other: before };
}

/** @throws Error if the store cannot be read. A version that cannot be used is recorded as a problem of the trial */
export async function openPhase(trial: Trial, parts: PhaseParts) {
  const { role, settings, clock, loadQuietly, openShadow, livePower } = parts;
  const { inUse, other } = versionsOf(trial);
  const isWatched = trial.state === 'promoted';
  /** Start of the phase by the clock of the detector, Unix ms; undefined before the clock has a time. */
  let from: number | undefined;
  let records = 0;
  let events = 0;
  let nextAt = -Infinity;
  elapsed();
  const subject = await openSubject();

  async function openSubject(): Promise<Subject> {
    try {
      const model = await loadQuietly(other);
      const { facts } = model;
      if (role === 'train') {
        model.detector.dispose();
        return { facts, shadow: undefined };
      }
      return {
        facts,
        shadow: openShadow(model, { since: trial.since, progress: () => elapsed() / duration() }),
      };
    } catch (error) {
      if (!(error instanceof ModelVersionError)) throw error;
      return { problem: error.message };
    }
  }

  function duration(): number {
    return isWatched ? settings().rollbackWithinMs : settings().forMs;
  }

  /** Time since the start of the phase, ms. */
  function elapsed(): number {
    const now = clock.now();
    if (Number.isNaN(now)) return 0;
    // When a replayed recording begins again, its time is earlier than that of the trial.
    from ??= Math.min(now, trial.since);
    return now - from;
  }

  function evidence(): TrialEvidence {
    const nothing = { records: 0, alarms: { inUse: 0, shadow: 0 }, surprises: [] };
    const power = isWatched ? livePower() : undefined;
    return {
      records,
      events,
      sample: nothing,
      ...(power !== undefined && { livePower: power }),
      ...('problem' in subject ? subject : subject.shadow?.evidence()),
    };
  }

  const shadow = 'problem' in subject ? undefined : subject.shadow;

  return {
    id: phaseId(trial),
    trial,
    /** Facts about the version that is not in use; undefined if it cannot be used, which the evidence reports as a problem. */
    facts: 'problem' in subject ? undefined : subject.facts,
    elapsed,
    evidence,
    /** Share of the duration of the phase that has passed, in [0, 1]. */
    share: (): number => Math.min(1, elapsed() / duration()),
    isOver: (): boolean => elapsed() >= duration(),
    /** Whether it is time to evaluate the gates. */
    isDue: (): boolean =>
      isWatched ? clock.now() >= nextAt : elapsed() >= duration() || evidence().problem !== undefined,
    /** Call when the gates have been evaluated. */
    evaluated(): void {
      nextAt = clock.now() + Math.min(longestPauseMs, settings().rollbackWithinMs / evaluations);
    },
    /** Adds a live record with its score by the version in use. */
    witness(record: WitnessedRecord): void {
      records++;
      shadow?.witness(record);
    },
    report(reported: readonly AnomalyEvent[]): void {
      for (const { status } of reported) if (status === 'open' || status === 'held_back') events++;
    },
    /** Call after each batch. */
    observe(...[decoded, partition, active]: Parameters<Shadow['observe']>): void {
      if (active.detector.version === inUse) shadow?.observe(decoded, partition, active);
    },
    keepUp: async (wholly: boolean): Promise<void> => shadow?.keepUp(wholly),
    /** Idempotent. */
    stop: async (): Promise<void> => shadow?.stop(),
  };
}
