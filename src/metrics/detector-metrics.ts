/** The metrics of one detector as plain methods, called once per batch: no caller sees a label. */
import type { DeclaredMetrics } from './metrics';
import type { Staleness } from '../domain/continuity';
import { rejectReasons } from '../errors';
import type { ModelVersionError, RejectReason, RetrainingFailure } from '../errors';
import { stateErrorReasons, type StateErrorReason } from '../state/rules';
import { restartReasons, type RestartReason } from '../sources/source';
import { transactionResults, type TransactionResult } from '../sinks/sink';
import { createAlarmRing } from './alarm-ring';

/** Values of labels that come from the configuration; their counters start at 0. */
export interface LabelBounds {
  /** What the source reads: a Kafka topic, or the path of a file. */
  topics: readonly string[];
  /** Names of the sinks. */
  sinks: readonly string[];
}

export type Stage = 'decode' | 'score' | 'sink' | 'total';
export type TrainingResult = 'ok' | RetrainingFailure;
export type LoadFailure = ModelVersionError['reason'];

export interface DetectorMetrics {
  /** Whether records are being scored; a function is asked at each scrape. */
  ready(ready: boolean | (() => boolean)): void;

  consumed(topic: string, records: number): void;
  /**
   * The first `count` surprises of a batch: how many, how they are distributed, and how many reached the threshold,
   * in all and among the last 10,000.
   */
  scored(surprises: Float64Array, count: number, threshold: number): void;
  /** Records that were not scored: a window not yet full, or no model. */
  windowNotFull(records: number): void;
  /** Records that were judged, or not, without all that they should be judged with. */
  incomplete(records: number): void;
  /** Values beyond a hard limit. */
  limitViolations(values: number): void;
  warmUps(records: number): void;
  rejected(reason: RejectReason, records?: number): void;
  ignored(reason: Staleness, records: number): void;
  unknownConditions(conditions: number): void;
  /** Records behind in one partition; undefined when that is not known (any more), as after a rebalance. */
  lag(topic: string, partition: number, records: number | undefined): void;
  sourceError(): void;
  sourceConnected(connected: boolean): void;
  /** The source has been asked for records and has answered. */
  sourceFetched(): void;
  sourceRestarted(reason: RestartReason): void;
  /** Records that were lost before they were consumed. */
  sourceGap(records: bigint): void;

  /** Anomalous records that could open no event so soon after another. */
  suppressed(records: number): void;
  eventsOpened(events: number): void;
  eventsOpen(events: number): void;
  /** The configured false-alarm target as a ratio of normal records. */
  falseAlarmTarget(ratio: number): void;
  /** How near drift is to be called (1 = enough), and whether it has been. */
  drift(evidenceRatio: number, active: boolean): void;
  driftStarted(): void;
  windowKeys(keys: number): void;
  stateError(problem: StateErrorReason): void;

  batchDuration(stage: Stage, seconds: number): void;
  sinkError(sink: string): void;
  transaction(result: TransactionResult): void;

  /** A model version scores from now on; `createdAt` in Unix ms. */
  modelLoaded(version: string, createdAt: number): void;
  modelLoadFailed(reason: LoadFailure): void;
  /** Whether this process is the one that may publish versions. */
  leaseHeld(held: boolean): void;
  trainingStarted(): void;
  trainingEnded(result: TrainingResult, seconds: number): void;

  /** Brings what changes by itself (the age of the model) up to date, for a scrape. */
  refresh(): void;
}

/** Records that `vaemon_alarm_ratio` looks back on. */
const alarmRatioRecords = 10_000;

// Objects, so that the compiler asks for a reason that errors.ts gets later.
const stages: Record<Stage, true> = { decode: true, score: true, sink: true, total: true };
const trainingResults: Record<TrainingResult, true> = {
  ok: true,
  too_few_records: true,
  diverged: true,
  store: true,
  lease: true,
  killed: true,
  failed: true,
  timeout: true,
  stopped: true,
  load: true,
};
const loadFailures: Record<LoadFailure, true> = {
  missing_file: true,
  checksum: true,
  schema: true,
  golden: true,
  unreadable: true,
};

