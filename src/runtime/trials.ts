/**
 * The trial of a new model version. It scores in the shadow of the version in use, and comes into use when its gates pass
 * (calibration/gates.ts); in its first hours the previous version scores in its shadow, and comes back if a gate fails.
 *
 * Each process that scores follows the trial in the store, and reports there what it sees (trial-phase.ts). The process that trains
 * decides by what all of them have seen (trial-verdict.ts), and moves the pointer, which the others follow.
 */
import { randomUUID } from 'node:crypto';
import { addEvidence, unusable, type Gate } from '../calibration/gates';
import { ModelVersionError } from '../errors';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { Witness } from '../pipeline/decision';
import type { ModelStore } from '../store/model-store';
import { isActive, type Trial, type TrialStore } from '../store/trials';
import { messageOf } from '../system/error-text';
import type { LeaseHolder } from './lease-holder';
import type { LoadModel, LoadedModel } from './model-loader';
import type { ModelSlot } from './model-slot';
import { Poll } from './poll';
import { openPhase, phaseId, type PhaseParts, type TrialPhase } from './trial-phase';
import { judgeTrial, recordsNeeded, type Ending } from './trial-verdict';

export interface TrialsParts extends PhaseParts {
  /** Alarm budget of the detector; undefined without one. */
  eventsPerMs: () => number | undefined;
  /** Interval at which the trial in the store is followed, ms. */
  intervalMs: number;
  store: Pick<ModelStore, 'current' | 'pinned' | 'setCurrent'>;
  trials: TrialStore;
  slot: Pick<ModelSlot, 'current' | 'version' | 'use'>;
  lease: Pick<LeaseHolder, 'acquire'>;
  /** Whether the clock is that of the records, so that what happens must not depend on the speed of the machine. */
  followsRecords: boolean;
  /** Loads a version to take it into use. */
  load: LoadModel;
  audit: (entry: Record<string, unknown>) => Promise<void>;
  metrics: Pick<DetectorMetrics, 'trial'>;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
}

export type Trials = ReturnType<typeof createTrials>;

