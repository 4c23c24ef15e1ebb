/** The versions of one detector's model: their store, the version in use, and the version on trial. */
import { eventPolicy } from '../config/calibration';
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import type { Label } from '../domain/label';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { OpenSession } from '../onnx/session';
import { decodeBundle } from '../scoring/bundle';
import { configuredSource } from '../sources/configured';
import type { StateRules } from '../state/rules';
import { createModelStore } from '../store/model-store';
import { createTrialStore } from '../store/trials';
import type { Audit } from '../web/api/audit';
import { createActiveModel } from './active-model';
import { createCanaryWatch } from './canary-watch';
import type { Cleanup } from './cleanup';
import type { Clock } from './clock';
import { LeaseHolder } from './lease-holder';
import { createShadow } from './shadow';
import { createTrials } from './trials';

export interface ModelVersionsOptions {
  settings: DetectorSettings;
  daemon: DaemonSettings;
  clock: Clock;
  /** Opens the graphs that score; undefined if tfjs scores. */
  openSession: OpenSession | undefined;
  /** Shape and categories of the record decoder. */
  decoder: Pick<StateRules, 'shape' | 'categories' | 'table'>;
  /** Labels known at present. */
  labels: () => readonly Label[];
  /** Adds an entry to the audit log. */
  audit: Audit;
  metrics: DetectorMetrics;
  log: Logger;
}

export type ModelVersions = ReturnType<typeof createModelVersions>;

export function createModelVersions(options: ModelVersionsOptions, cleanup: Cleanup) {
  const { daemon, clock, decoder, labels, metrics, log } = options;
  const { role } = daemon;
  const { path: directory, pollIntervalMs: intervalMs, leaseTimeoutMs: timeoutMs } = daemon.store;
  const { detector, source, window: time, training } = options.settings;
  const followsRecords = configuredSource(source).replayRate !== undefined;

  const onChange = (held: boolean): void => metrics.leaseHeld(held);
  const lease = new LeaseHolder({ directory, detector, timeoutMs, onChange, log });
  cleanup.add('lease', () => lease.release());
  const store = createModelStore({ directory, detector, lease: () => lease.folder() });
  const model = createActiveModel({
    settings: options.settings,
    store,
    decode: (version, files) => decodeBundle(version, files, decoder.table, options.openSession),
    metrics,
    log,
  });
  const { slot, settings, load, use } = model;
  const borrowed = <T>(work: Promise<T>): Promise<T> => slot.borrowed(work);
  const canaries = createCanaryWatch({ time, seed: training.seed, borrowed, metrics, log });
  const trials = createTrials({
    role,
    settings: () => settings().training.challenger,
    eventsPerMs: () => eventPolicy(settings()).eventsPerMs,
    intervalMs,
    store,
    trials: createTrialStore(directory, detector),
    slot: {
      current: () => slot.current(),
      version: () => slot.version(),
      isColdStart: () => slot.isColdStart(),
      use,
    },
    lease,
    clock,
    followsRecords,
    load,
    loadQuietly: model.loadQuietly,
    openShadow: (shadow, { since, progress }) =>
      createShadow({
        settings: settings(),
        decoder,
        model: shadow,
        measures: !followsRecords,
        progress,
        labels,
        since,
        borrowed,
        metrics,
      }),
    livePower: canaries.meanLive,
    audit: (entry) => options.audit({ detector, ...entry }),
    metrics,
    log,
  });
  cleanup.own('trials', trials);

  return {
    ...model,
    lease,
    store,
    canaries,
    trials,
    /** Call after each batch, with the resulting state. */
    observe: (...batch: Parameters<typeof canaries.observe>): void => {
      canaries.observe(...batch);
      trials.observe(...batch);
    },
    /** Uses a stored version from the next batch on, and makes it the current one. @throws ModelVersionError if it is unusable */
    async useVersion(version: string, pin: boolean): Promise<void> {
      const chosen = await load(version);
      if (pin) await store.pin(version);
      else {
        await store.unpin();
        await store.setCurrent(version);
      }
      use(chosen);
      await trials.chosen(version);
      log.info('model version chosen by a person', { version, pinned: pin });
    },
  };
}
