/** Composition of one detector: from its source through the pipeline to its sinks, with the model in use. */
import { createExplanationRule } from '../domain/explanations';
import type { Label } from '../domain/label';
import { createLimitCheck } from '../domain/signal';
import type { PastEvent } from '../past/event-records';
import { openMutes } from '../past/mutes';
import { openPast } from '../past/past';
import type { DetectorMetrics, Metrics } from '../metrics/metrics';
import type { OpenSession } from '../onnx/session';
import { createPipeline } from '../pipeline/pipeline';
import { createRecordDecoder } from '../pipeline/record-decoder';
import { decodeBundle } from '../scoring/bundle';
import type { QuarantineBook } from '../sinks/quarantine';
import type { ReplaySummary } from '../sinks/summary';
import { configuredSource } from '../sources/configured';
import type { SinkContext } from '../sinks/spec';
import { createOffsetStore } from '../state/offsets';
import { aborted } from '../system/pause';
import { createCanaryWatch } from './canary-watch';
import { Cleanup } from './cleanup';
import { createRecordClock, wallClock } from './clock';
import { countNotifications, createSinks, createSource, createSummary } from './connectors';
import { createDelivery } from './delivery';
import { createDetectorView } from './detector-view';
import { createLabelWriter } from './label-writer';
import { createRecordRate } from './record-rate';
import { createScoreWatch } from './score-watch';
import { watchLabels } from './labels';
import { createModelLifecycle, type ModelLifecycleOptions } from './model-lifecycle';
import { closeEvents, createDetectorStates } from './partition-states';
import { Quarantine, quarantinePath } from './quarantine';
import { Readiness } from './readiness';
import { createRecordReports } from './record-reports';
import type { TrainingOutcome } from './retrainer';
import { exposedSecrets } from './exposed-secrets';
import { createClockWatch } from './clock-watch';
import { unmutedEvents } from './unmuted-events';
import { Poll } from './poll';
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
  /** Called with each event that is reported or labelled. */
  onEvent: (past: PastEvent) => void;
}

export type RunningDetector = Awaited<ReturnType<typeof startDetector>>;

/** A twentieth of the time, about ten explanations at once: scoring keeps up even if a whole fleet fails. */
const explanationBudget = { share: 0.05, burstMs: 100 };

