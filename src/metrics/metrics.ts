/** Every metric of the daemon is declared here: name, kind, labels, and what it means. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { createDetectorMetrics } from './detector-metrics';
import type { DetectorMetrics, LabelBounds } from './detector-metrics';
import { createTypedHistogram } from './typed-histogram';

export type { DetectorMetrics, LabelBounds, LoadFailure, Stage, TrainingResult } from './detector-metrics';

export interface MetricsOptions {
  /** Of vaemon itself. */
  version: string;
  /** What scores and trains: `tfjs-node`, `wasm`, `cpu`, … */
  engine: string;
  /** Unix ms. */
  now?: () => number;
  /** Also CPU, memory, event loop and garbage collection of the process; these observers live as long as it does. */
  process?: boolean;
}

export interface Metrics {
  /** Of what `text` returns: the Prometheus text format and no other. */
  readonly contentType: string;
  /** All metrics, for one scrape. */
  text(): Promise<string>;
  /** What is known of each metric, for the documentation. */
  describe(): MetricDescription[];
  /** The metrics of one detector; each counter that its labels can have exists with 0 from now on. */
  forDetector(detector: string, bounds: LabelBounds): DetectorMetrics;
}

export interface MetricDescription {
  name: string;
  type: string;
  help: string;
  labelNames: readonly string[];
}

/** Upper bounds of `vaemon_surprise`: an 8 is seen once in 10^8 normal records. */
export const surpriseBuckets = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8] as const;
const batchSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const trainingSeconds = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];

export type DeclaredMetrics = ReturnType<typeof declareMetrics>;

