/** Composition of one detector: from its source through the pipeline to its sinks, with the model in use. */
import { join } from 'node:path';
import { createExplanationRule } from '../domain/explanations';
import type { Label } from '../domain/label';
import { createLimitCheck } from '../domain/signal';
import type { PastEvent } from '../past/event-records';
import { createProcesses, type Processes } from '../past/processes';
import type { DetectorMetrics, Metrics } from '../metrics/metrics';
import type { OpenSession } from '../onnx/session';
import { createPipeline } from '../pipeline/pipeline';
import { createRecordDecoder } from '../pipeline/record-decoder';
import { decodeBundle } from '../scoring/bundle';
import type { ReplaySummary } from '../sinks/summary';
import { configuredSource } from '../sources/configured';
import { createOffsetStore } from '../state/offsets';
import { aborted } from '../system/pause';
import { meanPower } from '../scoring/detection-power';
import type { Audit } from '../web/api/audit';
import { createCanaryWatch } from './canary-watch';
import { Cleanup } from './cleanup';
import { createRecordClock, wallClock } from './clock';
import { countNotifications, createSinks, createSource, createSummary } from './connectors';
import { createDelivery } from './delivery';
import { createDetectorView } from './detector-view';
import { createLabelWriter } from './label-writer';
import { watchLabels } from './labels';
import { createModelLifecycle, type ModelLifecycleOptions } from './model-lifecycle';
import { createDetectorStates } from './partition-states';
import { Poll } from './poll';
import { openQuarantine, quarantinePath } from './quarantine';
import { Readiness } from './readiness';
import { createRecordWatch } from './record-watch';
import { openReportedEvents, type ReportedEvents } from './reported-events';
import type { TrainingOutcome } from './retrainer';
import { createFleet } from './fleet';
import { exposedSecrets } from './exposed-secrets';
import { watchClock } from './clock-watch';
import type { TrainingProgress } from './training-message';

/** What the console shows. */
export interface DetectorObserver {
  trainingProgress(detector: string, progress: TrainingProgress): void;
  trainingEnded(detector: string, outcome: TrainingOutcome): void;
  /** A file has been read to its end; the first pass is 1. */
  passEnded(detector: string, pass: number, summary: ReplaySummary | undefined): void;
}

export interface DetectorParts extends Pick<
  ModelLifecycleOptions,
  'settings' | 'daemon' | 'runTraining' | 'log'
> {
  metrics: Metrics;
  /** Opens the graphs that score; undefined where tfjs scores. */
  openSession: OpenSession | undefined;
  observer: DetectorObserver;
  /** Adds an entry to the audit log. */
  audit: Audit;
  /** Called with each event that is reported or labelled. */
  onEvent: (past: PastEvent) => void;
}

/** A twentieth of the time, about ten explanations at once: scoring keeps up even if a whole fleet fails. */
const explanationBudget = { share: 0.05, burstMs: 100 };

const noLabels: readonly Label[] = [];

/** On the record clock: time from the start of a training to the use of its model, s. */
const trainingSeconds = 10;

/** Starts a detector; a failed start releases what it has opened. */
export async function startDetector(parts: DetectorParts) {
  const cleanup = new Cleanup();
  try {
    return await composeDetector(parts, cleanup);
  } catch (error) {
    await cleanup.release().catch((err: unknown) => parts.log.warn('could not stop cleanly', { err }));
    throw error;
  }
}

