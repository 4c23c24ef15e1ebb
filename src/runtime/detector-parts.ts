/** The parts of one detector that its configuration chooses: where records come from, where verdicts go, what is remembered. */
import type { DetectorSettings } from '../config/settings';
import type { RecordDecoder } from '../pipeline/record-decoder';
import type { Quarantine } from './quarantine';
import type { Logger } from '../logger';
import {
  createPartitionStates,
  stateRules,
  type PartitionStates,
  type StateErrorReason,
} from '../state/partition';
import type { DetectorMetrics } from '../metrics/metrics';
import { createKafkaSink } from '../sinks/kafka/kafka';
import { createTransactionalSink } from '../sinks/kafka/transactions';
import { createLogSink } from '../sinks/log';
import { createQuarantineSink } from '../sinks/quarantine';
import type { Sink, TransactionResult } from '../sinks/sink';
import { createSummarySink, type SummarySink } from '../sinks/summary';
import { createFileSource } from '../sources/file/file';
import { createKafkaSource } from '../sources/kafka/kafka';
import { createSinkClient, createSourceClient } from './kafka-clients';
import { readLabels } from '../sources/file/fault-labels';
import type { OffsetCommitter, Source, SourceObserver } from '../sources/source';
import { createStateStore } from '../state/store';

/** What they are made from. */
export interface PartsOptions {
  settings: DetectorSettings;
  storePath: string;
  log: Logger;
  shutdownTimeoutMs: number;
}

/** Records of a fault's after-effects that the demo summary counts neither way. */
const afterEffectsMs = 60_000;

export async function createSummary({ source }: DetectorSettings): Promise<SummarySink | undefined> {
  if (source.kind !== 'file' || source.file.labels === '') return undefined;
  return createSummarySink(await readLabels(source.file.labels), afterEffectsMs);
}

export interface DetectorSinks {
  sinks: Sink[];
  /** Where a sink commits offsets with verdicts. */
  committer: OffsetCommitter | undefined;
}

export function createSinks(
  { settings, log }: PartsOptions,
  quarantine: Quarantine,
  summary: Sink | undefined,
  onTransaction: (result: TransactionResult) => void,
): DetectorSinks {
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

/** Of a Kafka source dead letters are written even where detections are not: nothing is dropped in silence. */
function deadLettersOnly(sink: Sink): Sink {
  return {
    name: sink.name,
    anomaliesOnly: true,
    write: (verdicts) => sink.write({ detections: [], events: [], deadLetters: verdicts.deadLetters }),
    close: () => sink.close(),
  };
}

/** What is remembered of a file is not stored: it begins anew with each start. */
export function createStates(
  { settings, storePath, log }: PartsOptions,
  recordDecoder: RecordDecoder,
  metrics: DetectorMetrics,
): PartitionStates {
  const { detector, source } = settings;
  return createPartitionStates({
    ...stateRules(settings, recordDecoder),
    ...(source.kind === 'kafka' && {
      saveEvery: source.kafka.saveEveryRecords,
      maxReplay: source.kafka.maxReplayRecords,
      store: createStateStore({ directory: storePath, detector }),
    }),
    onError(problem, fields) {
      metrics.stateError(problem);
      log.warn(memoryWarnings[problem], { detector, ...fields });
    },
  });
}

const memoryWarnings: Record<StateErrorReason, string> = {
  unreadable: 'what is stored of a partition cannot be used; its windows, levels and events begin anew',
  unsaved: 'a partition could not be saved; more records are read again after the next start',
  records_missing: 'records are missing between what is remembered of a partition and the next one',
  ahead: 'what is stored of a partition is ahead of the committed offset; it begins anew',
  too_old: 'what is stored of a partition lies too many records back; it begins anew',
  other_settings: 'what is stored of a partition was made under other settings; it begins anew',
};

export interface SourceParts {
  metrics: DetectorMetrics;
  states: PartitionStates;
  committer: DetectorSinks['committer'];
  /** A finite source has been through its records once more. */
  onPassEnd: (pass: number) => Promise<void>;
}

export function createSource(
  { settings, log, shutdownTimeoutMs }: PartsOptions,
  { metrics, states, committer, onPassEnd }: SourceParts,
): Source & { position?: () => number } {
  const { source, detector } = settings;
  if (source.kind === 'file') return createFileSource(source.file, onPassEnd);
  const observer: SourceObserver = {
    error(err) {
      metrics.sourceError();
      log.error('source error', { detector, err });
    },
    info: (message, fields) => log.info(message, { detector, ...fields }),
    gap(missing) {
      metrics.sourceGap(missing);
      log.warn('records were lost before they were consumed', { detector, missing: String(missing) });
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
    // The source has three steps to its stop, each with this deadline; the rest is for the sinks.
    stopTimeoutMs: shutdownTimeoutMs / 4,
    stallTimeoutMs: source.kafka.stallTimeoutMs,
  });
}
