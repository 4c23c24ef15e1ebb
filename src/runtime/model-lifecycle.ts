/** Composition of the model of one detector: where it is stored, which version is in use, when a new one is trained. */
import { isDeepStrictEqual } from 'node:util';
import { configuredThreshold } from '../config/calibration';
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import type { Label } from '../domain/label';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import { eventPolicy } from '../config/calibration';
import { configuredSource } from '../sources/configured';
import type { StateRules } from '../state/rules';
import { createModelStore } from '../store/model-store';
import { createTrialStore, isActive, isRefused } from '../store/trials';
import { Cleanup } from './cleanup';
import type { Clock } from './clock';
import { hasColdStart } from './cold-start';
import { endColdStart, obtainFirstModel } from './first-model';
import { LeaseHolder } from './lease-holder';
import {
  createModelLoader,
  watchDrift,
  withSettings,
  type DecodeModel,
  type LoadedModel,
  type ModelLoaderOptions,
} from './model-loader';
import { ModelSlot } from './model-slot';
import { startPeerExchange } from './peer-exchange';
import type { Readiness } from './readiness';
import { createRetrainer, type TrainingOutcome } from './retrainer';
import { createShadow } from './shadow';
import { createTraining } from './training';
import { TrainingRequests } from './training-request';
import { createTrainingRun, type TrainingRunOptions } from './training-run';
import { createTrials, type TrialsParts } from './trials';
import { watchVersions } from './version-watch';

export interface ModelLifecycleOptions extends Omit<TrainingRunOptions, 'leaseHolder'> {
  settings: DetectorSettings;
  daemon: DaemonSettings;
  clock: Clock;
  decode: DecodeModel;
  /** Of the record decoder. */
  decoder: Pick<StateRules, 'shape' | 'categories' | 'table'>;
  /** Labels of people that are known now. */
  labels: () => readonly Label[];
  livePower: TrialsParts['livePower'];
  audit: TrialsParts['audit'];
  readiness: Readiness;
  metrics: DetectorMetrics;
  onTrainingEnd: (outcome: TrainingOutcome) => void;
  /** Aborted when the daemon begins to stop. */
  stopping: AbortSignal;
  log: Logger;
}

/** Of versions that do not come into use. */
const quiet: Pick<ModelLoaderOptions, 'metrics' | 'log'> = {
  metrics: {
    modelLoadFailed: () => undefined,
    falseAlarmTarget: () => undefined,
    detectionPower: { trained: () => undefined, live: () => undefined },
  },
  log: { info: () => undefined, warn: () => undefined },
};

export type ModelLifecycle = ReturnType<typeof createModelLifecycle>;

