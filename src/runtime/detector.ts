/** One detector at work: gets a model, then lets its source deliver through the pipeline, and retrains beside it. */
import { createDriftWatch, type DriftWatch } from '../calibration/drift';
import { alarmThreshold, targetRatio } from '../calibration/threshold';
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import { createExplanationRule } from '../domain/explanations';
import { createLimitCheck } from '../domain/signal';
import { ModelVersionError, TrainingError } from '../errors';
import { createStates, createSinks, createSource, createSummary } from './detector-parts';
import { createRecordDecoder } from '../pipeline/record-decoder';
import { settingsFingerprint } from '../config/fingerprint';
import { createLeaseHolder } from './lease-holder';
import { openQuarantine, quarantinePath } from './quarantine';
import { createReplayClock } from './replay-clock';
import { createRetrainer, type TrainingOutcome, type TrainingTrigger } from './retrainer';
import { createSchedule, type Schedule } from './schedule';
import type { TrainingProgress } from './training-message';
import { createTrainingRequests } from './training-request';
import { watchVersions } from './version-watch';
import type { Logger } from '../logger';
import type { PartitionStates } from '../state/partition';
import type { DetectorMetrics, Metrics } from '../metrics/metrics';
import { createPipeline, type ActiveDetector } from '../pipeline/pipeline';
import type { OpenSession } from '../onnx/session';
import { createCleanup } from './cleanup';
import { decodeBundle } from '../scoring/bundle';
import type { Detector } from '../scoring/detector';
import type { Sink } from '../sinks/sink';
import type { ReplaySummary } from '../sinks/summary';
import { errorChain, messageOf } from '../system/error-text';
import { backOffMs } from '../system/pause';
import type { Batch, HandleBatch } from '../sources/source';
import { createModelStore } from '../store/model-store';
import { versionCreatedAt } from '../store/version-name';
import { createRandom } from '../tensor';

/** What a person at a terminal may want to follow. */
export interface DetectorObserver {
  trainingProgress(detector: string, progress: TrainingProgress): void;
  trainingEnded(detector: string, outcome: TrainingOutcome): void;
  /** A finite source has been through its records once more. */
  passEnded(detector: string, pass: number, summary: ReplaySummary | undefined): void;
}

/** What a training needs to know of the daemon that asks for it. */
export interface TrainingRequest {
  /** File with the stretches to leave out. */
  quarantinePath: string;
  /** Token of the lease by which the version is published. */
  lease: number;
  /** Records of a file source that have been delivered so far; undefined for a source that keeps its own time. */
  fileRecords: number | undefined;
}

export type RunTraining = (
  request: TrainingRequest,
  onProgress: (progress: TrainingProgress) => void,
  signal: AbortSignal,
) => Promise<string>;

export interface RuntimeParts {
  settings: DetectorSettings;
  role: DaemonSettings['role'];
  storePath: string;
  /** How often the store is asked for another version, ms. */
  pollIntervalMs: number;
  /** Silence after which whoever trains is taken for dead, ms. */
  leaseTimeoutMs: number;
  metrics: Metrics;
  log: Logger;
  runTraining: RunTraining;
  /** Opens the graphs that score, where there is something to run them. */
  openSession?: OpenSession | undefined;
  observer: DetectorObserver;
  shutdownTimeoutMs: number;
  /** Unix ms. */
  now?: () => number;
  /** Longest wait between two tries to get a first model, ms. */
  maxRetryMs?: number;
}

export interface RunningDetector {
  name: string;
  readiness(): { ready: boolean; reason: string };
  /** Settles when the source has ended by itself, or on an error that nothing can be done about. */
  finished: Promise<void>;
  /** Stops fetching, lets the batch under way reach its sinks, acknowledges it, and lets go of everything. */
  stop(): Promise<void>;
}

/** A twentieth of the time, some ten explanations at once: when a whole fleet fails its records are still scored in time. */
const explanationBudget = { share: 0.05, burstMs: 100 };

/** Of a replay that keeps the time of its records: from the beginning of a training to its use. */
const replayedTrainingSeconds = 10;

