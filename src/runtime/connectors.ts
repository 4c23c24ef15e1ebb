/** The source and the sinks of one detector, as its configuration demands. */
import type { DetectorSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import { createKafkaSink } from '../sinks/kafka/kafka';
import { createTransactionalSink } from '../sinks/kafka/transactions';
import { createLogSink } from '../sinks/log';
import { createQuarantineSink, type QuarantineBook } from '../sinks/quarantine';
import type { Sink, TransactionResult } from '../sinks/sink';
import { createSummarySink, type SummarySink } from '../sinks/summary';
import { readLabels } from '../sources/file/fault-labels';
import { createFileSource } from '../sources/file/file';
import { createKafkaSource } from '../sources/kafka/kafka';
import type { OffsetCommitter, Source, SourceObserver } from '../sources/source';
import type { PartitionStates } from '../state/partitions';
import { createSinkClient, createSourceClient } from './kafka-clients';

/** Time after a fault whose records the summary of a replay counts neither as normal nor as faulty, ms. */
const afterEffectsMs = 60_000;

/** Compares the detections of a file with its known faults; undefined without labels. */
export async function createSummary({ source }: DetectorSettings): Promise<SummarySink | undefined> {
  if (source.kind !== 'file' || source.file.labels === '') return undefined;
  return createSummarySink(await readLabels(source.file.labels), afterEffectsMs);
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

export function createSinks({
  settings,
  quarantine,
  summary,
  onTransaction,
  log,
}: SinkOptions): DetectorSinks {
  const sinks: Sink[] = [createQuarantineSink(quarantine)];
  if (settings.sinks.log.enabled) sinks.push(createLogSink(log));
  if (summary !== undefined) sinks.push(summary);
  const { source, delivery } = settings;
  const to = settings.sinks.kafka;
  if (!to.enabled && source.kind !== 'kafka') return { sinks, committer: undefined };
  const kafka = createSinkClient(settings, log);
  if (delivery === 'exactly-once' && source.kind === 'kafka') {
    const { topic, groupId } = source.kafka;
    const sink = createTransactionalSink({ kafka, settings: to, groupId, onTransaction });
    const committer: OffsetCommitter = {
      fence: (partitions) => sink.fence(topic, partitions),
      commitStartOffset: (partition, offset) => sink.commitStartOffset(topic, partition, offset),
    };
    return { sinks: [...sinks, sink], committer };
  }
  const sink = createKafkaSink({ kafka, settings: to });
  return { sinks: [...sinks, to.enabled ? sink : deadLettersOnly(sink)], committer: undefined };
}

/** A Kafka source always writes its dead letters, even where detections are not written. */
function deadLettersOnly(sink: Sink): Sink {
  return {
    name: sink.name,
    anomaliesOnly: true,
    write: ({ deadLetters }) => sink.write({ detections: [], events: [], deadLetters }),
    close: () => sink.close(),
  };
}

export interface SourceOptions {
  settings: DetectorSettings;
  metrics: DetectorMetrics;
  states: PartitionStates;
  committer: OffsetCommitter | undefined;
  shutdownTimeoutMs: number;
  /** Called each time a file has been read to its end. */
  onPassEnd: (pass: number) => Promise<void>;
  log: Logger;
}

export function createSource(options: SourceOptions): Source & { position?: () => number } {
  const { settings, metrics, states, committer, shutdownTimeoutMs, onPassEnd, log } = options;
  const { source } = settings;
  if (source.kind === 'file') return createFileSource(source.file, onPassEnd);
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
  const { topic } = source.kafka;
  return createKafkaSource({
    kafka: createSourceClient(source.kafka, log),
    settings: source.kafka,
    observer,
    restorePoints: {
      keepOnly: (partitions) => states.keepOnly(topic, partitions),
      restorePoint: (partition, liveFrom) => states.of(topic, partition).restorePoint(liveFrom),
    },
    committer,
    // The source stops in three steps, each with this deadline; the rest is for the sinks.
    stopTimeoutMs: shutdownTimeoutMs / 4,
    stallTimeoutMs: source.kafka.stallTimeoutMs,
  });
}
