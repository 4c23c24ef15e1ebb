/** The daemon's pipeline for recorded data. */
import { createLimitCheck } from '../domain/signal';
import type { ExplanationRule } from '../domain/explanations';
import type { DetectorSettings } from '../config/settings';
import type { RecordDecoder } from '../pipeline/record-decoder';
import { createPartitionStates, type PartitionStates } from '../state/partitions';
import { stateRules, type StateRules } from '../state/rules';
import { createMetrics } from '../metrics/metrics';
import { createPipeline, type ActiveDetector } from '../pipeline/pipeline';
import type { DetectionBatch } from '../sinks/sink';
import type { HandleBatch } from '../sources/source';

export interface OfflineParts {
  settings: DetectorSettings;
  recordDecoder: RecordDecoder;
  /** The model version to score with. A swap takes effect between two batches. */
  current: () => ActiveDetector;
  onOutcome: (outcome: DetectionBatch) => void;
  /** Whether detections of normal records can be left out. */
  anomaliesOnly?: boolean;
  states?: PartitionStates;
  explanations?: ExplanationRule;
}

/** An error in scoring rejects the batch in progress and all later ones. No metrics are recorded. */
export function createOfflinePipeline(parts: OfflineParts): HandleBatch {
  const { settings, recordDecoder, current, anomaliesOnly = false, explanations } = parts;
  const { detector: detectorName, record } = settings;
  const sink = {
    name: 'offline',
    anomaliesOnly,
    write(outcome: DetectionBatch) {
      parts.onOutcome(outcome);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  return createPipeline({
    detectorName,
    decode: recordDecoder.decode,
    states: parts.states ?? createOfflineStates(settings, recordDecoder),
    stale: { duplicate: record.duplicates, out_of_order: record.outOfOrder },
    limits: createLimitCheck(record.channels, record.signals),
    ...(explanations && { explanations }),
    current,
    sinks: [sink],
    metrics: createMetrics({ version: '', engine: current().detector.engine, process: false }).forDetector(
      detectorName,
      { topics: [], sinks: [sink.name] },
    ),
    now: Date.now,
    onBroken: () => undefined,
  });
}

/** States that are not stored. */
export function createOfflineStates(
  settings: DetectorSettings,
  recordDecoder: RecordDecoder,
  changes: Pick<StateRules, 'recordedBaselines'> = {},
): PartitionStates {
  return createPartitionStates({ ...stateRules(settings, recordDecoder), ...changes });
}
