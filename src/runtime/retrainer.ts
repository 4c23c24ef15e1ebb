/** Runs one training at a time, from its start to the use of its model. After any failure the model in use stays. */
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { ModelStore } from '../store/model-store';
import { failureOf, interruptAfter, Interruption } from './interruption';
import { createPointerGuard } from './pointer-guard';
import { reportOutcome, type TrainingOutcome, type TrainingTrigger } from './training-outcome';

export interface RetrainerOptions<Model> {
  /** Trains and publishes; resolves to the name of the version. Rejects soon after an abort. */
  runTraining: (signal: AbortSignal, trigger: TrainingTrigger, onTrial: boolean) => Promise<string>;
  store: Pick<ModelStore, 'current' | 'setCurrent' | 'list' | 'prune' | 'pinned'>;
  trial: {
    /** Whether a new version is put on trial before it is used. */
    isWanted: (trigger: TrainingTrigger) => boolean;
    /** The version on trial that must not be replaced yet. */
    pending: () => string | undefined;
    begin: (version: string) => Promise<void>;
    /** Versions that a trial needs. */
    versions: () => Promise<readonly string[]>;
  };
  /** Reads and verifies a version. Rejects if it must not be used. */
  load: (version: string) => Promise<Model>;
  /** Puts a model into use. Rejects only if the previous one stays in use. */
  onSwap: (model: Model, version: string) => void | Promise<void>;
  observer: DetectorMetrics['training'];
  log: Logger;
  /** Settings in force. */
  settings: () => RetrainerSettings;
}

export interface RetrainerSettings {
  /** A training that takes longer is aborted. */
  timeoutMs: number;
  keepVersions: number;
  /** In addition, versions that were the newest one within this time are kept, ms; default 0. */
  keepForMs?: number;
}

type Attempted = Exclude<TrainingOutcome, { result: 'refused' }>;

export type Retrainer = ReturnType<typeof createRetrainer>;

/** The retrainer of one detector. */
export function createRetrainer<Model>(options: RetrainerOptions<Model>) {
  const { runTraining, store, trial, load, onSwap, observer, log, settings } = options;
  const pointer = createPointerGuard(store, log);
  let inProgress: Promise<TrainingOutcome> | undefined;
  let aborting: AbortController | undefined;
  let stopped = false;

  async function trainAndSwap(trigger: TrainingTrigger, abort: AbortController): Promise<TrainingOutcome> {
    // An unreadable file must not prevent the training.
    const pinned = await store.pinned().catch(() => undefined);
    if (pinned !== undefined) {
      log.info('training skipped: a model version is pinned', { trigger, version: pinned });
      return { result: 'refused', because: 'pinned' };
    }
    const onTrial = trial.pending();
    // Otherwise, frequent trainings would replace each version before its trial ends.
    if (onTrial !== undefined && (trigger === 'schedule' || trigger === 'drift')) {
      log.info('training skipped: a model version is on trial', { trigger, version: onTrial });
      return { result: 'refused', because: 'on trial' };
    }
    const startedAt = performance.now();
    observer.trainingStarted();
    log.info('training started', { trigger });
    const before = await pointer.read();
    const outcome = await attempt(abort, trigger);
    // Without the lease, the pointer and the versions belong to another process.
    const isOurs = outcome.result !== 'failed' || outcome.reason !== 'lease';
    if (isOurs && outcome.result === 'failed') await pointer.restore(before);
    if (isOurs) await prune();

    const seconds = (performance.now() - startedAt) / 1000;
    reportOutcome(outcome, trigger, seconds, options);
    return outcome;
  }

  async function attempt(abort: AbortController, trigger: TrainingTrigger): Promise<Attempted> {
    let version: string;
    const onTrial = trial.isWanted(trigger);
    try {
      version = await interruptAfter(settings().timeoutMs, abort, (signal) =>
        runTraining(signal, trigger, onTrial),
      );
    } catch (error) {
      return { result: 'failed', reason: failureOf(error, abort.signal), error };
    }
    try {
      if (onTrial) {
        await trial.begin(version);
        return { result: 'on trial', version };
      }
      await onSwap(await load(version), version);
      return { result: 'swapped', version };
    } catch (error) {
      return { result: 'failed', reason: 'load', error };
    }
  }

  /** Runs after a failure, too: the remains of an interrupted training may have filled the disk. */
  async function prune(): Promise<void> {
    const { keepVersions, keepForMs = 0 } = settings();
    try {
      const newestSince = keepForMs > 0 ? Date.now() - keepForMs : Infinity;
      const removed = await store.prune(keepVersions, await trial.versions(), newestSince);
      if (removed.length > 0) log.info('old model versions removed', { versions: removed });
    } catch (err) {
      log.warn('old model versions could not be removed', { err });
    }
  }

  return {
    /** Trains and puts the new model into use. Never rejects: a failure is logged, counted and returned. */
    async train(trigger: TrainingTrigger): Promise<TrainingOutcome> {
      if (stopped) return { result: 'refused', because: 'stopped' };
      if (inProgress !== undefined) return { result: 'refused', because: 'running' };
      aborting = new AbortController();
      inProgress = trainAndSwap(trigger, aborting);
      try {
        return await inProgress;
      } finally {
        inProgress = undefined;
        aborting = undefined;
      }
    },
    running: () => inProgress !== undefined,
    /** Aborts a running training and waits for its end. Idempotent. */
    async stop() {
      stopped = true;
      aborting?.abort(new Interruption('stopped', 'the daemon stops'));
      await inProgress;
    },
  };
}
