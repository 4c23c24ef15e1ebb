/** From a training to a model in use: one at a time, and whatever fails, the model in use stays. */
import { TrainingError, type RetrainingFailure } from '../errors';
import type { ModelStore } from '../store/bundle';
import { messageOf } from '../system/error-text';
import type { LifecycleLog } from './log';

/** What a training was started for. */
export type TrainingTrigger = 'start' | 'schedule' | 'request' | 'drift';

/** How `train` ended. */
export type TrainingOutcome =
  | { result: 'swapped'; version: string }
  | { result: 'failed'; reason: RetrainingFailure; error: unknown }
  /** Nothing was started: one runs already, or the retrainer has been stopped. */
  | { result: 'refused'; because: 'running' | 'stopped' };

/** For the metrics. */
export interface RetrainerObserver {
  trainingStarted(trigger: TrainingTrigger): void;
  /** From the start to the swap, or to the failure. */
  trainingEnded(result: 'ok' | RetrainingFailure, seconds: number): void;
}

export interface RetrainerOptions<Model> {
  detector: string;
  /** Trains and publishes; resolves to the version's name. On abort it ends soon and rejects. */
  runTraining: (signal: AbortSignal) => Promise<string>;
  store: Pick<ModelStore, 'current' | 'setCurrent' | 'list' | 'prune'>;
  /** Reads and verifies a version. Rejects when it must not be used. */
  load: (version: string) => Promise<Model>;
  /** Takes a model into use. Rejects only when the one before stays in use. */
  onSwap: (model: Model, version: string) => void | Promise<void>;
  observer: RetrainerObserver;
  log: LifecycleLog;
  /** A training that takes longer is ended. */
  timeoutMs: number;
  keepVersions: number;
  /** Versions that were the newest one within this time, ms, are kept beside them; default 0. */
  keepForMs?: number;
}

export interface Retrainer {
  /** Trains and swaps the new model in. Never rejects: a failure is logged, counted and returned. */
  train(trigger: TrainingTrigger): Promise<TrainingOutcome>;
  running(): boolean;
  /** Ends a training under way and waits until it is gone. Idempotent. */
  stop(): Promise<void>;
}

/** setTimeout takes a 32-bit number of ms and fires at once beyond. */
const longestTimeoutMs = 2 ** 31 - 1;

/** The retrainer of one detector. */
export function createRetrainer<Model>(options: RetrainerOptions<Model>): Retrainer {
  const {
    detector,
    runTraining,
    store,
    load,
    onSwap,
    observer,
    log,
    timeoutMs,
    keepVersions,
    keepForMs = 0,
  } = options;
  let underWay: Promise<TrainingOutcome> | undefined;
  let aborting: AbortController | undefined;
  let stopped = false;

  async function trainAndSwap(trigger: TrainingTrigger, abort: AbortController): Promise<TrainingOutcome> {
    const startedAt = performance.now();
    observer.trainingStarted(trigger);
    log.info('training started', { detector, trigger });
    const before = await remember();
    const outcome = await attempt(abort);
    // What is in the store is the business of who trains.
    const isOurs = outcome.result !== 'failed' || outcome.reason !== 'lease';
    if (isOurs && outcome.result === 'failed') await restore(before);
    if (isOurs) await prune();

    const seconds = (performance.now() - startedAt) / 1000;
    report(outcome, trigger, seconds);
    return outcome;
  }

  async function attempt(abort: AbortController): Promise<TrainingOutcome> {
    let version: string;
    try {
      version = await withTimeout(abort);
    } catch (error) {
      return { result: 'failed', reason: reasonOf(error, abort.signal), error };
    }
    try {
      await onSwap(await load(version), version);
      return { result: 'swapped', version };
    } catch (error) {
      return { result: 'failed', reason: 'load', error };
    }
  }

  async function withTimeout(abort: AbortController): Promise<string> {
    const timer = setTimeout(
      () => {
        abort.abort(new TrainingTimeout(timeoutMs));
      },
      Math.min(timeoutMs, longestTimeoutMs),
    );
    try {
      return await runTraining(abort.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the store held before a training. */
  interface Before {
    current: string | undefined;
    versions: ReadonlySet<string>;
  }

  async function remember(): Promise<Before> {
    try {
      const versions = new Set((await store.list()).map(({ version }) => version));
      return { current: await store.current(), versions };
    } catch (err) {
      // A damaged pointer must not keep the detector from getting a new one.
      log.warn('model store could not be read before the training', { detector, err });
      return { current: undefined, versions: new Set() };
    }
  }

  /**
   * A training moves the pointer by publishing. When nothing came of it, the next start must find the model that is
   * in use now. Where someone else pointed to an older version meanwhile, that stays.
   */
  async function restore(before: Before): Promise<void> {
    try {
      const now = await store.current();
      if (before.current === undefined || now === undefined || before.versions.has(now)) return;
      await store.setCurrent(before.current);
      log.warn('model version was given up', { detector, version: now, current: before.current });
    } catch (err) {
      log.error('current model version could not be set back', { detector, current: before.current, err });
    }
  }

  /** Also after a failure: what an interrupted training left may be what fills the disk. */
  async function prune(): Promise<void> {
    try {
      const removed = await store.prune(keepVersions, ...(keepForMs > 0 ? [Date.now() - keepForMs] : []));
      if (removed.length > 0) log.info('old model versions removed', { detector, versions: removed });
    } catch (err) {
      log.warn('old model versions could not be removed', { detector, err });
    }
  }

  function report(outcome: TrainingOutcome, trigger: TrainingTrigger, seconds: number): void {
    if (outcome.result === 'refused') return;
    observer.trainingEnded(outcome.result === 'swapped' ? 'ok' : outcome.reason, seconds);
    if (outcome.result === 'swapped') {
      log.info('new model in use', { detector, trigger, seconds, version: outcome.version });
      return;
    }
    const { reason, error: err } = outcome;
    if (reason === 'lease')
      log.info('training left to another process', { detector, trigger, reason: messageOf(err) });
    else if (reason === 'stopped') log.info('training stopped', { detector, trigger, seconds });
    else log.error('training failed', { detector, trigger, seconds, reason, err });
  }

  return {
    async train(trigger) {
      if (stopped) return { result: 'refused', because: 'stopped' };
      if (underWay !== undefined) return { result: 'refused', because: 'running' };
      aborting = new AbortController();
      underWay = trainAndSwap(trigger, aborting);
      try {
        return await underWay;
      } finally {
        underWay = undefined;
        aborting = undefined;
      }
    },
    running: () => underWay !== undefined,
    async stop() {
      stopped = true;
      aborting?.abort(new TrainingStop());
      await underWay;
    },
  };
}

class TrainingTimeout extends Error {
  override readonly name = 'TrainingTimeout';
  constructor(timeoutMs: number) {
    super(`training took longer than ${String(timeoutMs)} ms (training.timeoutMs)`);
  }
}

class TrainingStop extends Error {
  override readonly name = 'TrainingStop';
  constructor() {
    super('the daemon stops');
  }
}

function reasonOf(error: unknown, signal: AbortSignal): RetrainingFailure {
  if (signal.reason instanceof TrainingTimeout) return 'timeout';
  if (signal.reason instanceof TrainingStop) return 'stopped';
  return error instanceof TrainingError ? error.reason : 'failed';
}
