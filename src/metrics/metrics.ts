/** The metrics of the daemon: the groups below, the build, and those of the process. */
import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { configurationMetrics } from './configuration';
import { eventMetrics } from './events';
import { modelMetrics } from './model';
import { openEventMetrics } from './open-events';
import { processingMetrics } from './processing';
import {
  combined,
  declare,
  flag,
  type LabelBounds,
  type MetricDescription,
  type Recorder,
  type Recordings,
} from './recorder';
import { recordMetrics } from './records';
import { sourceMetrics } from './source';

/** All metrics of a detector, by the name of the method that records them. */
export const detectorMetrics = {
  /** Called at each scrape. */
  ready: combined(
    { set: flag('vaemon_ready', 'Whether the detector scores records: it has its source and a model.') },
    ({ set }, { onScrape }) => {
      let isReady = () => false;
      onScrape(() => set(isReady()));
      return (ready: boolean | (() => boolean)) => {
        isReady = typeof ready === 'function' ? ready : () => ready;
      };
    },
  ),
  ...recordMetrics,
  ...sourceMetrics,
  ...eventMetrics,
  ...openEventMetrics,
  ...processingMetrics,
  ...modelMetrics,
};

/** The methods that record the metrics of one detector. */
export type DetectorMetrics = Recordings<typeof detectorMetrics>;

export interface MetricsOptions {
  /** Version of vaemon. */
  version: string;
  /** Engine that scores and trains: `tfjs-node`, `wasm`, `cpu`, … */
  engine: string;
  /** Unix ms. */
  now?: () => number;
  /**
   * Whether to export CPU, memory, event loop and garbage collection of the process as well; these observers are never removed.
   */
  process?: boolean;
}

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics(options: MetricsOptions) {
  return createMetricsOf(detectorMetrics, options);
}

/** Declares metrics in a separate registry, so that two daemons in one process do not share metrics. */
export function createMetricsOf<Recorders extends Record<string, Recorder<unknown>>>(
  recorders: Recorders,
  { version, engine, now = Date.now, process: withProcess = true }: MetricsOptions,
) {
  // The only format: after one OpenMetrics scrape, prom-client's text output would lack `_total` permanently.
  const declarations = { registry: new Registry(), descriptions: [] as MetricDescription[] };
  const { registry, descriptions } = declarations;
  const buildInfo = new Gauge<string>(declare(declarations, buildDescription));
  buildInfo.set({ version, engine, node: process.versions.node }, 1);
  const configuration = configurationMetrics(declarations);
  const start = combined(recorders, (recordings) => recordings)(declarations);
  if (withProcess) collectProcessMetrics(registry);

  const detectors = new Map<string, Recordings<Recorders>>();
  const updates: (() => void)[] = [];
  return {
    /** Content type of `text`: always the Prometheus text format. */
    contentType: registry.contentType as string,
    /** All metrics, for one scrape. */
    async text(): Promise<string> {
      for (const update of updates) update();
      return registry.metrics();
    },
    /** Metrics of the process's configuration. */
    configuration,
    /** Descriptions of the metrics of vaemon, for the documentation. */
    describe: (): readonly MetricDescription[] => descriptions,
    /**
     * Starts the metrics of one detector, whose counters exist with value 0 from now on. A detector that is started again gets
     * the same metrics.
     */
    forDetector(detector: string, bounds: LabelBounds): Recordings<Recorders> {
      const known = detectors.get(detector);
      if (known !== undefined) return known;
      const started = start({ ...bounds, detector, now, onScrape: (update) => updates.push(update) });
      detectors.set(detector, started);
      return started;
    },
  };
}

const buildDescription: MetricDescription = {
  name: 'vaemon_build_info',
  type: 'gauge',
  help: 'Always 1; the labels are the versions in use.',
  labels: [
    { name: 'version', meaning: 'Version of vaemon.' },
    { name: 'engine', meaning: 'Engine that scores and trains.' },
    { name: 'node', meaning: 'Version of Node.js.' },
  ],
};

function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  // `promtool check metrics` rejects gauges with names like counters; the same numbers by type remain.
  for (const misnamed of ['active_handles', 'active_requests', 'active_resources']) {
    registry.removeSingleMetric(`nodejs_${misnamed}_total`);
  }
}
