/**
 * The trial of a new model version. It scores in the shadow of the version in use, and comes into use when its gates pass
 * (calibration/gates.ts); in its first hours the previous version scores in its shadow, and comes back if a gate fails.
 *
 * Each process that scores follows the trial in the store, and reports there what it sees (trial-phase.ts). The process that trains
 * decides by what all of them have seen (trial-judge.ts), and moves the pointer, which the others follow.
 */
import { randomUUID } from 'node:crypto';
import type { Witness } from '../pipeline/decision';
import { isActive, isRefused } from '../store/trials';
import { createAttempts } from '../system/attempts';
import { SerialQueue } from '../system/serial-queue';
import type { Clock } from './clock';
import type { ModelSlot } from './model-slot';
import { Poll } from './poll';
import type { TrainingTrigger } from './training-outcome';
import { endings, endTrial } from './trial-ending';
import { createTrialJudge, type JudgeParts } from './trial-judge';
import { openPhase, phaseId, type PhaseParts, type TrialPhase } from './trial-phase';
import { recordsNeeded } from './trial-verdict';

export interface TrialsParts extends PhaseParts, JudgeParts {
  clock: Pick<Clock, 'now' | 'modelDue'>;
  slot: Pick<ModelSlot, 'current' | 'version' | 'isColdStart' | 'use'>;
  /** Interval at which the trial in the store is followed, ms. */
  intervalMs: number;
  /** Whether the clock is that of the records, so that what happens must not depend on the speed of the machine. */
  followsRecords: boolean;
}

export type Trials = ReturnType<typeof createTrials>;

export function createTrials(parts: TrialsParts) {
  const { role, trials, slot, clock, metrics, log, settings, followsRecords } = parts;
  /** Id of this run of the process. */
  const own = randomUUID();
  const judge = createTrialJudge(own, parts);
  const queue = new SerialQueue();
  const attempt = createAttempts((err) =>
    log.error('the trial of a model version cannot continue; it is tried again', { err }),
  );
  let phase: TrialPhase | undefined;
  let stopped = false;

  const poll = new Poll(parts.intervalMs, async () => {
    await inTurn(follow);
    // On the clock of the records only between two batches, so that it is always between the same ones.
    if (!followsRecords) await inTurn(step);
    await inTurn(report);
  });

  /** One thing at a time. What fails is tried again at the next occasion. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    return queue.run(() => (stopped ? undefined : attempt(work)));
  }

  /** Takes part in the trial that is in the store. */
  async function follow(): Promise<void> {
    const trial = (await trials.list()).find(isActive);
    if ((trial && phaseId(trial)) === phase?.id) return;
    const before = phase;
    phase = undefined;
    await before?.stop();
    metrics.trial.active(trial !== undefined);
    if (trial !== undefined) phase = await openPhase(trial, parts);
  }

  async function report(): Promise<void> {
    if (phase !== undefined && role !== 'train') await trials.report(own, phase.id, phase.evidence());
  }

  async function step(): Promise<void> {
    if (phase !== undefined && (await judge.evaluate(phase))) await follow();
  }

  /** Puts a version on trial, in place of one that is on trial. */
  async function begin(version: string, before: string): Promise<void> {
    const reason = `version ${version} is newer`;
    for (const trial of (await trials.list()).filter(isActive)) {
      const as = trial.state === 'shadow' ? 'withdrawn' : 'kept';
      await endTrial(trial, { as, gates: trial.gates, reason }, parts);
      await follow();
    }
    await trials.clearReports();
    const at = { since: clock.now(), changedAt: Date.now() };
    await trials.put({ version, before, state: 'shadow', ...at, by: 'gates', gates: [] });
    log.info('model version scores in the shadow until its gates pass', {
      version,
      minutes: Math.round(settings().forMs / 6_000) / 10,
    });
    await follow();
  }

  return {
    /** Whether a version that is trained now is put on trial: what replaces a cold start is the first model. */
    isWanted: (trigger: TrainingTrigger): boolean =>
      settings().enabled &&
      trigger !== 'start' &&
      trigger !== 'cold start' &&
      slot.current() !== undefined &&
      !slot.isColdStart(),
    /** Puts a version on trial that has been trained. Rejects if that cannot be stored. */
    async begin(version: string): Promise<void> {
      await clock.modelDue();
      const before = slot.version();
      if (before === undefined) throw new Error('there is no version in use');
      await queue.run(() => begin(version, before));
    },
    /** The version that must not be replaced yet by another new one: its time in the shadow is not over. */
    pending: (): string | undefined =>
      phase?.trial.state === 'shadow' && !phase.isOver() ? phase.trial.version : undefined,
    /** Those who see the live records and events, with this one. */
    following: (witness: Witness): Witness => ({
      observe(record, ...rest) {
        witness.observe(record, ...rest);
        phase?.witness(record);
      },
      report(events, channels) {
        const marked = witness.report(events, channels);
        phase?.report(marked);
        return marked;
      },
    }),
    /** Call after each batch, with the state that it has left. */
    observe: (...batch: Parameters<TrialPhase['observe']>): void => phase?.observe(...batch),
    /** Call between two batches: here a version comes into use, or goes. */
    async betweenBatches(): Promise<void> {
      if (phase === undefined) return;
      await phase.keepUp(followsRecords);
      // With too few records here, those of other processes are looked at when the store is.
      const mayWait = judge.isWaiting(phase) && phase.evidence().sample.records < recordsNeeded(settings());
      if (phase.isDue() && !mayWait) await inTurn(step);
    },
    /** A person uses a version. */
    async chosen(version: string): Promise<void> {
      const ended = (await trials.list()).filter((trial) => isActive(trial) && trial.version !== version);
      await trials.choose(version, Date.now());
      for (const trial of ended) {
        metrics.trial.ended('withdrawn');
        log.info(endings.withdrawn, { version: trial.version, reason: `a person uses version ${version}` });
      }
      await inTurn(follow);
    },
    list: trials.list,
    /** Versions that the trials in progress need. */
    versions: async () =>
      (await trials.list()).filter(isActive).flatMap(({ version, before }) => [version, before]),
    /** Versions that failed a gate. */
    refused: async () => (await trials.list()).filter(isRefused).map(({ version }) => version),
    /** Records that this process has seen two versions score, and those that are needed; undefined without a trial. */
    progress: () =>
      phase && {
        version: phase.trial.version,
        records: phase.evidence().sample.records,
        needed: recordsNeeded(settings()),
        share: phase.share(),
      },
    /** Follows the trial in the store now. Never rejects. */
    refresh: () => poll.run(),
    /** Idempotent. */
    async stop(): Promise<void> {
      await poll.stop();
      await inTurn(report);
      stopped = true;
      await queue.settled();
      await phase?.stop();
      phase = undefined;
    },
  };
}