export async function startDetector(parts: RuntimeParts): Promise<RunningDetector> {
  const { settings, role, storePath, log, observer, now = Date.now, maxRetryMs = 30_000 } = parts;
  const name = settings.detector;
  const recordDecoder = createRecordDecoder(settings);
  const releasers = createCleanup();
  const quarantineFile = quarantinePath(storePath, name);
  const quarantine = await openQuarantine(quarantineFile, settings.training.quarantineMs);
  const leaseHolder = createLeaseHolder({
    directory: storePath,
    detector: name,
    timeoutMs: parts.leaseTimeoutMs,
    log,
    onChange: (held) => metrics.leaseHeld(held),
  });
  const store = createModelStore({ directory: storePath, detector: name, lease: () => leaseHolder.folder() });
  const requests = createTrainingRequests(storePath, name);
  let active: ActiveDetector | undefined;
  let stopping = false;
  /** A call, so that the compiler does not take the value from before an await for the one after it. */
  const isStopping = (): boolean => stopping;
  let status = 'starting';
  /** Why the newest batch was not taken; it comes again until it is. */
  let refused: string | undefined;

  const summary = await createSummary(settings);
  const { sinks, committer } = createSinks(parts, quarantine, summary, (result) =>
    metrics.transaction(result),
  );
  const metrics = parts.metrics.forDetector(name, {
    topics: [settings.source.kind === 'kafka' ? settings.source.kafka.topic : settings.source.file.path],
    sinks: sinks.map((sink) => sink.name),
  });
  releasers.add('lease', () => leaseHolder.release());
  for (const sink of sinks) releasers.add(`sink ${sink.name}`, () => sink.close());
  const states = createStates(parts, recordDecoder, metrics);
  // Whoever goes on with the records of a topic goes on with its events; those of a file end with it.
  if (settings.source.kind === 'file')
    releasers.add('events', () =>
      closeEvents(states, sinks, metrics).catch((err: unknown) => {
        log.warn('open events could not be reported as closed', { detector: name, err });
      }),
    );

  const source = createSource(parts, {
    metrics,
    states,
    committer,
    async onPassEnd(pass) {
      await closeEvents(states, sinks, metrics);
      observer.passEnded(name, pass, summary?.take());
    },
  });

  const from = settings.source;
  const replay =
    from.kind === 'file' && from.file.clock === 'records'
      ? createReplayClock(Math.ceil(from.file.rate * replayedTrainingSeconds))
      : undefined;

  const retrainer = createRetrainer<ActiveDetector>({
    detector: name,
    store,
    log,
    timeoutMs: settings.training.timeoutMs,
    keepVersions: settings.training.keepVersions,
    keepForMs: settings.training.keepForMs,
    observer: metrics,
    async runTraining(signal) {
      const lease = await leaseHolder.acquire();
      await saveQuarantine().catch((cause: unknown) => {
        // Without it the training would learn from what has just been called anomalous.
        throw new TrainingError('store', `cannot write ${quarantineFile}: ${messageOf(cause)}`, { cause });
      });
      const request = {
        quarantinePath: quarantineFile,
        lease: lease.token,
        fileRecords: source.position?.(),
      };
      // Written now, so that whoever wants it waits from now on.
      await lease.renew();
      replay?.begun();
      const either = eitherOf(signal, lease.lost);
      try {
        return await parts.runTraining(request, reportProgress, either.signal);
      } catch (cause) {
        throw lease.lost.aborted
          ? new TrainingError('lease', messageOf(lease.lost.reason), { cause })
          : cause;
      } finally {
        either.release();
      }
    },
    load: loadVersion,
    async onSwap(next, version) {
      await replay?.due();
      use(next, version);
    },
  });
  releasers.add('retrainer', () => retrainer.stop());
  releasers.add('source', () => source.stop());

  async function saveQuarantine(): Promise<void> {
    for (const event of states.openEvents()) quarantine.add(event.key, event.start, event.end);
    await quarantine.save();
  }

  function reportProgress(progress: TrainingProgress): void {
    if (active === undefined) {
      status = `training the first model (epoch ${progress.epoch} of at most ${progress.epochs})`;
    }
    observer.trainingProgress(name, progress);
  }

  async function loadVersion(version: string): Promise<ActiveDetector> {
    try {
      const { files } = await store.read(version);
      const detector = await decodeBundle(version, files, recordDecoder.table, parts.openSession);
      if (detector.state.settingsFingerprint !== settingsFingerprint(settings)) {
        detector.dispose();
        throw new ModelVersionError(
          version,
          'schema',
          'it was trained for other channels, conditions, window or model settings; train a new one',
        );
      }
      return activate(detector);
    } catch (error) {
      if (error instanceof ModelVersionError) metrics.modelLoadFailed(error.reason);
      throw error;
    }
  }

  function activate(detector: Detector): ActiveDetector {
    const { ratio, surprise, extrapolated } = alarmThreshold(
      settings.calibration.falseAlarmTarget,
      detector.state,
    );
    if (extrapolated) {
      // Said aloud: the alarm threshold then rests on the fitted tail, not on records that were seen.
      log.warn('false-alarm target lies beyond the calibration records', {
        detector: name,
        target: ratio,
        calibrated: detector.state.calibration.combined.scores.length,
        independent: Math.round(detector.state.calibration.effectiveSize),
      });
    }
    const { channels, scaler } = detector.state;
    const unseen = channels.filter((_, i) => scaler.count[i] === 0);
    if (unseen.length > 0)
      log.warn('channels without a value in training are not judged', { detector: name, channels: unseen });
    metrics.falseAlarmTarget(ratio);
    return {
      detector,
      threshold: surprise,
      drift: watchDrift(settings, detector),
    };
  }

  /** The active version for which drift has been called, and when a training was last started for that. */
  let drifted: ActiveDetector | undefined;
  let driftTrainingAt = -Infinity;

  function reportDrift(): void {
    if (drifted !== active) {
      drifted = active;
      metrics.driftStarted();
      log.warn('normal has moved since the model was calibrated', {
        detector: name,
        version: active?.detector.version,
        training: settings.training.onDrift,
      });
    }
    if (!settings.training.onDrift || retrainer.running()) return;
    const time = replay === undefined ? now() : replay.timers.now();
    if (time - driftTrainingAt < settings.training.onDriftAfterMs) return;
    driftTrainingAt = time;
    const version = active?.detector.version;
    if (role === 'score') askForTraining(version);
    else trainForDrift(version);
  }

  async function retrain(trigger: TrainingTrigger): Promise<TrainingOutcome> {
    const isFirst = !retrainer.running();
    const outcome = retrainer.train(trigger);
    if (isFirst) replay?.follow(outcome);
    observer.trainingEnded(name, await outcome);
    return outcome;
  }

  let schedule: Schedule | undefined;

  function startSchedule(): void {
    const { schedule: cron, timeZone, jitterMs } = settings.training;
    schedule = createSchedule({
      cron,
      timeZone,
      jitterMs: replay === undefined ? jitterMs : 0,
      random: Math.random,
      onDue: async () => {
        await retrain('schedule');
      },
      onSkipped: () =>
        log.warn('scheduled training skipped: the last one is still under way', { detector: name }),
      onError: (err) => log.error('scheduled training could not be started', { detector: name, err }),
      ...(replay && { timers: replay.timers }),
    });
  }

  function trainForDrift(version: string | undefined): void {
    void retrain('drift').then((outcome) => {
      // Whoever trains may not have seen what was seen here.
      if (outcome.result === 'failed' && outcome.reason === 'lease') askForTraining(version);
    });
  }

  function askForTraining(version: string | undefined): void {
    if (version === undefined) return;
    requests.ask(version).catch((err: unknown) => {
      log.warn('a training could not be asked for', { detector: name, err });
    });
  }

  /** Others see that normal has moved, and ask; what they ask for may have come about meanwhile. */
  async function answerRequests(): Promise<void> {
    const version = await requests.take();
    if (version === undefined || version !== (await store.current()) || retrainer.running()) return;
    log.info('training asked for by a process that scores', { detector: name, version });
    trainForDrift(version);
  }

  /** What processes that share a store have to tell each other, now and then. */
  async function exchange(): Promise<void> {
    try {
      // The quarantine of a process that scores is read by the one that trains.
      if (role !== 'train') await saveQuarantine();
      // Who is there for nothing else takes over as soon as nobody else trains.
      if (role === 'train' && !leaseHolder.isHeld()) await leaseHolder.acquire().catch(() => undefined);
      if (leaseHolder.isHeld() && settings.training.onDrift) await answerRequests();
    } catch (err) {
      log.warn('nothing could be exchanged with other processes over the store', { detector: name, err });
    }
  }

  let underWay: Promise<void> | undefined;

  /** From the next batch on; the one under way ends with the version that it has begun with. */
  function use(next: ActiveDetector, version: string): void {
    const old = active?.detector;
    active = next;
    void (underWay ?? Promise.resolve()).catch(() => undefined).then(() => old?.dispose());
    metrics.modelLoaded(version, Date.parse(versionCreatedAt(version)));
  }

  /** The current version, or the newest older one that can be used. */
  async function loadStored(): Promise<boolean> {
    const current = await store.current().catch((err: unknown) => {
      log.error('pointer to the current model version could not be read', { detector: name, err });
      return undefined;
    });
    const versions = (await store.list()).map(({ version }) => version);
    const candidates = [
      ...(current === undefined ? [] : [current]),
      ...versions.filter((v) => v !== current),
    ];
    for (const version of candidates) {
      try {
        use(await loadVersion(version), version);
        log.info('model loaded', { detector: name, version });
        // The pointer is moved by who trains.
        if (version !== current && role !== 'score') await store.setCurrent(version);
        return true;
      } catch (err) {
        log.error('model version cannot be used', { detector: name, version, err });
      }
    }
    return false;
  }

  /** Where others train their versions come by the watch. */
  async function awaitModel(): Promise<void> {
    if (await loadStored()) return;
    log.warn('no model yet: waiting for the process that trains', { detector: name });
    while (active === undefined && !isStopping()) {
      status = 'no model yet: waiting for the process that trains';
      await pause(maxRetryMs);
    }
  }

  async function obtainModel(): Promise<void> {
    if (role === 'score') return awaitModel();
    if (settings.training.atStart === 'if-missing' && (await loadStored())) return;
    for (let attempt = 0; !isStopping() && (active === undefined || attempt === 0); attempt++) {
      status = 'training the first model';
      const outcome = await retrainer.train('start');
      observer.trainingEnded(name, outcome);
      if (outcome.result === 'swapped' || isStopping()) return;
      const leftToOthers = outcome.result === 'failed' && outcome.reason === 'lease';
      if ((leftToOthers || settings.training.atStart === 'always') && (await loadStored())) return;
      const reason = outcome.result === 'failed' ? messageOf(outcome.error) : outcome.because;
      // A file will not grow by waiting; a topic does.
      if (settings.source.kind === 'file') throw new Error(`detector "${name}" has no model: ${reason}`);
      status = `no model yet: ${reason}`;
      const waitMs = Math.round(backOffMs(attempt, maxRetryMs));
      log.warn('no model yet, will try again', { detector: name, reason, waitMs });
      await pause(waitMs);
    }
  }

  let wake: (() => void) | undefined;
  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function live(): Promise<void> {
    await obtainModel();
    if (isStopping()) return;
    status = '';
    if (role !== 'score') {
      // The time of a replay begins with its first record.
      if (replay === undefined) startSchedule();
      releasers.add('schedule', () => schedule?.stop());
    }
    metrics.ready(() => readiness().ready);
    if (role === 'train') {
      await stopAsked;
      return;
    }
    const handle = createPipeline({
      detectorName: name,
      decode: recordDecoder.decode,
      states,
      stale: { duplicate: settings.record.duplicates, out_of_order: settings.record.outOfOrder },
      limits: createLimitCheck(settings.record.channels, settings.record.signals),
      current: () => active!,
      explanations: createExplanationRule(explanationBudget),
      sinks,
      metrics,
      now,
      onDrift: reportDrift,
      onBroken: (error) => giveUp(error),
    });
    await Promise.race([source.run((batch) => (underWay = deliver(handle, batch))), broken]);
    replay?.end();
  }

  /** A detector whose registry or sink cannot be reached has all it needs, and is not ready. */
  async function deliver(handle: HandleBatch, batch: Batch): Promise<void> {
    try {
      await handle(batch);
      refused = undefined;
    } catch (error) {
      refused = errorChain(error);
      throw error;
    }
    if (replay === undefined) return;
    await replay.advance(batch.messages.map(({ timestamp }) => timestamp));
    if (schedule === undefined && !Number.isNaN(replay.timers.now())) startSchedule();
  }

  let giveUp: (error: Error) => void = () => undefined;
  const broken = new Promise<never>((_, reject) => (giveUp = reject));
  broken.catch(() => undefined);

  let askToStop: () => void = () => undefined;
  const stopAsked = new Promise<void>((resolve) => (askToStop = resolve));

  const watch = watchVersions({
    detector: name,
    store,
    intervalMs: parts.pollIntervalMs,
    inUse: () => active?.detector.version,
    // Also before a model has been sought for the first time.
    isBusy: () => retrainer.running() || isStopping() || status === 'starting',
    load: loadVersion,
    onSwap(model, version) {
      use(model, version);
      wake?.();
    },
    log,
  });
  releasers.add('version watch', () => watch.stop());
  const exchanging = setInterval(() => void exchange(), parts.pollIntervalMs);
  exchanging.unref();

  const finished = live();
  // Whoever waits for it sees the error; no one may be waiting yet.
  finished.catch(() => undefined);

  function readiness(): { ready: boolean; reason: string } {
    if (isStopping()) return { ready: false, reason: 'stopping' };
    if (active === undefined || status !== '') return { ready: false, reason: status };
    if (role === 'train') return { ready: true, reason: 'training' };
    const state = source.ready();
    return state.ready && refused !== undefined ? { ready: false, reason: refused } : state;
  }

  return {
    name,
    readiness,
    finished,
    async stop() {
      stopping = true;
      metrics.ready(false);
      clearInterval(exchanging);
      wake?.();
      replay?.end();
      askToStop();
      await releasers.release();
      await finished.catch(() => undefined);
      active?.detector.dispose();
      active = undefined;
      await saveQuarantine();
    },
  };
}

