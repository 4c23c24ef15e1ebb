/**
 * The trial of a new model version. It scores in the shadow of the version in use, and is promoted when its gates pass
 * (calibration/gates.ts). In the hours after that, the previous version scores in its shadow, and is used again if a gate
 * fails.
 *
 * Each process that scores follows the trial in the store, and writes its evidence there (trial-phase.ts). The process that
 * trains decides by the evidence of all processes (trial-judge.ts), and moves the pointer, which the others follow.
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
  /** Whether the clock is that of the records. If so, no decision may depend on the speed of the machine. */
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
    // On the record clock, steps are taken only between two batches, so that they always fall between the same records.
    if (!followsRecords) await inTurn(step);
    await inTurn(report);
  });

  /** Runs work one at a time. Failed work is repeated at the next occasion. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    return queue.run(() => (stopped ? undefined : attempt(work)));
  }

  /** Follows the trial that the store contains. */
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

  /** Puts a version on trial, in place of any other. */
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
    /** Whether a version trained now is put on trial. The replacement of a cold start is not, as it is the first model. */
    isWanted: (trigger: TrainingTrigger): boolean =>
      settings().enabled &&
      trigger !== 'start' &&
      trigger !== 'cold start' &&
      slot.current() !== undefined &&
      !slot.isColdStart(),
    /** Puts a new version on trial. Rejects if the trial cannot be stored. */
    async begin(version: string): Promise<void> {
      await clock.modelDue();
      const before = slot.version();
      if (before === undefined) throw new Error('there is no version in use');
      await queue.run(() => begin(version, before));
    },
    /** The version that no newer one may replace yet, because its time in the shadow is not over. */
    pending: (): string | undefined =>
      phase?.trial.state === 'shadow' && !phase.isOver() ? phase.trial.version : undefined,
    /** A witness that also passes live records to this trial. */
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
    /** Call after each batch, with the resulting state. */
    observe: (...batch: Parameters<TrialPhase['observe']>): void => phase?.observe(...batch),
    /** Call between two batches. On the record clock, a version comes into use or leaves it only here. */
    async betweenBatches(): Promise<void> {
      if (phase === undefined) return;
      await phase.keepUp(followsRecords);
      // With too few records in this process, the evidence of others is read only when the store is followed.
      const mayWait = judge.isWaiting(phase) && phase.evidence().sample.records < recordsNeeded(settings());
      if (phase.isDue() && !mayWait) await inTurn(step);
    },
    /** Call when a person chooses a version. */
    async chosen(version: string): Promise<void> {
      const ended = (await trials.list()).filter((trial) => isActive(trial) && trial.version !== version);
      await trials.choose(version, Date.now());
      for (const trial of ended) {
        metrics.trial.ended('withdrawn');
        log.info(endings.withdrawn, { version: trial.version, reason: `a person chose version ${version}` });
      }
      await inTurn(follow);
    },
    list: trials.list,
    /** Versions that the trials in progress use. */
    versions: async () =>
      (await trials.list()).filter(isActive).flatMap(({ version, before }) => [version, before]),
    /** Versions that failed a gate; they are not used again. */
    refused: async () => (await trials.list()).filter(isRefused).map(({ version }) => version),
    /** Number of records that both versions have scored in this process, and the number needed; undefined without a trial. */
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
