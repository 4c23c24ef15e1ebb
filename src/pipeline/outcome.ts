/** The outcome of a batch: the data to write to the sinks, and the counts for the metrics, recorded once the sinks have it. */
import type { Detection } from '../domain/detection';
import type { AnomalyEvent } from '../domain/event';
import type { DecodeError } from '../errors';
import type { DetectorMetrics } from '../metrics/metrics';
import type { Advance, DeadLetter, Sink } from '../sinks/sink';
import type { Batch, Message } from '../sources/source';
import type { PartitionState } from '../state/partition';

export type Outcome = ReturnType<typeof createOutcome>;

export function createOutcome(
  batch: Batch,
  partition: PartitionState,
  sinks: readonly Sink[],
  threshold: number,
) {
  return {
    /** Detections of all scored records, or only of the anomalous ones. */
    detections: [] as Detection[],
    events: [] as AnomalyEvent[],
    deadLetters: [] as DeadLetter[],
    /** Sinks that have not accepted the outcome yet. */
    pendingSinks: new Set(sinks),
    advance: advanceOf(batch, partition),
    /** Numbers of records, unless stated otherwise. */
    counts: {
      consumed: batch.messages.length,
      scored: 0,
      windowNotFull: 0,
      /** Records of keys for which there was no window. */
      noRoom: 0,
      /** Scored records all of whose values are missing. */
      withoutValues: 0,
      windowsEvicted: 0,
      /** Windows cut by a silence or a gap. */
      windowsCut: { expired: 0, broken: 0 },
      /** Records dropped because they were far ahead of the next records of their key. */
      jumpsUndone: 0,
      /** Records with an incomplete window or incomplete baselines, scored or not. */
      incomplete: 0,
      /** Number of violations, not of records. */
      limitViolations: 0,
      suppressed: 0,
      ignored: { duplicate: 0, out_of_order: 0 },
      warmUps: 0,
      /** Number of unknown conditions, not of records. */
      unknownConditions: 0,
    },
    threshold,
    /** Surprise of the scored records. Shape [messages]; the first `counts.scored` are set. */
    surprises: new Float64Array(batch.messages.length),
    decodeSeconds: 0,
    scoreSeconds: 0,
    /** Marks the records as processed; called once all sinks have the outcome. */
    settle: (): void => undefined,
  };
}

/** Offset range that acknowledging the batch advances; it starts at the first message that has not been processed. */
function advanceOf(
  { topic, partition, messages, committed, next }: Batch,
  state: PartitionState,
): Advance | undefined {
  if (next === undefined || committed === undefined) return undefined;
  const first = messages.find(({ warmUp, origin }) => !warmUp && !state.hasProcessed(BigInt(origin.offset)));
  const from = first === undefined ? next : BigInt(first.origin.offset);
  return { topic, partition, committed, from, to: next };
}

export function toDeadLetter(
  detector: string,
  { origin, key, value }: Message,
  { reason, message }: DecodeError,
): DeadLetter {
  return { detector, reason, message, origin, key, value };
}

/**
 * Writes to all pending sinks concurrently. Waits for every sink, and removes those that accepted the outcome.
 * @throws Error naming the sink that failed, or AggregateError if several did
 */
export async function writeOutcome(
  outcome: Outcome,
  metrics: Pick<DetectorMetrics, 'sinkError'>,
): Promise<void> {
  const sinks = [...outcome.pendingSinks];
  const results = await Promise.allSettled(sinks.map((sink) => sink.write(outcome)));
  const failures = results.flatMap((result, i) => {
    const sink = sinks[i]!;
    if (result.status === 'fulfilled') {
      outcome.pendingSinks.delete(sink);
      return [];
    }
    metrics.sinkError(sink.name);
    return [new Error(`sink ${sink.name} did not accept the batch`, { cause: result.reason })];
  });
  if (failures.length > 0)
    throw failures.length === 1 ? failures[0]! : new AggregateError(failures, 'sinks failed');
}

export function countOutcome(
  { counts, surprises, threshold, deadLetters, events }: Outcome,
  topic: string,
  metrics: DetectorMetrics,
): void {
  metrics.consumed(topic, counts.consumed);
  metrics.scored(surprises, counts.scored, threshold);
  metrics.windowNotFull(counts.windowNotFull);
  metrics.noRoom(counts.noRoom);
  metrics.withoutValues(counts.withoutValues);
  metrics.windowsEvicted(counts.windowsEvicted);
  metrics.windowsCut('ttl', counts.windowsCut.expired);
  metrics.windowsCut('gap', counts.windowsCut.broken);
  metrics.jumpsUndone(counts.jumpsUndone);
  metrics.incomplete(counts.incomplete);
  metrics.limitViolations(counts.limitViolations);
  metrics.warmUps(counts.warmUps);
  metrics.unknownConditions(counts.unknownConditions);
  for (const { reason } of deadLetters) metrics.rejected(reason);
  for (const reason of ['duplicate', 'out_of_order'] as const)
    metrics.ignored(reason, counts.ignored[reason]);
  metrics.suppressed(counts.suppressed);
  metrics.eventsOpened(events.filter(({ status }) => status === 'open').length);
  metrics.eventsHeldBack(events.filter(({ status }) => status === 'held_back').length);
}