/** Aborted as soon as one of them is, for the same reason. They may live longer: what is added to them is taken away again. */
function eitherOf(...signals: readonly AbortSignal[]): { signal: AbortSignal; release: () => void } {
  const either = new AbortController();
  const listeners = signals.map((signal) => ({ signal, abort: () => either.abort(signal.reason) }));
  for (const { signal, abort } of listeners) {
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  }
  return {
    signal: either.signal,
    release() {
      for (const { signal, abort } of listeners) signal.removeEventListener('abort', abort);
    },
  };
}

function watchDrift({ drift, training }: DetectorSettings, { state }: Detector): DriftWatch {
  const random = createRandom(training.seed);
  return createDriftWatch({
    recordsPerFalseStart:
      1 / targetRatio(drift.falseStartTarget, state.recordsPerMs, 'drift.falseStartTarget'),
    independentAfter: state.independentAfter,
    calibrationRecords: state.calibration.combined.scores.length,
    random: () => random.uniform(),
  });
}

/** At the end of a finite source what is open has no more records to wait for. */
async function closeEvents(
  states: PartitionStates,
  sinks: readonly Sink[],
  metrics: DetectorMetrics,
): Promise<void> {
  const closed = states.closeEvents();
  if (closed.length > 0) {
    await Promise.all(sinks.map((sink) => sink.write({ detections: [], events: closed, deadLetters: [] })));
  }
  metrics.eventsOpen(0);
}