function declareMetrics(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, labelNames: readonly L[], help: string) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, labelNames: readonly L[], help: string) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string>(
    name: string,
    labelNames: readonly L[],
    buckets: number[],
    help: string,
  ) => new Histogram({ name, help, labelNames, buckets, registers });
  const detector = ['detector'] as const;

  return {
    buildInfo: gauge(
      'vaemon_build_info',
      ['version', 'engine', 'node'],
      'Always 1; the labels say which vaemon, engine and Node.js are running.',
    ),
    ready: gauge(
      'vaemon_ready',
      detector,
      'Whether the detector has its source and a model, so that records are scored.',
    ),

    consumed: counter(
      'vaemon_records_consumed_total',
      ['detector', 'topic'],
      'Records received from the source, whatever became of them.',
    ),
    scored: counter('vaemon_records_scored_total', detector, 'Records that were given a surprise.'),
    warming: counter(
      'vaemon_records_warming_total',
      detector,
      'Records without a surprise because the window of their key was not yet full or no model was there.',
    ),
    incomplete: counter(
      'vaemon_records_incomplete_total',
      detector,
      'Records judged, or not, without some that came before an interruption and could not be brought back.',
    ),
    limitViolations: counter(
      'vaemon_limit_violations_total',
      detector,
      'Values beyond a hard limit of their channel.',
    ),
    refilled: counter(
      'vaemon_records_refilled_total',
      detector,
      'Records read again after a restart or a rebalance, only to fill the windows.',
    ),
    rejected: counter(
      'vaemon_records_rejected_total',
      ['detector', 'reason'],
      'Records that could not be used and went to the dead letters.',
    ),
    ignored: counter(
      'vaemon_records_ignored_total',
      ['detector', 'reason'],
      'Records that came twice or too late and were left alone, where the configuration says so.',
    ),
    unknownConditions: counter(
      'vaemon_unknown_conditions_total',
      detector,
      'Conditions with a category that training did not see; such records are scored with the unknown token.',
    ),
    lag: gauge(
      'vaemon_consumer_lag_records',
      ['detector', 'topic'],
      'Records of the topic behind the newest batch, summed over the partitions assigned to this process.',
    ),
    sourceErrors: counter(
      'vaemon_source_errors_total',
      detector,
      'Errors of the source that it survived, such as a broker out of reach.',
    ),
    sourceRestarts: counter(
      'vaemon_source_restarts_total',
      ['detector', 'reason'],
      'Times that the connection to the source was given up and made anew, by what had happened.',
    ),
    sourceConnected: gauge(
      'vaemon_source_connected',
      detector,
      'Whether the source can deliver: connected, in its group, and it is known from where on.',
    ),
    sourceFetched: gauge(
      'vaemon_source_last_fetch_timestamp_seconds',
      detector,
      'When the source was last asked for records and answered, if with none, in Unix time.',
    ),
    sourceGapRecords: counter(
      'vaemon_source_gap_records_total',
      detector,
      'Records lost before they were consumed because their retention had ended.',
    ),

    surprise: createTypedHistogram(registry, {
      name: 'vaemon_surprise',
      labelNames: detector,
      buckets: surpriseBuckets,
      help: 'Surprise of the scored records: -log10 of the calibrated p-value.',
    }),
    anomalies: counter(
      'vaemon_anomalies_total',
      detector,
      'Scored records whose surprise reached the threshold.',
    ),
    events: counter('vaemon_events_total', detector, 'Events opened: anomalies of one key merged.'),
    suppressed: counter(
      'vaemon_anomalies_suppressed_total',
      detector,
      'Anomalous records that could open no event, because one of their key had closed shortly before.',
    ),
    eventsOpen: gauge('vaemon_events_open', detector, 'Events that are open now, of all keys.'),
    falseAlarmTarget: gauge(
      'vaemon_false_alarm_target_ratio',
      detector,
      'Share of normal records that may be called anomalous, as configured.',
    ),
    alarmRatio: gauge(
      'vaemon_alarm_ratio',
      detector,
      'Share of the last 10,000 scored records that were called anomalous, normal or not.',
    ),
    driftStarts: counter(
      'vaemon_drift_starts_total',
      detector,
      'Times that "normal" was found to have moved since the model version that scores was calibrated.',
    ),
    driftActive: gauge(
      'vaemon_drift_active',
      detector,
      'Whether "normal" has moved; 0 again when another model version scores.',
    ),
    driftEvidence: gauge(
      'vaemon_drift_evidence_ratio',
      detector,
      'How near the evidence is to saying that "normal" has moved: its logarithm, 1 = enough.',
    ),
    memoryProblems: counter(
      'vaemon_memory_problems_total',
      ['detector', 'reason'],
      'Times that the windows, levels and events of a partition could not be saved, or not be continued from; scoring goes on.',
    ),
    windowKeys: gauge('vaemon_window_keys', detector, 'Keys whose window is held in memory.'),

    batchDuration: histogram(
      'vaemon_batch_duration_seconds',
      ['detector', 'stage'],
      batchSeconds,
      'Time from a batch to its verdicts, by stage: decode, score, sink, and total.',
    ),
    sinkErrors: counter(
      'vaemon_sink_errors_total',
      ['detector', 'stage'],
      'Batches that a sink did not take, by the name of the sink; the source delivers them again.',
    ),

    transactions: counter(
      'vaemon_transactions_total',
      ['detector', 'result'],
      'Transactions of verdicts and offsets that ended, by result; only with exactly-once delivery.',
    ),

    modelInfo: gauge(
      'vaemon_model_info',
      ['detector', 'model'],
      'Always 1; the label is the model version that scores.',
    ),
    modelCreated: gauge(
      'vaemon_model_created_timestamp_seconds',
      detector,
      'When the model version that scores was trained, in Unix time.',
    ),
    modelAge: gauge(
      'vaemon_model_age_seconds',
      detector,
      'Time since the model version that scores was trained.',
    ),
    modelSwaps: counter(
      'vaemon_model_swaps_total',
      detector,
      'Times that another model version took over scoring; the first one does not count.',
    ),
    modelLoadFailures: counter(
      'vaemon_model_load_failures_total',
      ['detector', 'reason'],
      'Model versions that were refused when they were loaded.',
    ),
    leaseHeld: gauge(
      'vaemon_training_lease_held',
      detector,
      'Whether this process is the one that may publish model versions of the detector; of all that share a store at most one.',
    ),
    trainingRunning: gauge('vaemon_training_running', detector, 'Whether a training is under way.'),
    trainings: counter('vaemon_trainings_total', ['detector', 'result'], 'Trainings that ended, by result.'),
    trainingDuration: histogram(
      'vaemon_training_duration_seconds',
      detector,
      trainingSeconds,
      'Time that a training took, whatever its result.',
    ),
  };
}

/** A registry of its own, never prom-client's global one: two daemons in one process do not meet. */
export function createMetrics({
  version,
  engine,
  now = Date.now,
  process: withProcess = true,
}: MetricsOptions): Metrics {
  // One text format only: after one OpenMetrics scrape prom-client's text output loses `_total` for good.
  const registry = new Registry();
  const declared = declareMetrics(registry);
  declared.buildInfo.set({ version, engine, node: process.versions.node }, 1);
  if (withProcess) collectProcessMetrics(registry);

  const detectors = new Map<string, DetectorMetrics>();
  return {
    contentType: registry.contentType,
    async text() {
      for (const detector of detectors.values()) detector.refresh();
      return registry.metrics();
    },
    describe: () =>
      (registry.getMetricsAsArray() as unknown as MetricDescription[]).map(
        ({ name, type, help, labelNames }) => ({
          name,
          type,
          help,
          labelNames,
        }),
      ),
    forDetector(detector, bounds) {
      if (detectors.has(detector)) throw new Error(`detector "${detector}" has its metrics already`);
      const created = createDetectorMetrics(declared, detector, bounds, now);
      detectors.set(detector, created);
      return created;
    },
  };
}

function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  // Gauges with the name of a counter, which `promtool check metrics` refuses; their parts by type stay.
  for (const misnamed of ['active_handles', 'active_requests', 'active_resources']) {
    registry.removeSingleMetric(`nodejs_${misnamed}_total`);
  }
}