export function createTrials(parts: TrialsParts) {
  const { role, store, trials, slot, lease, clock, load, metrics, log, settings, followsRecords } = parts;
  /** Of this life of the process. */
  const own = randomUUID();
  let phase: TrialPhase | undefined;
  /** The phase whose gates wait for records: logged once. */
  let waiting: TrialPhase | undefined;
  let lastWork: Promise<unknown> = Promise.resolve();
  let failure = '';
  let stopped = false;

  const poll = new Poll(parts.intervalMs, async () => {
    await inTurn(follow);
    // On the clock of the records only between two batches, so that it is always between the same ones.
    if (!followsRecords) await inTurn(step);
    await inTurn(report);
  });

  /** One thing at a time. A failure is logged once, and what failed is tried again at the next occasion. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const result = lastWork
      .then(() => (stopped ? undefined : work()))
      .then(
        () => void (failure = ''),
        (err: unknown) => {
          const text = messageOf(err);
          if (text !== failure)
            log.error('the trial of a model version cannot continue; it is tried again', { err });
          failure = text;
        },
      );
    lastWork = result;
    return result;
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
    if (phase === undefined || role === 'score' || !phase.isDue()) return;
    phase.evaluated();
    const elapsed = phase.elapsed();
    const isOver = phase.isOver();
    try {
      await lease.acquire();
    } catch {
      // Another process evaluates the gates.
      return;
    }
    await decide(phase, elapsed, isOver);
  }

  async function decide(judged: TrialPhase, elapsed: number, isOver: boolean): Promise<void> {
    const { trial, id, facts } = judged;
    // A person may have chosen in the meantime.
    const known = (await trials.list()).find(({ version }) => version === trial.version);
    if (known?.changedAt !== trial.changedAt) return follow();
    const [current, pinned] = [await store.current(), await store.pinned()];
    const evidence = addEvidence([judged.evidence(), ...(await trials.reports(own, id))]);
    const active = slot.current();
    const verdict = judgeTrial({
      trial,
      settings: settings(),
      evidence,
      facts,
      inUse: active && { version: active.detector.version, facts: active.facts },
      current,
      pinned,
      elapsed,
      isOver,
      eventsPerMs: parts.eventsPerMs(),
    });
    switch (verdict.then) {
      case 'continue':
        return;
      case 'wait':
        if (waiting !== judged)
          log.info('model version stays in the shadow: there are too few records for its gates', {
            version: trial.version,
            records: verdict.records,
            needed: verdict.needed,
          });
        waiting = judged;
        return;
      case 'promote':
        return promote(trial, verdict.gates);
      case 'roll back':
        return rollBack(trial, verdict.gates);
      case 'end':
        return end(trial, verdict.as, verdict.gates, verdict.reason);
    }
  }

  async function promote(trial: Trial, gates: readonly Gate[]): Promise<void> {
    const { version, before } = trial;
    const model = await usable(version);
    if (model instanceof ModelVersionError) return end(trial, 'refused', [unusable(model.message)]);
    await note({ action: 'promote', version, before });
    await moveTo(model);
    await end(trial, 'promoted', gates);
  }

  async function rollBack(trial: Trial, gates: readonly Gate[]): Promise<void> {
    const { version, before } = trial;
    const model = await usable(before);
    if (model instanceof ModelVersionError) {
      log.error('model version fails its gates, but the one before it cannot be used', { err: model });
      return end(trial, 'kept', gates, model.message);
    }
    await note({ action: 'rollback', version, to: before, gates });
    await moveTo(model);
    await end(trial, 'rolled_back', gates);
  }

  async function usable(version: string): Promise<LoadedModel | ModelVersionError> {
    return load(version).catch((error: unknown) => {
      if (error instanceof ModelVersionError) return error;
      throw error;
    });
  }

  async function moveTo(model: LoadedModel): Promise<void> {
    try {
      await store.setCurrent(model.detector.version);
    } catch (error) {
      model.detector.dispose();
      throw error;
    }
    slot.use(model);
  }

  async function note(entry: Record<string, unknown>): Promise<void> {
    await parts.audit({ by: 'gates', ...entry }).catch((err: unknown) => {
      log.error('a change of the model version is not in the audit log', { ...entry, err });
    });
  }

  async function end(trial: Trial, reached: Ending, gates: readonly Gate[], reason?: string): Promise<void> {
    const state = reached === 'promoted' && settings().rollbackWithinMs === 0 ? 'kept' : reached;
    const { version, before } = trial;
    const because = reason !== undefined && { reason };
    await trials.put({ ...trial, state, since: clock.now(), changedAt: Date.now(), gates, ...because });
    metrics.trial.ended(reached);
    const failed = gates.filter(({ passed }) => !passed).map(({ gate, text }) => `${gate}: ${text}`);
    const isBad = reached === 'refused' || reached === 'rolled_back';
    log[isBad ? 'warn' : 'info'](endings[reached], {
      version,
      before,
      ...(failed.length > 0 && { failed }),
      ...because,
    });
    await trials.clearReports();
    await follow();
  }

  /** Puts a version on trial, in place of one that is on trial. */
  async function begin(version: string, before: string): Promise<void> {
    for (const trial of (await trials.list()).filter(isActive))
      await end(
        trial,
        trial.state === 'shadow' ? 'withdrawn' : 'kept',
        trial.gates,
        `version ${version} is newer`,
      );
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
    /** Puts a version on trial that has been trained. Rejects if that cannot be stored. */
    async begin(version: string): Promise<void> {
      const before = slot.version();
      if (before === undefined) throw new Error('there is no version in use');
      const begun = lastWork.then(() => begin(version, before));
      lastWork = begun.catch(() => undefined);
      await begun;
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
      const mayWait = waiting === phase && phase.evidence().sample.records < recordsNeeded(settings());
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
      await lastWork;
      await phase?.stop();
      phase = undefined;
    },
  };
}

const endings: Record<Ending, string> = {
  promoted: 'model version passed its gates: it is in use',
  refused: 'model version refused: it fails a gate; the previous one stays in use',
  kept: 'model version stays in use: its trial is over',
  rolled_back: 'model version rolled back: it fails a gate; the previous one is in use again',
  withdrawn: 'trial of a model version ended without a result',
};