export function createModelLifecycle(options: ModelLifecycleOptions) {
  const { daemon, clock, readiness, stopping, metrics, log } = options;
  /** Those in force. */
  let settings = options.settings;
  const { path: directory, pollIntervalMs: intervalMs, leaseTimeoutMs: timeoutMs } = daemon.store;
  const { role } = daemon;
  const { detector } = settings;
  const cleanup = new Cleanup();

  const leaseHolder = new LeaseHolder({
    directory,
    detector,
    timeoutMs,
    onChange: (held) => metrics.leaseHeld(held),
    log,
  });
  cleanup.add('lease', () => leaseHolder.release());

  const store = createModelStore({ directory, detector, lease: () => leaseHolder.folder() });
  const slot = new ModelSlot(metrics);
  const load = createModelLoader({ settings: () => settings, store, decode: options.decode, metrics, log });

  /** They may have changed since the model was loaded. */
  const use = (model: LoadedModel): void => slot.use(withSettings(model, settings));
  const followsRecords = configuredSource(settings.source).replayRate !== undefined;
  const trialStore = createTrialStore(directory, detector);
  const trials = createTrials({
    role,
    settings: () => settings.training.challenger,
    eventsPerMs: () => eventPolicy(settings).eventsPerMs,
    intervalMs,
    store,
    trials: trialStore,
    slot: { current: () => slot.current(), version: () => slot.version(), use },
    lease: leaseHolder,
    clock,
    followsRecords,
    load,
    loadQuietly: createModelLoader({ settings: () => settings, store, decode: options.decode, ...quiet }),
    openShadow: (model, { since, progress }) =>
      createShadow({
        settings,
        decoder: options.decoder,
        model,
        measures: !followsRecords,
        progress,
        labels: options.labels,
        since,
        borrowed: (work) => slot.borrowed(work),
        metrics,
      }),
    livePower: options.livePower,
    audit: options.audit,
    metrics,
    log,
  });
  cleanup.add('trials', () => trials.stop());
  const refused = async (): Promise<string[]> =>
    (await trialStore.list()).filter(isRefused).map(({ version }) => version);

  const retrainer = createRetrainer<LoadedModel>({
    settings: () => settings.training,
    runTraining: createTrainingRun({ ...options, leaseHolder }),
    store,
    trial: {
      // What replaces a cold start is the first model.
      isWanted: (trigger) =>
        settings.training.challenger.enabled &&
        trigger !== 'start' &&
        trigger !== 'cold start' &&
        slot.current() !== undefined &&
        !slot.isColdStart(),
      pending: () => trials.pending(),
      async begin(version) {
        await clock.modelDue();
        await trials.begin(version);
      },
      versions: async () =>
        (await trialStore.list()).filter(isActive).flatMap(({ version, before }) => [version, before]),
    },
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
    settings: () => settings.training,
    retrainer,
    clock,
    requests,
    store,
    metrics,
    onEnd: options.onTrainingEnd,
    stopping,
    log,
  });
  cleanup.add('training', () => training.stop());

  const watch = watchVersions({
    store,
    intervalMs,
    inUse: () => slot.version(),
    isBusy: () => training.isRunning() || stopping.aborted || readiness.isStarting(),
    load,
    onSwap: use,
    log,
  });
  cleanup.add('version watch', () => watch.stop());

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
  cleanup.add('peer exchange', () => exchange.stop());

  return {
    slot,
    store,
    training,
    trials,
    /** Uses a stored version from the next batch on, and makes it the current one. @throws ModelVersionError if it is unusable */
    async useVersion(version: string, pin: boolean): Promise<void> {
      const model = await load(version);
      if (pin) await store.pin(version);
      else {
        await store.unpin();
        await store.setCurrent(version);
      }
      use(model);
      await trials.chosen(version);
      log.info('model version chosen by a person', { version, pinned: pin });
    },
    /**
     * Checks whether the version in use can decide by other settings.
     * @returns takes the settings into force, from the next batch on; call it at once
     * @throws RangeError if the target is too rare for the version
     */
    reload(next: DetectorSettings): () => void {
      const active = slot.current();
      const adjusted = active && withSettings(active, next);
      return () => {
        const { drift, training: before } = settings;
        settings = next;
        if (adjusted !== undefined) {
          const isWatchKept = isDeepStrictEqual(drift, next.drift);
          slot.adjust(isWatchKept ? adjusted : { ...adjusted, drift: watchDrift(next, adjusted.detector) });
          metrics.falseAlarmTarget(configuredThreshold(next, adjusted.detector.state).ratio);
        }
        if (!isDeepStrictEqual(before, next.training)) training.follow();
      };
    },
    /** Resolves when the slot has a model, or when the daemon stops. Rejects if there will never be one. */
    obtainFirst: () =>
      obtainFirstModel({
        detector,
        role,
        atStart: settings.training.atStart,
        sourceGrows: !configuredSource(settings.source).bounded,
        store,
        load,
        slot,
        refused,
        train: () => training.trainFirst(),
        ...(hasColdStart(settings) && { trainColdStart: () => training.trainColdStart() }),
        onWaiting: (reason) => readiness.obtainingModel(reason),
        stopping,
        log,
      }),
    /** Replaces a cold start, unless its records do not grow. Resolves when that is done, or when the daemon stops. */
    endColdStart: () =>
      endColdStart({
        role,
        sourceGrows: !configuredSource(settings.source).bounded,
        slot,
        train: () => training.trainFirst(),
        onWaiting: (reason) => readiness.awaitingModel(reason),
        stopping,
      }),
    /** Ends a running training, and gives the lease back. Idempotent. */
    stop: () => cleanup.release(),
  };
}
