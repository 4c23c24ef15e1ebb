/** One training at a time, from its start to the use of its model. After any failure the model in use stays. */
import { TrainingError, type RetrainingFailure } from '../errors';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { ModelStore } from '../store/model-store';
import { messageOf } from '../system/error-text';

/** Why a training was started. */
export type TrainingTrigger = 'cold start' | 'start' | 'schedule' | 'request' | 'drift';

/** Outcome of `train`. */
export type TrainingOutcome =
  | { result: 'swapped'; version: string }
  /** It scores in the shadow of the version in use. */
  | { result: 'on trial'; version: string }
  | { result: 'failed'; reason: RetrainingFailure; error: unknown }
  /** No training was started: another one runs, the retrainer has been stopped, a version is pinned, or one is on trial. */
  | { result: 'refused'; because: 'running' | 'stopped' | 'pinned' | 'on trial' };

export interface RetrainerOptions<Model> {
  /** Trains and publishes; resolves to the name of the version. On abort it rejects soon. */
  runTraining: (signal: AbortSignal, trigger: TrainingTrigger, onTrial: boolean) => Promise<string>;
  store: Pick<ModelStore, 'current' | 'setCurrent' | 'list' | 'prune' | 'pinned'>;
  trial: {
    /** Whether a version that is trained now is put on trial. */
    isWanted: (trigger: TrainingTrigger) => boolean;
    /** The version whose time on trial is not over. */
    pending: () => string | undefined;
    begin: (version: string) => Promise<void>;
    /** Versions that a trial needs. */
    versions: () => Promise<readonly string[]>;
  };
  /** Reads and verifies a version. Rejects if it must not be used. */
  load: (version: string) => Promise<Model>;
  /** Takes a model into use. Rejects only if the previous one stays in use. */
  onSwap: (model: Model, version: string) => void | Promise<void>;
  observer: DetectorMetrics['training'];
  log: Logger;
  /** Those in force. */
  settings: () => RetrainerSettings;
}

export interface RetrainerSettings {
  /** A longer training is aborted. */
  timeoutMs: number;
  keepVersions: number;
  /** Versions that were the newest one within this time are kept in addition, ms; default 0. */
  keepForMs?: number;
}

export type Retrainer = ReturnType<typeof createRetrainer>;

/** setTimeout fires at once for more than a 31-bit number of ms. */
const longestTimeoutMs = 2 ** 31 - 1;

/** The retrainer of one detector. */
export function createRetrainer<Model>(options: RetrainerOptions<Model>) {
  const { runTraining, store, trial, load, onSwap, observer, log, settings } = options;
  let inProgress: Promise<TrainingOutcome> | undefined;
  let aborting: AbortController | undefined;
  let stopped = false;

  async function trainAndSwap(trigger: TrainingTrigger, abort: AbortController): Promise<TrainingOutcome> {
    // A file that cannot be read prevents no training.
    const pinned = await store.pinned().catch(() => undefined);
    if (pinned !== undefined) {
      log.info('training skipped: a model version is pinned', { trigger, version: pinned });
      return { result: 'refused', because: 'pinned' };
    }
    const onTrial = trial.pending();
    // Else a version that is trained often would never come into use.
    if (onTrial !== undefined && (trigger === 'schedule' || trigger === 'drift')) {
      log.info('training skipped: a model version is on trial', { trigger, version: onTrial });
      return { result: 'refused', because: 'on trial' };
    }
    const startedAt = performance.now();
    observer.trainingStarted();
    log.info('training started', { trigger });
    const before = await readStore();
    const outcome = await attempt(abort, trigger);
    // Without the lease another process owns the pointer and the versions.
    const isOurs = outcome.result !== 'failed' || outcome.reason !== 'lease';
    if (isOurs && outcome.result === 'failed') await restorePointer(before);
    if (isOurs) await prune();

    const seconds = (performance.now() - startedAt) / 1000;
    report(outcome, trigger, seconds);
    return outcome;
  }

  async function attempt(abort: AbortController, trigger: TrainingTrigger): Promise<TrainingOutcome> {
    let version: string;
    const onTrial = trial.isWanted(trigger);
    try {
      version = await withTimeout(abort, trigger, onTrial);
    } catch (error) {
      return { result: 'failed', reason: reasonOf(error, abort.signal), error };
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

  async function withTimeout(
    abort: AbortController,
    trigger: TrainingTrigger,
    onTrial: boolean,
  ): Promise<string> {
    const { timeoutMs } = settings();
    const late = `training took longer than ${timeoutMs} ms (training.timeoutMs)`;
    const expire = (): void => abort.abort(new Interruption('timeout', late));
    const timer = setTimeout(expire, Math.min(timeoutMs, longestTimeoutMs));
    try {
      return await runTraining(abort.signal, trigger, onTrial);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The pointer and the versions before a training. */
  async function readStore() {
    try {
      const versions = new Set((await store.list()).map(({ version }) => version));
      return { current: await store.current(), versions };
    } catch (err) {
      // A damaged pointer must not prevent the training that replaces it.
      log.warn('model store could not be read before the training', { err });
      return { current: undefined, versions: new Set<string>() };
    }
  }

  /**
   * Publishing moves the pointer. If the new version is not used, the next start must find the model in use now. A pointer
   * that was moved to an older version in the meantime stays.
   */
  async function restorePointer({ current, versions }: Awaited<ReturnType<typeof readStore>>): Promise<void> {
    try {
      const now = await store.current();
      if (current === undefined || now === undefined || versions.has(now)) return;
      await store.setCurrent(current);
      log.warn('model version discarded; the previous one stays in use', { version: now, current });
    } catch (err) {
      log.error('pointer could not be moved back to the previous model version', { current, err });
    }
  }

  /** Also after a failure: the remains of an interrupted training may be what fills the disk. */
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

  function report(outcome: TrainingOutcome, trigger: TrainingTrigger, elapsed: number): void {
    if (outcome.result === 'refused') return;
    observer.trainingEnded(outcome.result === 'failed' ? outcome.reason : 'ok', elapsed);
    const seconds = Number(elapsed.toFixed(1));
    if (outcome.result === 'swapped') {
      log.info('new model in use', { trigger, seconds, version: outcome.version });
      return;
    }
    if (outcome.result === 'on trial') {
      log.info('training ended', { trigger, seconds, version: outcome.version });
      return;
    }
    const { reason, error: err } = outcome;
    if (reason === 'lease') log.info('training left to another process', { trigger, reason: messageOf(err) });
    else if (reason === 'stopped') log.info('training stopped', { trigger, seconds });
    else log.error('training failed', { trigger, seconds, reason, err });
  }

  return {
    /** Trains and takes the new model into use. Never rejects: a failure is logged, counted and returned. */
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

/** Why a training is aborted. */
class Interruption extends Error {
  override readonly name = 'Interruption';
  constructor(
    readonly kind: 'timeout' | 'stopped',
    message: string,
  ) {
    super(message);
  }
}

function reasonOf(error: unknown, signal: AbortSignal): RetrainingFailure {
  if (signal.reason instanceof Interruption) return signal.reason.kind;
  return error instanceof TrainingError ? error.reason : 'failed';
}
