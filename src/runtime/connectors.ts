/** The source and the sinks of one detector, as its configuration demands. */
import type { DetectorSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import { createQuarantineSink, type QuarantineBook } from '../sinks/quarantine';
import type { Sink, TransactionResult } from '../sinks/sink';
import { createConfiguredSinks } from '../sinks/sinks';
import { createSummarySink, type SummarySink } from '../sinks/summary';
import type { OffsetCommitter, Source, SourceObserver } from '../sources/source';
import { configuredSource, type ConfiguredSource } from '../sources/sources';
import type { PartitionStates } from '../state/partitions';

/** Time after a fault whose records the summary of a replay counts neither as normal nor as faulty, ms. */
const afterEffectsMs = 60_000;

/** Compares the detections of a recording with its known faults; undefined where none are stated. */
export async function createSummary({ source }: DetectorSettings): Promise<SummarySink | undefined> {
  const faults = await configuredSource(source).knownFaults();
  return faults && createSummarySink(faults, afterEffectsMs);
}

export interface SinkOptions {
  settings: DetectorSettings;
  quarantine: QuarantineBook;
  summary: Sink | undefined;
  onTransaction: (result: TransactionResult) => void;
  log: Logger;
}

export interface DetectorSinks {
  sinks: Sink[];
  /** Where a sink commits offsets together with detections. */
  committer: OffsetCommitter | undefined;
}

export async function createSinks(options: SinkOptions): Promise<DetectorSinks> {
  const { settings, quarantine, summary, onTransaction, log } = options;
  const configured = await createConfiguredSinks(settings.sinks, { detector: settings, log, onTransaction });
  return {
    sinks: [
      createQuarantineSink(quarantine),
      ...(summary === undefined ? [] : [summary]),
      ...configured.map(({ sink }) => sink),
    ],
    committer: configured.find(({ committer }) => committer !== undefined)?.committer,
  };
}

export interface SourceOptions {
  source: ConfiguredSource;
  metrics: DetectorMetrics;
  states: PartitionStates;
  committer: OffsetCommitter | undefined;
  shutdownTimeoutMs: number;
  /** Called each time a bounded source has been read to its end. */
  onPassEnd: (pass: number) => Promise<void>;
  log: Logger;
}

export function createSource(options: SourceOptions): Promise<Source> {
  const { source, metrics, states, committer, shutdownTimeoutMs, onPassEnd, log } = options;
  const observer: SourceObserver = {
    error(err) {
      metrics.sourceError();
      log.error('source error', { err });
    },
    info: (message, fields) => log.info(message, fields),
    gap(missing) {
      metrics.sourceGap(missing);
      log.warn('records were lost before they were consumed', { missing: String(missing) });
    },
    connected: (connected) => metrics.sourceConnected(connected),
    fetched: () => metrics.sourceFetched(),
    restarted: (reason) => metrics.sourceRestarted(reason),
  };
  const { topic } = source;
  return source.create({
    log,
    observer,
    restorePoints: {
      keepOnly: (partitions) => states.keepOnly(topic, partitions),
      restorePoint: (partition, liveFrom) => states.of(topic, partition).restorePoint(liveFrom),
    },
    committer,
    onPassEnd,
    shutdownTimeoutMs,
  });
}
