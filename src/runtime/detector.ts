/** Composition of one detector: from its source through the pipeline to its sinks, with the model in use. */
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import { createExplanationRule } from '../domain/explanations';
import { createLimitCheck } from '../domain/signal';
import type { Logger } from '../logger';
import type { Metrics } from '../metrics/metrics';
import type { OpenSession } from '../onnx/session';
import { createPipeline } from '../pipeline/pipeline';
import { createRecordDecoder } from '../pipeline/record-decoder';
import { decodeBundle } from '../scoring/bundle';
import type { ReplaySummary } from '../sinks/summary';
import { configuredSource, type ConfiguredSource } from '../sources/sources';
import { aborted } from './aborted';
import { createCleanup } from './cleanup';
import { createRecordClock, wallClock, type Clock } from './clock';
import { createSinks, createSource, createSummary } from './connectors';
import { createDelivery } from './delivery';
import { createModelLifecycle } from './model-lifecycle';
import { closeEvents, createDetectorStates } from './partition-states';
import { openQuarantine, quarantinePath } from './quarantine';
import { createReadiness, type ReadinessReport } from './readiness';
import type { TrainingOutcome } from './retrainer';
import type { TrainingProgress } from './training-message';
import type { RunTraining } from './training-run';

/** What the console shows. */
export interface DetectorObserver {
  trainingProgress(detector: string, progress: TrainingProgress): void;
  trainingEnded(detector: string, outcome: TrainingOutcome): void;
  /** A file has been read to its end; the first pass is 1. */
  passEnded(detector: string, pass: number, summary: ReplaySummary | undefined): void;
}

export interface DetectorParts {
  settings: DetectorSettings;
  role: DaemonSettings['role'];
  storePath: string;
  /** Interval at which the store is read, ms. */
  pollIntervalMs: number;
  /** Silence after which the process that trains counts as dead, ms. */
  leaseTimeoutMs: number;
  metrics: Metrics;
  /** Adds the detector to each line. */
  log: Logger;
  runTraining: RunTraining;
  /** Opens the graphs that score; undefined where tfjs scores. */
  openSession?: OpenSession | undefined;
  observer: DetectorObserver;
  shutdownTimeoutMs: number;
}

export interface RunningDetector {
  name: string;
  readiness(): ReadinessReport;
  /** Resolves when the source has ended; rejects on an error that the detector cannot recover from. */
  finished: Promise<void>;
  /** Stops fetching, finishes and acknowledges the batch in progress, and releases everything. */
  stop(): Promise<void>;
}

/** A twentieth of the time, about ten explanations at once: scoring keeps up even if a whole fleet fails. */
const explanationBudget = { share: 0.05, burstMs: 100 };

/** On the record clock: time from the start of a training to the use of its model, s. */
const trainingSeconds = 10;

function createClock({ replayRate }: ConfiguredSource): Clock {
  return replayRate === undefined ? wallClock : createRecordClock(Math.ceil(replayRate * trainingSeconds));
}

export async function startDetector(parts: DetectorParts): Promise<RunningDetector> {
  const { settings, role, storePath, shutdownTimeoutMs, observer, log } = parts;
  const { detector: name } = settings;
  const from = configuredSource(settings.source);
  const cleanup = createCleanup();
  const stopping = new AbortController();
  const broken = new AbortController();
  const clock = createClock(from);
  const recordDecoder = createRecordDecoder(settings);

  const quarantineFile = quarantinePath(storePath, name);
  const quarantine = await openQuarantine(quarantineFile, settings.training.quarantineMs);
  const saveQuarantine = (): Promise<void> => quarantine.save(states.openEvents());
  const summary = await createSummary(settings);
  const { sinks, committer } = await createSinks({
    settings,
    quarantine,
    summary,
    onTransaction: (result) => metrics.transaction(result),
    log,
  });
  for (const sink of sinks) cleanup.add(`sink ${sink.name}`, () => sink.close());

  const metrics = parts.metrics.forDetector(name, {
    topics: [from.topic],
    sinks: sinks.map((sink) => sink.name),
  });

  const states = createDetectorStates(settings, storePath, recordDecoder, metrics, log);
  const closeOpenEvents = (): Promise<void> => closeEvents(states, sinks, metrics);
  // The next consumer of a topic continues its events; those of a file end with it.
  if (from.bounded)
    cleanup.add('events', () =>
      closeOpenEvents().catch((err: unknown) => log.warn('open events could not be closed', { err })),
    );

  const source = await createSource({
    source: from,
    metrics,
    states,
    committer,
    shutdownTimeoutMs,
    async onPassEnd(pass) {
      await closeOpenEvents();
      observer.passEnded(name, pass, summary?.take());
    },
    log,
  });
  const readiness = createReadiness(role, () => source.ready());

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
    onTrainingEnd: (outcome) => observer.trainingEnded(name, outcome),
    stopping: stopping.signal,
  });
  const { slot, training } = models;
  cleanup.add('models', () => models.stop());
  cleanup.add('source', () => source.stop());

  const process = createPipeline({
    detectorName: name,
    decode: recordDecoder.decode,
    states,
    stale: { duplicate: settings.record.duplicates, out_of_order: settings.record.outOfOrder },
    limits: createLimitCheck(settings.record.channels, settings.record.signals),
    current: () => slot.current()!,
    explanations: createExplanationRule(explanationBudget),
    sinks,
    metrics,
    now: Date.now,
    onDrift: () => training.reportDrift(slot.current()!),
    onBroken: (error) => broken.abort(error),
  });

  async function run(): Promise<void> {
    await models.obtainFirst();
    if (stopping.signal.aborted) return;
    readiness.running();
    metrics.ready(() => readiness.report().ready);
    training.startSchedule();
    if (role === 'train') await aborted(stopping.signal);
    else {
      const delivery = source.run(createDelivery({ process, slot, readiness, clock }));
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
    finished,
    async stop() {
      stopping.abort();
      readiness.stopping();
      metrics.ready(false);
      clock.end();
      await cleanup.release();
      await finished.catch(() => undefined);
      slot.empty();
      await saveQuarantine();
    },
  };
}
