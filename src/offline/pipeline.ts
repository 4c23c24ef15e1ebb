/** The daemon's own way of a record without a daemon around it: for what judges records that are there already. */
import { createLimitCheck } from '../domain/signal';
import type { DetectorSettings } from '../config/settings';
import type { RecordDecoder } from '../pipeline/record-decoder';
import { createPartitionStates, stateRules, type PartitionStates } from '../state/partition';
import { createMetrics } from '../metrics/metrics';
import { createPipeline, type ActiveDetector } from '../pipeline/pipeline';
import type { Sink } from '../sinks/sink';
import type { HandleBatch } from '../sources/source';

export interface OfflineParts {
  settings: DetectorSettings;
  recordDecoder: RecordDecoder;
  active: ActiveDetector;
  /** Gets all that comes of the records. */
  sink: Sink;
  /** What is remembered; by default what the settings say, from nothing on. */
  states?: PartitionStates;
}

/** Nothing is measured, and nothing goes on after an error: the batch under way rejects with it. */
export function createOfflinePipeline({
  settings,
  recordDecoder,
  active,
  sink,
  states,
}: OfflineParts): HandleBatch {
  const { detector: detectorName, record } = settings;
  return createPipeline({
    detectorName,
    decode: recordDecoder.decode,
    states: states ?? createPartitionStates(stateRules(settings, recordDecoder)),
    stale: { duplicate: record.duplicates, out_of_order: record.outOfOrder },
    limits: createLimitCheck(record.channels, record.signals),
    current: () => active,
    sinks: [sink],
    metrics: createMetrics({ version: '', engine: active.detector.engine, process: false }).forDetector(
      detectorName,
      { topics: [], sinks: [sink.name] },
    ),
    now: Date.now,
    onBroken: () => undefined,
  });
}
