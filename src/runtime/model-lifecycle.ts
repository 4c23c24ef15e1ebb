/** Composition of the model of one detector: its versions, the trainings, and the choice of the process that trains. */
import { isDeepStrictEqual } from 'node:util';
import type { DetectorSettings } from '../config/settings';
import { configuredSource } from '../sources/configured';
import { Cleanup } from './cleanup';
import { hasColdStart } from './cold-start';
import { endColdStart, obtainFirstModel } from './first-model';
import type { LoadedModel } from './model-loader';
import { createModelVersions, type ModelVersionsOptions } from './model-versions';
import { startPeerExchange } from './peer-exchange';
import type { Readiness } from './readiness';
import { createRetrainer } from './retrainer';
import type { TrainingOutcome } from './training-outcome';
import { createTraining } from './training';
import type { TrainingProgress } from './training-message';
import { TrainingRequests } from './training-request';
import { createTrainingRun, type TrainingRunOptions } from './training-run';
import { watchVersions } from './version-watch';

/** Called at the steps of each training of a detector. */
export interface TrainingsObserver {
  trainingProgress(detector: string, progress: TrainingProgress): void;
  trainingEnded(detector: string, outcome: TrainingOutcome): void;
}

export interface ModelLifecycleOptions
  extends
    ModelVersionsOptions,
    Omit<TrainingRunOptions, 'clock' | 'leaseHolder' | 'onProgress' | 'onHistory'> {
  readiness: Readiness;
  observer: TrainingsObserver;
  /** Aborted when the daemon begins to stop. */
  stopping: AbortSignal;
}

export type ModelLifecycle = ReturnType<typeof createModelLifecycle>;

export function createModelLifecycle(options: ModelLifecycleOptions) {
  const { daemon, clock, readiness, observer, stopping, metrics, log } = options;
  const { role } = daemon;
  const { path: directory, pollIntervalMs: intervalMs } = daemon.store;
  const {
    detector,
    source,
    training: { atStart },
  } = options.settings;
  const cleanup = new Cleanup();

  const versions = createModelVersions(options, cleanup);
  const { slot, store, settings, load, use, trials, canaries, lease: leaseHolder } = versions;

  const retrainer = createRetrainer<LoadedModel>({
    settings: () => settings().training,
    runTraining: createTrainingRun({
      ...options,
      leaseHolder,
      onProgress(progress) {
        readiness.training(progress);
        observer.trainingProgress(detector, progress);
      },
      onHistory: ({ records, rejected }) => metrics.trainingHistory(records, rejected),
    }),
    store,
    trial: trials,
    load,
    async onSwap(model) {
      await clock.modelDue();
      use(model);
    },
    observer: metrics.training,
    log,
  });
  const requests = new TrainingRequests(directory, detector);
  const training = createTraining({
    role,
    settings: () => settings().training,
    retrainer,
    clock,
    requests,
    store,
    metrics,
    onEnd: (outcome) => observer.trainingEnded(detector, outcome),
    stopping,
    log,
  });
  cleanup.own('training', training);

  const watch = watchVersions({
    store,
    intervalMs,
    inUse: () => slot.version(),
    isBusy: () => training.isRunning() || stopping.aborted || readiness.isStarting(),
    load,
    onSwap: use,
    dispose: ({ detector: unused }) => unused.dispose(),
    log,
  });
  cleanup.own('version watch', watch);

  const exchange = startPeerExchange({
    role,
    intervalMs,
    leaseHolder,
    saveQuarantine: options.saveQuarantine,
    answerRequests: () => training.answerRequests(),
    isRequested: () => requests.isWaiting(),
    onError: () => metrics.storeError(),
    log,
  });
  cleanup.own('peer exchange', exchange);
  cleanup.own('canaries', canaries);

  const first = {
    detector,
    role,
    atStart,
    sourceGrows: !configuredSource(source).bounded,
    store,
    load,
    slot,
    refused: trials.refused,
    train: () => training.trainFirst(),
    ...(hasColdStart(options.settings) && { trainColdStart: () => training.trainColdStart() }),
    stopping,
    log,
  };

  return {
    ...versions,
    training,
    /** Uses the version that the store's pointer names. Never rejects. */
    followStore: watch.follow,
    /**
     * Checks whether the version in use can decide by other settings.
     * @returns a function that applies the settings from the next batch on; call it in the same turn of the event loop
     * @throws RangeError if the target is too rare for the version
     */
    reload(next: DetectorSettings): () => void {
      const reloadModel = versions.reload(next);
      return () => {
        const { training: before } = settings();
        reloadModel();
        if (!isDeepStrictEqual(before, next.training)) training.follow();
      };
    },
    /** Resolves when the slot has a model, or when the daemon stops. Rejects if there can never be a model. */
    obtainFirst: () =>
      obtainFirstModel({ ...first, onWaiting: (reason) => readiness.obtainingModel(reason) }),
    /** Replaces a cold start, unless its source does not grow. Resolves then, or when the daemon stops. */
    endColdStart: () => endColdStart({ ...first, onWaiting: (reason) => readiness.awaitingModel(reason) }),
    /** Aborts a running training and releases the lease. Idempotent. */
    stop: () => cleanup.release(),
  };
}