/** Interval at which the system clock is compared with the time that has passed, ms, and the difference that is reported. */
const clockCheckMs = 5_000;
const clockJumpMs = 5_000;

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
  const { role, store, shutdownTimeoutMs, metrics: listing } = daemon;
  const { detector: name } = settings;
  const from = configuredSource(settings.source);
  const stopping = new AbortController();
  const broken = new AbortController();
  const { replayRate } = from;
  const clock =
    replayRate === undefined ? wallClock : createRecordClock(Math.ceil(replayRate * trainingSeconds));
  const clockWatch = createClockWatch();
  for (const key of exposedSecrets(settings))
    log.warn('a secret is sent unencrypted: the URL begins with http://', { key });
  const recordDecoder = createRecordDecoder(settings, undefined, undefined, log.info);

  const quarantineFile = quarantinePath(store.path, name);
  const quarantine = await Quarantine.open(quarantineFile, settings.training.quarantineMs, (err) =>
    log.error('quarantine is unreadable: the next trainings learn from earlier events; a copy is kept', {
      copy: `${quarantineFile}.damaged`,
      err,
    }),
  );
  // What a cold start has not seen yet is no anomaly: the configured model has to learn from it.
  const events: QuarantineBook = {
    add: (...interval) => {
      if (!models.slot.isColdStart()) quarantine.add(...interval);
    },
  };
  const saveQuarantine = (): Promise<void> =>
    quarantine.save(models.slot.isColdStart() ? [] : states.currentEvents());
  const summary = await createSummary(settings);
  // Sinks for people are at work before the detector is.
  const started: { openEvents?: SinkContext['openEvents']; metrics?: DetectorMetrics } = {};
  const { sinks, committer } = await createSinks(settings, events, summary, {
    onTransaction: (result) => metrics.transaction(result),
    openEvents: (limit) => started.openEvents?.(limit) ?? [],
    notifications: countNotifications(() => started.metrics?.notifications),
    log,
  });
  for (const sink of sinks) cleanup.add(`sink ${sink.name}`, () => sink.close());

  const metrics = parts.metrics.forDetector(name, {
    topics: [from.topic],
    sinks: sinks.map((sink) => sink.name),
    notifiers: sinks.filter(({ notifies }) => notifies === true).map((sink) => sink.name),
  });

  // Before labels are read: it creates a file that does not exist.
  const labelWriter = daemon.api.tokenFile === '' ? undefined : await createLabelWriter(settings, log);
  const labels = watchLabels(settings, store.pollIntervalMs, log);
  if (labels !== undefined) cleanup.add('labels', () => labels.stop());
  const knownLabels = (): readonly Label[] => labels?.current() ?? [];
  const states = createDetectorStates(settings, store.path, recordDecoder, metrics, log, knownLabels);
  const past = await openPast({
    directory: store.path,
    detector: name,
    settings: settings.past,
    events: settings.events,
    continues: !from.bounded,
    log,
  });
  past.subscribe(parts.onEvent);
  cleanup.add('past', () => past.stop());
  const now = (): number => (replayRate === undefined ? Date.now() : past.newest());
  const reported = (id: string) => past.event(id)?.event;
  const mutes = await openMutes({ directory: store.path, detector: name, now, reported, log });
  const mutePoll = new Poll(store.pollIntervalMs, mutes.refresh);
  cleanup.add('mutes', () => mutePoll.stop());
  /** The open events that people are alarmed by. */
  const openEvents = unmutedEvents((limit) => states.openEvents(limit), mutes);
  Object.assign(started, { openEvents, metrics });
  metrics.openEvents.from(() => {
    const listed = openEvents(listing.openEvents);
    // A list that is not full has all of them.
    const isWhole = listed.length < listing.openEvents;
    return { listed, others: isWhole ? 0 : states.open - listed.length };
  });
  cleanup.add('open events', () => metrics.openEvents.from(() => ({ listed: [], others: 0 })));
  const keysWithWindow = (): number => states.partitions.reduce((sum, { windows }) => sum + windows.size, 0);
  const scoreWatch = createScoreWatch(recordDecoder.shape.length, keysWithWindow, Date.now);
  const reports = createRecordReports({ maxKeys: settings.window.maxKeys, scoreWatch, log, now: Date.now });
  const closeOpenEvents = (): Promise<void> => {
    const marked = { closeEvents: () => [...mutes.mark(states.closeEvents())] };
    return closeEvents(marked, [...sinks, past.sink], metrics);
  };
  // The next consumer of a topic continues its events; those of a file end with it.
  if (from.bounded)
    cleanup.add('events', () =>
      closeOpenEvents().catch((err: unknown) => log.warn('open events could not be closed', { err })),
    );

  const source = await createSource(from, metrics, states, {
    channels: settings.record.channels,
    timestampUnit: settings.fields.timestampUnit,
    timeZone: settings.fields.timeZone,
    committer,
    offsets: createOffsetStore({ directory: store.path, detector: name, topic: from.topic }),
    shutdownTimeoutMs,
    async onPassEnd(pass) {
      await closeOpenEvents();
      reports.flush();
      observer.passEnded(name, pass, summary?.take());
    },
    log,
  });
  const clockPoll = new Poll(clockCheckMs, () => {
    const jumpMs = clockWatch.jump();
    if (Math.abs(jumpMs) >= clockJumpMs) {
      metrics.clockJumped();
      log.warn('the system clock jumped', { seconds: Math.round(jumpMs / 1000) });
    }
    return Promise.resolve();
  });
  cleanup.add('clock check', () => clockPoll.stop());
  const readiness = new Readiness(
    role,
    () => source.ready(),
    () => scoreWatch.problem(),
    () => models.slot.isColdStart(),
  );

  const models = createModelLifecycle({
    ...parts,
    quarantinePath: quarantineFile,
    saveQuarantine,
    clock,
    fileRecords: () => source.position?.(),
    decode: (version, files) => decodeBundle(version, files, recordDecoder.table, parts.openSession),
    readiness,
    metrics,
    onProgress(progress) {
      readiness.training(progress);
      observer.trainingProgress(name, progress);
    },
    onHistory: ({ records, rejected }) => metrics.trainingHistory(records, rejected),
    onTrainingEnd: (outcome) => observer.trainingEnded(name, outcome),
    stopping: stopping.signal,
  });
  const { slot, training } = models;
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

  const rate = createRecordRate(() => performance.now());
  const view = createDetectorView({
    settings,
    past,
    states,
    slot,
    canaries,
    store: models.store,
    isTraining: () => training.isRunning(),
    recordsPerSecond: () => rate.perSecond(),
    now,
    mutes,
    labels: labelWriter,
    onLabelled: () => void labels?.refresh(),
    changes: models,
  });

  const observers = sinks.filter(({ observe }) => observe !== undefined);
  const process = createPipeline({
    detectorName: name,
    decode: recordDecoder.decode,
    states,
    stale: { duplicate: settings.record.duplicates, out_of_order: settings.record.outOfOrder },
    limits: createLimitCheck(settings.record.channels, settings.record.signals),
    current: () => slot.current()!,
    explanations: createExplanationRule(explanationBudget),
    witness: {
      observe(...record) {
        past.observe(...record);
        for (const sink of observers) sink.observe?.(...record);
      },
      report(reportedEvents, channels) {
        const marked = mutes.mark(reportedEvents);
        past.report(marked, channels);
        return marked;
      },
    },
    sinks,
    metrics,
    now: () => clockWatch.latest(),
    onDrift: () => training.reportDrift(slot.current()!),
    onScored: (...scored) => canaries.observe(...scored),
    onWritten(outcome) {
      rate.add(outcome.counts.consumed - outcome.counts.warmUps);
      scoreWatch.observe(outcome);
      reports.observe(outcome);
      metrics.openEvents.ended(outcome.events);
      metrics.scoresNothing(scoreWatch.problem() !== undefined);
    },
    onBroken: (error) => broken.abort(error),
  });

  async function run(): Promise<void> {
    await models.obtainFirst();
    if (stopping.signal.aborted) return;
    readiness.running();
    metrics.ready(() => readiness.report().ready);
    training.startSchedule();
    void models.endColdStart();
    if (role === 'train') await aborted(stopping.signal);
    else {
      await labels?.refresh();
      const delivery = source.run(createDelivery(process, slot, readiness, clock));
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
      reports.flush();
      slot.empty();
      await saveQuarantine();
    },
  };
}