async function composeDetector(parts: DetectorParts, cleanup: Cleanup) {
  const { settings, daemon, observer, log } = parts;
  const { role, store, shutdownTimeoutMs } = daemon;
  /** In force, of the keys that are reloaded. */
  const live = { settings, daemon };
  const { detector: name } = settings;
  const from = configuredSource(settings.source);
  const stopping = new AbortController();
  const broken = new AbortController();
  const { replayRate } = from;
  const clock =
    replayRate === undefined ? wallClock : createRecordClock(Math.ceil(replayRate * trainingSeconds));
  for (const key of exposedSecrets(settings))
    log.warn('a secret is sent unencrypted: the URL begins with http://', { key });
  const recordDecoder = createRecordDecoder(settings, { log: log.info });

  const quarantine = await openQuarantine(
    quarantinePath(store.path, name),
    settings.training.quarantineMs,
    () => models.slot.isColdStart(),
    log,
  );
  const summary = await createSummary(settings);
  // Sinks for people are at work before the events and the metrics, which need the sinks, exist.
  const started: {
    events?: ReportedEvents;
    metrics?: DetectorMetrics;
    processes?: Processes;
    exchange?: Poll;
  } = {};
  const {
    sinks,
    committer,
    reload: reloadSinks,
  } = await createSinks(settings, quarantine, summary, {
    onTransaction: (result) => metrics.transaction(result),
    openEvents: (limit) => started.events?.open(limit) ?? [],
    // Records of a source without a group belong to one process.
    fleet: from.state && createFleet(store.path, name, () => started),
    notifications: countNotifications(() => started.metrics?.notifications),
    log,
  });
  for (const sink of sinks) cleanup.add(`sink ${sink.name}`, () => sink.close());
  const metrics = parts.metrics.forDetector(name, {
    topics: [from.topic],
    sinks: sinks.map((sink) => sink.name),
    notifiers: sinks.filter(({ notifies }) => notifies === true).map((sink) => sink.name),
  });
  started.metrics = metrics;

  // Before labels are read: it creates a file that does not exist.
  const labelWriter = daemon.api.tokenFile === '' ? undefined : await createLabelWriter(settings, log);
  const labels = watchLabels(settings, store.pollIntervalMs, log);
  if (labels !== undefined) cleanup.add('labels', () => labels.stop());
  const knownLabels = (): readonly Label[] => labels?.current() ?? noLabels;
  const states = createDetectorStates(settings, store.path, recordDecoder, metrics, log, knownLabels);
  const events = await openReportedEvents({
    settings: () => live.settings,
    directory: store.path,
    pollIntervalMs: store.pollIntervalMs,
    states,
    sinks,
    metrics,
    listed: () => live.daemon.metrics.openEvents,
    bounded: from.bounded,
    replayed: replayRate !== undefined,
    onEvent: parts.onEvent,
    log,
  });
  cleanup.add('events', () => events.stop());
  started.events = events;
  const records = createRecordWatch(settings, recordDecoder.shape.length, states, metrics, log);
  const clockWatch = watchClock(metrics, log);
  cleanup.add('clock watch', () => clockWatch.stop());

  const source = await createSource(from, metrics, states, {
    channels: settings.record.channels,
    timestampFormat: settings.fields.timestampFormat,
    timeZone: settings.fields.timeZone,
    committer,
    folder: join(store.path, name),
    offsets: createOffsetStore({ directory: store.path, detector: name, topic: from.topic }),
    shutdownTimeoutMs,
    async onPassEnd(pass) {
      await events.closeAll();
      records.flush();
      observer.passEnded(name, pass, summary?.take());
    },
    log,
  });
  const readiness = new Readiness(
    role,
    () => source.ready(),
    () => records.problem(),
    () => models.slot.isColdStart(),
  );
  const saveQuarantine = (): Promise<void> => quarantine.save(states.currentEvents());

  const models = createModelLifecycle({
    ...parts,
    quarantinePath: quarantine.path,
    saveQuarantine,
    clock,
    fileRecords: () => source.position?.(),
    decode: (version, files) => decodeBundle(version, files, recordDecoder.table, parts.openSession),
    decoder: recordDecoder,
    labels: knownLabels,
    livePower() {
      const power = canaries.live();
      return power && meanPower(power);
    },
    audit: (entry) => parts.audit({ detector: name, ...entry }),
    readiness,
    metrics,
    onProgress(progress) {
      readiness.training(progress);
      observer.trainingProgress(name, progress);
    },
    onHistory: ({ records: learned, rejected }) => metrics.trainingHistory(learned, rejected),
    onTrainingEnd: (outcome) => observer.trainingEnded(name, outcome),
    stopping: stopping.signal,
  });
  const { slot, training, trials } = models;
  cleanup.add('models', () => models.stop());
  const canaries = createCanaryWatch({
    time: settings.window,
    seed: settings.training.seed,
    borrowed: (work) => slot.borrowed(work),
    metrics,
    log,
  });
  cleanup.add('canaries', () => canaries.stop());
  cleanup.add('source', () => source.stop());

  const processes = createProcesses({
    directory: store.path,
    detector: name,
    intervalMs: store.pollIntervalMs,
    describe: () => ({
      partitions: states.partitions.map(({ partition }) => partition),
      openEvents: states.open,
      recordsPerSecond: records.perSecond(),
      devices: states.devices,
      spentRatio: states.budgetSpentRatio,
      version: slot.version() ?? '',
    }),
    log,
  });
  const exchange = new Poll(store.pollIntervalMs, () => processes.exchange());
  Object.assign(started, { processes, exchange });
  cleanup.add('processes', async () => {
    await exchange.stop();
    await processes.leave();
  });

  const view = createDetectorView({
    settings: () => live.settings,
    past: events.past,
    processes: () => processes.list(),
    slot,
    canaries,
    store: models.store,
    isTraining: () => training.isRunning(),
    now: events.now,
    mutes: events.mutes,
    labels: labelWriter,
    onLabelled: () => void labels?.refresh(),
    changes: models,
    trials,
  });

  const process = createPipeline({
    detectorName: name,
    decode: recordDecoder.decode,
    states,
    stale: { duplicate: settings.record.duplicates, out_of_order: settings.record.outOfOrder },
    limits: createLimitCheck(settings.record.channels, settings.record.signals),
    current: () => slot.current()!,
    explanations: createExplanationRule(explanationBudget),
    witness: trials.following(events.witness),
    sinks,
    metrics,
    now: () => clockWatch.latest(),
    onDrift: () => training.reportDrift(slot.current()!),
    onScored(...scored) {
      canaries.observe(...scored);
      trials.observe(...scored);
    },
    onWritten: (outcome) => records.observe(outcome),
    onBroken: (error) => broken.abort(error),
  });

  async function run(): Promise<void> {
    await models.obtainFirst();
    if (stopping.signal.aborted) return;
    readiness.running();
    metrics.ready(() => readiness.report().ready);
    await trials.refresh();
    training.startSchedule();
    void models.endColdStart();
    if (role === 'train') await aborted(stopping.signal);
    else {
      await labels?.refresh();
      const delivery = source.run(
        createDelivery(process, slot, readiness, clock, () => trials.betweenBatches()),
      );
      await Promise.race([delivery, aborted(broken.signal).then((error) => Promise.reject(error as Error))]);
      clock.end();
    }
  }

  const finished = run();
  // `finished` reports the error, possibly before it is awaited.
  finished.catch(() => undefined);

  return {
    name,
    readiness: () => readiness.report(),
    view,
    /**
     * Checks other settings, which differ in keys that are reloaded alone.
     * @returns takes them into force, from the next batch on; call it at once
     * @throws Error if the model in use cannot decide by them
     */
    reload(next: DetectorParts['settings'], nextDaemon: DetectorParts['daemon']): () => void {
      const reloadModels = models.reload(next);
      return () => {
        Object.assign(live, { settings: next, daemon: nextDaemon });
        reloadModels();
        reloadSinks(next.sinks);
      };
    },
    /** Resolves when the source has ended; rejects on an error that the detector cannot recover from. */
    finished,
    /** Stops fetching, finishes and acknowledges the batch in progress, and releases everything. */
    async stop(): Promise<void> {
      stopping.abort();
      readiness.stopping();
      metrics.ready(false);
      clock.end();
      await cleanup.release();
      await finished.catch(() => undefined);
      records.flush();
      slot.empty();
      await saveQuarantine();
    },
  };
}
