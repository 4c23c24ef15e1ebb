/**
 * decode → window → score → decide → sinks, for the batches of one detector. The returned promise is the acknowledgement: it
 * resolves once every sink has the outcome of the batch, and rejects if one does not.
 */
import type { DecodeBatch } from '../codecs/codec';
import { UnavailableError } from '../errors';
import type { DetectorMetrics } from '../metrics/metrics';
import type { Batch, HandleBatch } from '../sources/source';
import type { PartitionState } from '../state/partition';
import type { PartitionStates } from '../state/partitions';
import type { ActiveDetector } from './decision';
import { countOutcome, writeOutcome, type Outcome } from './outcome';
import { createScoring, type ScoringParts } from './scoring';
import { createTurns } from './turns';

export type { ActiveDetector, RecordRules } from './decision';

export interface PipelineParts extends ScoringParts {
  metrics: DetectorMetrics;
  decode: DecodeBatch;
  states: PartitionStates;
  /** The model version to score with. Called once per batch: a swap takes effect between two batches. */
  current: () => ActiveDetector;
  /** Uses the version that the store's pointer names; never rejects. If absent, no other process changes the pointer. */
  followStore?: () => Promise<void>;
  /** Called with each outcome that all sinks have accepted. */
  onWritten?: (outcome: Outcome) => void;
  /** Called when the pipeline can accept no further batch; the process must restart. */
  onBroken: (error: Error) => void;
}

export function createPipeline(parts: PipelineParts): HandleBatch {
  const { states, metrics } = parts;
  const score = createScoring(parts);
  const inTurn = createTurns();
  /**
   * Outcomes that a sink rejected. Windows and events have already advanced when the batch is redelivered, perhaps with other
   * bounds, so its outcome is kept and written first: the same detections, and none missing.
   */
  const unwritten = new WeakMap<PartitionState, Outcome>();
  let broken: Error | undefined;

  // A source that stopped waiting for a batch may deliver the next one while the earlier one is still in progress.
  return (batch) => inTurn(`${batch.topic}/${batch.partition}`, () => handle(batch));

  async function handle(batch: Batch): Promise<void> {
    const began = performance.now();
    const partition = states.of(batch.topic, batch.partition);
    // Another process may have handled the rejected batch since.
    if (batch.assignment !== undefined && !partition.assign(batch.assignment)) unwritten.delete(partition);
    const refused = unwritten.get(partition);
    const refusedSeconds = refused === undefined ? 0 : await write(batch, partition, refused);
    const outcome = await scoreOrBreak(batch, partition);
    unwritten.set(partition, outcome);
    const sinkSeconds = await write(batch, partition, outcome);
    metrics.batchDuration('decode', outcome.decodeSeconds);
    metrics.batchDuration('score', outcome.scoreSeconds);
    metrics.batchDuration('sink', refusedSeconds + sinkSeconds);
    metrics.batchDuration('total', secondsSince(began));
    metrics.lag(batch.topic, batch.partition, batch.lag);
  }

  /** Writes an outcome and then counts it; returns the seconds that writing took. */
  async function write(batch: Batch, partition: PartitionState, outcome: Outcome): Promise<number> {
    const began = performance.now();
    await writeOutcome(outcome, metrics);
    unwritten.delete(partition);
    outcome.settle();
    countOutcome(outcome, batch.topic, metrics);
    parts.onWritten?.(outcome);
    metrics.eventsOpen(states.open);
    metrics.budgetSpent(states.budgetSpentRatio);
    metrics.windowKeys(states.devices);
    return secondsSince(began);
  }

  /**
   * After an error in scoring, the windows contain records without a detection, which would count as duplicates. Only a
   * restart, which fills the windows again, repairs that. Until then every batch is rejected, so none is acknowledged.
   *
   * The whole batch is decoded first, as decoding may wait for other work. From its first record in a window to its last
   * detection, one model version is used, even if another one comes into use meanwhile.
   */
  async function scoreOrBreak(batch: Batch, partition: PartitionState): Promise<Outcome> {
    assertUnbroken();
    try {
      const began = performance.now();
      const decoded = await parts.decode(batch.messages, parts.now());
      const decodeSeconds = secondsSince(began);
      const active = await prepare(batch, partition);
      assertUnbroken();
      if (batch.gap === true) partition.interrupt();
      const outcome = await score(batch, decoded, partition, active);
      outcome.decodeSeconds = decodeSeconds;
      return outcome;
    } catch (cause) {
      assertUnbroken();
      // An unavailable service leaves the state intact, as no record of the batch is in a window yet.
      if (cause instanceof UnavailableError) throw cause;
      broken = new Error('decoding or scoring failed; the windows must be filled again', { cause });
      parts.onBroken(broken);
      throw broken;
    }
  }

  /** A batch of another partition may have broken the pipeline meanwhile. */
  function assertUnbroken(): void {
    if (broken !== undefined) throw broken;
  }

  /** Prepares the state of the partition, and returns the version to score with: another one may come into use meanwhile. */
  async function prepare(batch: Batch, partition: PartitionState): Promise<ActiveDetector> {
    const { restoredVersion } = partition;
    // The previous process may have used a version that this one has not loaded. With that version the records get the same
    // scores again.
    if (restoredVersion !== undefined && restoredVersion !== parts.current().detector.version)
      await parts.followStore?.();
    let active = parts.current();
    for (let isPrepared = false; !isPrepared;) {
      const { detector, rules } = active;
      await partition.prepare(batch, detector, rules);
      active = parts.current();
      isPrepared = active.detector === detector && active.rules === rules;
    }
    return active;
  }
}

function secondsSince(began: number): number {
  return (performance.now() - began) / 1000;
}
