/**
 * Turns a decoded batch into its outcome, chunk by chunk: windows, scores, detections. One chunk is filled while another is
 * scored.
 */
import type { RawScores } from '../scoring/assessor';
import type { DetectorMetrics } from '../metrics/metrics';
import type { DecodedBatch } from '../codecs/codec';
import type { Sink } from '../sinks/sink';
import type { Batch } from '../sources/source';
import type { PartitionState } from '../state/partition';
import { decideChunk, type ActiveDetector, type DecisionRules } from './decision';
import { createOutcome } from './outcome';
import {
  chunkRanges,
  chunkRecords,
  createChunkPool,
  fillChunk,
  type Chunk,
  type DecodedMessages,
  type WindowingRules,
} from './windowing';

export interface ScoringParts extends WindowingRules, Pick<DecisionRules, 'explanations' | 'witness'> {
  sinks: readonly Sink[];
  metrics: Pick<DetectorMetrics, 'drift'>;
  /** Unix ms. */
  now: () => number;
  /** Called after each batch while drift is active. */
  onDrift?: () => void;
  /** Called after the decisions of each batch, with the resulting state. It must return quickly. */
  onScored?: (decoded: DecodedMessages, partition: PartitionState, active: ActiveDetector) => void;
}

export function createScoring(parts: ScoringParts) {
  const { sinks, metrics } = parts;
  const chunks = createChunkPool();
  const rules = { ...parts, anomaliesOnly: sinks.every((sink) => sink.anomaliesOnly === true) };

  return async (batch: Batch, decoded: DecodedBatch, partition: PartitionState, active: ActiveDetector) => {
    const { detector, threshold, drift } = active;
    const limits = active.rules?.limits ?? parts.limits;
    const { messages } = batch;
    const outcome = createOutcome(batch, partition, sinks, threshold);
    const now = parts.now();
    const suppressedBefore = partition.events.suppressedRecords;
    const windowsBefore = { ...partition.windows.counts };
    const began = performance.now();
    const records = { ...decoded, messages };

    async function decide({ chunk, raw }: ScoredChunk): Promise<void> {
      await decideChunk(chunk, await raw, records, active, partition, rules, outcome, now);
      chunks.giveBack(detector, chunk);
    }

    let previous: ScoredChunk | undefined;
    const labelledAfter = partition.labelledAfter();
    for (const [from, to] of chunkRanges(messages, chunkRecords(detector.shape), labelledAfter)) {
      const offset = BigInt(messages[from]!.origin.offset);
      if (previous !== undefined && partition.labelledAfter().some((after) => after < offset)) {
        // A label takes effect between two records, so the decisions on the earlier records come first.
        await decide(previous);
        previous = undefined;
      }
      const ended = partition.takeLabels(offset);
      // The events of warm-up records were written when the records were first scored.
      if (!messages[from]!.warmUp) outcome.events.push(...ended);
      const chunk = chunks.take(detector);
      fillChunk(chunk, records, from, to, partition, { ...rules, limits }, outcome);
      // The engine receives one batch at a time.
      await previous?.raw;
      const raw = chunk.windows.count === 0 ? undefined : detector.assess(chunk.windows);
      // The promise is awaited later. Without a handler, Node would report its rejection as unhandled before that.
      raw?.catch(() => undefined);
      if (previous !== undefined) await decide(previous);
      previous = { chunk, raw };
    }
    if (previous !== undefined) await decide(previous);

    outcome.scoreSeconds = (performance.now() - began) / 1000;
    outcome.counts.suppressed = partition.events.suppressedRecords - suppressedBefore;
    const { evicted, expired, broken, undone } = partition.windows.counts;
    outcome.counts.windowsEvicted = evicted - windowsBefore.evicted;
    outcome.counts.windowsCut.expired = expired - windowsBefore.expired;
    outcome.counts.windowsCut.broken = broken - windowsBefore.broken;
    outcome.counts.jumpsUndone = undone - windowsBefore.undone;
    if (drift !== undefined) metrics.drift(drift.evidenceRatio, drift.active);
    if (drift?.active === true) parts.onDrift?.();
    parts.onScored?.(records, partition, active);
    const last = messages.at(-1);
    if (last !== undefined) partition.advance(BigInt(last.origin.offset));
    outcome.settle = partition.settlement();
    return outcome;
  };
}

interface ScoredChunk {
  chunk: Chunk;
  raw: Promise<RawScores> | undefined;
}
