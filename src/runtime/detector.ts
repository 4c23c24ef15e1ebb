/** Composition of one detector: source, pipeline and sinks, with the model in use. */
import { createExplanationRule } from '../domain/explanations';
import { createLimitCheck } from '../domain/signal';
import type { PastEvent } from '../past/past-event';
import type { Metrics } from '../metrics/metrics';
import { createPipeline } from '../pipeline/pipeline';
import { createRecordDecoder } from '../pipeline/record-decoder';
import type { ReplaySummary } from '../sinks/summary';
import { configuredSource } from '../sources/configured';
import { Cleanup } from './cleanup';
import { createClock } from './clock';
import { createDelivery } from './delivery';
import { runDetector } from './detector-run';
import { createDetectorSinks } from './detector-sinks';
import { createDetectorSource } from './detector-source';
import { createDetectorView } from './detector-view';
import { openLabels } from './labels';
import { createModelLifecycle, type ModelLifecycleOptions, type TrainingsObserver } from './model-lifecycle';
import { createDetectorStates } from './partition-states';
import { openQuarantine, quarantinePath } from './quarantine';
import { Readiness } from './readiness';
import { createRecordWatch } from './record-watch';
import { openReportedEvents } from './reported-events';
import { joinProcesses } from './fleet';
import { exposedSecrets } from './exposed-secrets';
import { watchClock } from './clock-watch';

/** Callbacks for the console output of `vaemon run`. */
export interface DetectorObserver extends TrainingsObserver {
  /** Called at the end of each pass over a file; the first pass is 1. */
  passEnded(detector: string, pass: number, summary: ReplaySummary | undefined): void;
}

export interface DetectorParts extends Pick<
  ModelLifecycleOptions,
  'settings' | 'daemon' | 'runTraining' | 'openSession' | 'audit' | 'log'
> {
  metrics: Metrics;
  observer: DetectorObserver;
  /** Called with each event that is reported or labelled. */
  onEvent: (past: PastEvent) => void;
}

/** A twentieth of the time, and about ten explanations at once: scoring keeps up even if a whole fleet fails. */
const explanationBudget = { share: 0.05, burstMs: 100 };

/** Starts a detector. If the start fails, everything opened so far is released. */
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
  const { detector: name, record } = settings;
  const { role, store } = daemon;
  /** Settings in force, for keys that can be reloaded. */
  const live = { settings, daemon };
  const stopping = new AbortController();
  const broken = new AbortController();
  const from = configuredSource(settings.source);
  const clock = createClock(from.replayRate);
  const decoder = createRecordDecoder(settings, { log: log.info });
  for (const key of exposedSecrets(settings))
    log.warn('a secret is sent unencrypted: the URL begins with http://', { key });

  const quarantine = await openQuarantine(
    quarantinePath(store.path, name),
    settings.training.quarantineMs,
    () => models.slot.isColdStart(),
    log,
  );
  const { sinks, metrics, ...outputs } = await createDetectorSinks(
    { settings, source: from, directory: store.path, quarantine, metrics: parts.metrics, log },
    cleanup,
  );

  const labels = cleanup.own('labels', await openLabels(settings, daemon, log));
  const states = createDetectorStates(settings, store.path, decoder, metrics, log, labels.current);
  const events = await openReportedEvents({
    settings: () => live.settings,
    daemon: () => live.daemon,
    source: from,
    states,
    sinks,
    metrics,
    onEvent: parts.onEvent,
    log,
  });
  outputs.surroundings.events = cleanup.own('events', events);
  const records = createRecordWatch(settings, decoder.shape.length, states, metrics, log);
  const clockWatch = cleanup.own('clock watch', watchClock(metrics, log));

  const source = await createDetectorSource(from, {
    settings,
    daemon,
    metrics,
    states,
    committer: outputs.committer,
    async onPassEnd(pass) {
      await events.closeAll();
      records.flush();
      observer.passEnded(name, pass, outputs.summary?.take());
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
    decoder,
    labels: labels.current,
    readiness,
    metrics,
    stopping: stopping.signal,
  });
  const { slot, training, trials } = cleanup.own('models', models);
  cleanup.own('source', source);

  const processes = cleanup.own('processes', joinProcesses(name, store, states, records, slot, log));
  outputs.surroundings.processes = processes;
  const view = createDetectorView({ settings: () => live.settings, events, processes, models, labels });

  const process = createPipeline({
    detectorName: name,
    decode: decoder.decode,
    states,
    stale: { duplicate: record.duplicates, out_of_order: record.outOfOrder },
    limits: createLimitCheck(record.channels, record.signals),
    current: () => slot.current()!,
    followStore: models.followStore,
    explanations: createExplanationRule(explanationBudget),
    witness: trials.following(events.witness),
    sinks,
    metrics,
    now: () => clockWatch.latest(),
    onDrift: () => training.reportDrift(slot.current()!),
    onScored: models.observe,
    onWritten: (outcome) => records.observe(outcome),
    onBroken: (error) => broken.abort(error),
  });
  const handle = createDelivery(process, slot, readiness, clock, () => trials.betweenBatches());

  const finished = runDetector({
    role,
    models,
    labels,
    readiness,
    metrics,
    clock,
    deliver: () => source.run(handle),
    stopping: stopping.signal,
    broken: broken.signal,
  });
  // The caller reads the error from `finished`, possibly after it has rejected.
  finished.catch(() => undefined);

  return {
    name,
    readiness: () => readiness.report(),
    view,
    /**
     * Checks settings that differ only in keys that can be reloaded.
     * @returns a function that applies the settings from the next batch on; call it in the same turn of the event loop
     * @throws Error if the model in use cannot decide by the settings
     */
    reload(next: DetectorParts['settings'], nextDaemon: DetectorParts['daemon']): () => void {
      const reloadModels = models.reload(next);
      return () => {
        Object.assign(live, { settings: next, daemon: nextDaemon });
        reloadModels();
        outputs.reload(next.sinks);
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
