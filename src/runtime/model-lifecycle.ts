/** Composition of the model of one detector: where it is stored, which version is in use, when a new one is trained. */
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { ActiveDetector } from '../pipeline/pipeline';
import { configuredSource } from '../sources/sources';
import { createModelStore } from '../store/model-store';
import { createCleanup } from './cleanup';
import type { Clock } from './clock';
import { obtainFirstModel } from './first-model';
import { createLeaseHolder } from './lease-holder';
import { createModelLoader, type DecodeModel } from './model-loader';
import { createModelSlot, type ModelSlot } from './model-slot';
import { startPeerExchange } from './peer-exchange';
import type { Readiness } from './readiness';
import { createRetrainer, type TrainingOutcome } from './retrainer';
import { createTraining, type Training } from './training';
import { createTrainingRequests } from './training-request';
import { createTrainingRun, type TrainingRunOptions } from './training-run';
import { watchVersions } from './version-watch';

export interface ModelLifecycleOptions extends Omit<TrainingRunOptions, 'leaseHolder'> {
  settings: DetectorSettings;
  role: DaemonSettings['role'];
  storePath: string;
  /** Interval at which the store is read, ms. */
  pollIntervalMs: number;
  /** Silence after which the process that trains counts as dead, ms. */
  leaseTimeoutMs: number;
  clock: Clock;
  decode: DecodeModel;
  readiness: Readiness;
  metrics: DetectorMetrics;
  onTrainingEnd: (outcome: TrainingOutcome) => void;
  /** Aborted when the daemon begins to stop. */
  stopping: AbortSignal;
  log: Logger;
}

export interface ModelLifecycle {
  slot: ModelSlot;
  training: Training;
  /** Resolves when the slot has a model, or when the daemon stops. Rejects if there will never be one. */
  obtainFirst(): Promise<void>;
  /** Ends a running training, and gives the lease back. Idempotent. */
  stop(): Promise<void>;
}

export function createModelLifecycle(options: ModelLifecycleOptions): ModelLifecycle {
  const { settings, role, storePath, clock, readiness, stopping, metrics, log } = options;
  const { detector } = settings;
  const cleanup = createCleanup();

  const leaseHolder = createLeaseHolder({
    directory: storePath,
    detector,
    timeoutMs: options.leaseTimeoutMs,
    onChange: (held) => metrics.leaseHeld(held),
    log,
  });
  cleanup.add('lease', () => leaseHolder.release());

  const store = createModelStore({ directory: storePath, detector, lease: () => leaseHolder.folder() });
  const slot = createModelSlot(metrics);
  const load = createModelLoader({ settings, store, decode: options.decode, metrics, log });

  const retrainer = createRetrainer<ActiveDetector>({
    ...settings.training,
    runTraining: createTrainingRun({ ...options, leaseHolder }),
    store,
    load,
    async onSwap(model) {
      await clock.modelDue();
      slot.use(model);
    },
    observer: metrics.training,
    log,
  });
  const training = createTraining({
    role,
    settings: settings.training,
    retrainer,
    clock,
    requests: createTrainingRequests(storePath, detector),
    store,
    metrics,
    onEnd: options.onTrainingEnd,
    stopping,
    log,
  });
  cleanup.add('training', () => training.stop());

  const watch = watchVersions({
    store,
    intervalMs: options.pollIntervalMs,
    inUse: () => slot.version(),
    isBusy: () => training.isRunning() || stopping.aborted || readiness.isStarting(),
    load,
    onSwap: (model) => slot.use(model),
    log,
  });
  cleanup.add('version watch', () => watch.stop());

  const exchange = startPeerExchange({
    role,
    intervalMs: options.pollIntervalMs,
    leaseHolder,
    saveQuarantine: options.saveQuarantine,
    answerRequests: () => training.answerRequests(),
    log,
  });
  cleanup.add('peer exchange', () => exchange.stop());

  return {
    slot,
    training,
    obtainFirst: () =>
      obtainFirstModel({
        detector,
        role,
        atStart: settings.training.atStart,
        sourceGrows: !configuredSource(settings.source).bounded,
        store,
        load,
        slot,
        train: () => training.trainFirst(),
        onWaiting: (reason) => readiness.obtainingModel(reason),
        stopping,
        log,
      }),
    stop: () => cleanup.release(),
  };
}