export function createDetectorMetrics(
  metrics: DeclaredMetrics,
  detector: string,
  bounds: LabelBounds,
  now: () => number,
): DetectorMetrics {
  const of = { detector };
  const surprise = metrics.surprise.series(of);
  const alarms = createAlarmRing(alarmRatioRecords);
  const lags = new Map<string, Map<number, number>>();
  let isReady = () => false;
  /** Unix ms. */
  let fetchedAt: number | undefined;
  let model: { version: string; createdAt: number } | undefined;

  startAtZero();

  function startAtZero(): void {
    for (const topic of bounds.topics) metrics.consumed.inc({ detector, topic }, 0);
    for (const sink of bounds.sinks) metrics.sinkErrors.inc({ detector, stage: sink }, 0);
    for (const reason of rejectReasons) metrics.rejected.inc({ detector, reason }, 0);
    for (const reason of ['duplicate', 'out_of_order'] as const) metrics.ignored.inc({ detector, reason }, 0);
    for (const reason of restartReasons) metrics.sourceRestarts.inc({ detector, reason }, 0);
    for (const reason of stateErrorReasons) metrics.memoryProblems.inc({ detector, reason }, 0);
    for (const reason of Object.keys(loadFailures)) metrics.modelLoadFailures.inc({ detector, reason }, 0);
    for (const result of transactionResults) metrics.transactions.inc({ detector, result }, 0);
    for (const result of Object.keys(trainingResults)) metrics.trainings.inc({ detector, result }, 0);
    for (const stage of Object.keys(stages)) metrics.batchDuration.zero({ detector, stage });
    metrics.trainingDuration.zero(of);
    const counters = [
      'scored',
      'warming',
      'incomplete',
      'refilled',
      'unknownConditions',
      'anomalies',
      'events',
      'limitViolations',
      'suppressed',
      'driftStarts',
    ] as const;
    for (const counter of counters) metrics[counter].inc(of, 0);
    for (const counter of ['modelSwaps', 'sourceErrors', 'sourceGapRecords'] as const)
      metrics[counter].inc(of, 0);
    for (const gauge of [
      'ready',
      'eventsOpen',
      'windowKeys',
      'trainingRunning',
      'driftActive',
      'sourceConnected',
      'leaseHeld',
    ] as const)
      metrics[gauge].set(of, 0);
  }

  return {
    ready(ready) {
      isReady = typeof ready === 'function' ? ready : () => ready;
      metrics.ready.set(of, isReady() ? 1 : 0);
    },

    consumed: (topic, records) => metrics.consumed.inc({ detector, topic }, records),
    scored(surprises, count, threshold) {
      let anomalies = 0;
      for (let i = 0; i < count; i++) {
        const anomalous = surprises[i]! >= threshold;
        if (anomalous) anomalies++;
        alarms.add(anomalous);
      }
      surprise.observe(surprises, count);
      metrics.scored.inc(of, count);
      metrics.anomalies.inc(of, anomalies);
    },
    windowNotFull: (records) => metrics.warming.inc(of, records),
    incomplete: (records) => metrics.incomplete.inc(of, records),
    limitViolations: (values) => metrics.limitViolations.inc(of, values),
    warmUps: (records) => metrics.refilled.inc(of, records),
    rejected: (reason, records = 1) => metrics.rejected.inc({ detector, reason }, records),
    ignored: (reason, records) => metrics.ignored.inc({ detector, reason }, records),
    unknownConditions: (conditions) => metrics.unknownConditions.inc(of, conditions),
    lag(topic, partition, records) {
      const partitions = lags.get(topic) ?? new Map<number, number>();
      lags.set(topic, partitions);
      if (records === undefined) partitions.delete(partition);
      else partitions.set(partition, records);
      // No series rather than a 0 that nobody measured.
      if (partitions.size === 0) metrics.lag.remove({ detector, topic });
      else
        metrics.lag.set(
          { detector, topic },
          [...partitions.values()].reduce((sum, lag) => sum + lag, 0),
        );
    },
    sourceError: () => metrics.sourceErrors.inc(of),
    sourceConnected: (connected) => metrics.sourceConnected.set(of, connected ? 1 : 0),
    sourceFetched: () => (fetchedAt = now()),
    sourceRestarted: (reason) => metrics.sourceRestarts.inc({ detector, reason }),
    sourceGap: (records) => metrics.sourceGapRecords.inc(of, Number(records)),

    suppressed: (records) => metrics.suppressed.inc(of, records),
    eventsOpened: (events) => metrics.events.inc(of, events),
    eventsOpen: (events) => metrics.eventsOpen.set(of, events),
    falseAlarmTarget: (ratio) => metrics.falseAlarmTarget.set(of, ratio),
    drift(evidenceRatio, active) {
      metrics.driftEvidence.set(of, evidenceRatio);
      metrics.driftActive.set(of, active ? 1 : 0);
    },
    driftStarted: () => metrics.driftStarts.inc(of),
    windowKeys: (keys) => metrics.windowKeys.set(of, keys),
    stateError: (reason) => metrics.memoryProblems.inc({ detector, reason }),

    batchDuration: (stage, seconds) => metrics.batchDuration.observe({ detector, stage }, seconds),
    sinkError: (sink) => metrics.sinkErrors.inc({ detector, stage: sink }),
    transaction: (result) => metrics.transactions.inc({ detector, result }),

    modelLoaded(version, createdAt) {
      if (model !== undefined && model.version !== version) {
        metrics.modelInfo.remove({ detector, model: model.version });
        metrics.modelSwaps.inc(of);
      }
      model = { version, createdAt };
      metrics.modelInfo.set({ detector, model: version }, 1);
      metrics.modelCreated.set(of, createdAt / 1000);
    },
    modelLoadFailed: (reason) => metrics.modelLoadFailures.inc({ detector, reason }),
    leaseHeld: (held) => metrics.leaseHeld.set(of, held ? 1 : 0),
    trainingStarted: () => metrics.trainingRunning.set(of, 1),
    trainingEnded(result, seconds) {
      metrics.trainingRunning.set(of, 0);
      metrics.trainings.inc({ detector, result });
      metrics.trainingDuration.observe(of, seconds);
    },

    refresh() {
      metrics.ready.set(of, isReady() ? 1 : 0);
      if (model !== undefined) metrics.modelAge.set(of, Math.max(0, now() - model.createdAt) / 1000);
      if (fetchedAt !== undefined) metrics.sourceFetched.set(of, fetchedAt / 1000);
      const ratio = alarms.ratio();
      if (ratio !== undefined) metrics.alarmRatio.set(of, ratio);
    },
  };
}
