/**
 * Evaluates the gates of a trial, in the process that trains, by the evidence of all processes, and promotes, rejects or rolls
 * back.
 */
import { addEvidence, unusable, type Gate } from '../calibration/gates';
import type { DaemonSettings } from '../config/settings';
import { ModelVersionError } from '../errors';
import type { ModelStore } from '../store/model-store';
import type { Trial } from '../store/trials';
import type { LeaseHolder } from './lease-holder';
import type { LoadModel } from './model-loader';
import type { ModelSlot } from './model-slot';
import { endTrial, type EndingParts, type TrialEnd } from './trial-ending';
import type { TrialPhase } from './trial-phase';
import { judgeTrial, type TrialFacts } from './trial-verdict';

export interface JudgeParts extends EndingParts {
  role: DaemonSettings['role'];
  /** Alarm budget of the detector; undefined without one. */
  eventsPerMs: () => number | undefined;
  store: Pick<ModelStore, 'current' | 'pinned' | 'setCurrent'>;
  slot: Pick<ModelSlot, 'current' | 'version' | 'use'>;
  lease: Pick<LeaseHolder, 'acquire'>;
  /** Loads a version to use it. */
  load: LoadModel;
  audit: (entry: Record<string, unknown>) => Promise<void>;
}

/** @param own name under which this process reports its evidence */
export function createTrialJudge(own: string, parts: JudgeParts) {
  const { role, store, trials, slot, lease, load, log, settings } = parts;
  /** The phase whose gates wait for records; used to log that once. */
  let waiting: TrialPhase | undefined;

  /** The present facts of a trial, from this process and the store. */
  async function factsOf(phase: TrialPhase): Promise<Omit<TrialFacts, 'elapsed' | 'isOver'>> {
    const { trial, id, facts } = phase;
    const [current, pinned] = [await store.current(), await store.pinned()];
    const evidence = addEvidence([phase.evidence(), ...(await trials.reports(own, id))]);
    const active = slot.current();
    return {
      trial,
      settings: settings(),
      evidence,
      facts,
      inUse: active && { version: active.detector.version, facts: active.facts },
      current,
      pinned,
      eventsPerMs: parts.eventsPerMs(),
    };
  }

  async function promote(trial: Trial, gates: readonly Gate[]): Promise<TrialEnd> {
    const { version, before } = trial;
    const problem = await moveTo(version, { action: 'promote', version, before });
    return problem === undefined
      ? { as: 'promoted', gates }
      : { as: 'refused', gates: [unusable(problem.message)] };
  }

  async function rollBack(trial: Trial, gates: readonly Gate[]): Promise<TrialEnd> {
    const { version, before } = trial;
    const problem = await moveTo(before, { action: 'rollback', version, to: before, gates });
    if (problem === undefined) return { as: 'rolled_back', gates };
    log.error('model version fails its gates, but the one before it cannot be used', { err: problem });
    return { as: 'kept', gates, reason: problem.message };
  }

  /** Uses a version, in the store and in this process. @returns the reason if it cannot be used */
  async function moveTo(
    version: string,
    entry: Record<string, unknown>,
  ): Promise<ModelVersionError | undefined> {
    const model = await load(version).catch((error: unknown) => {
      if (error instanceof ModelVersionError) return error;
      throw error;
    });
    if (model instanceof ModelVersionError) return model;
    await parts.audit({ by: 'gates', ...entry }).catch((err: unknown) => {
      log.error('a change of the model version is not in the audit log', { ...entry, err });
    });
    try {
      await store.setCurrent(version);
    } catch (error) {
      model.detector.dispose();
      throw error;
    }
    slot.use(model);
    return undefined;
  }

  return {
    /** Whether the gates of a phase could not be evaluated for lack of records. */
    isWaiting: (phase: TrialPhase): boolean => waiting === phase,
    /**
     * Evaluates the gates, unless they are not due, or another process evaluates them.
     * @returns whether the trial in the store has changed
     */
    async evaluate(phase: TrialPhase): Promise<boolean> {
      if (role === 'score' || !phase.isDue()) return false;
      phase.evaluated();
      const time = { elapsed: phase.elapsed(), isOver: phase.isOver() };
      try {
        await lease.acquire();
      } catch {
        return false;
      }
      const { trial } = phase;
      // A person may have chosen a version in the meantime.
      const known = (await trials.list()).find(({ version }) => version === trial.version);
      if (known?.changedAt !== trial.changedAt) return true;
      const verdict = judgeTrial({ ...(await factsOf(phase)), ...time });
      switch (verdict.then) {
        case 'continue':
          return false;
        case 'wait':
          if (waiting !== phase)
            log.info('model version stays in the shadow: there are too few records for its gates', {
              version: trial.version,
              records: verdict.records,
              needed: verdict.needed,
            });
          waiting = phase;
          return false;
        case 'promote':
          await endTrial(trial, await promote(trial, verdict.gates), parts);
          return true;
        case 'roll back':
          await endTrial(trial, await rollBack(trial, verdict.gates), parts);
          return true;
        case 'end':
          await endTrial(trial, verdict, parts);
          return true;
      }
    },
  };
}
