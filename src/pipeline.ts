/**
 * The way of a batch: decode → window → score → decide → sinks. What it returns is the acknowledgement: it
 * resolves when every sink has all that came of the batch, and rejects when one has not.
 */
import type { DeviceLevels } from './calibration/level';
import type { DriftWatch } from './calibration/drift';
import { surpriseOf } from './calibration/threshold';
import { smallestP } from './calibration/pvalue';
import type { Contribution, Detection } from './domain/detection';
import type { AnomalyEvent, EventTracker } from './domain/event';
import type { ExplanationRule } from './domain/explanations';
import type { RecordBatch } from './domain/record';
import type { CheckLimits, LimitViolation } from './domain/signal';
import { createWindowBatch, type WindowBatch, type WindowStore } from './domain/window';
import { DecodeError, UnavailableError, type RejectReason } from './errors';
import type { Staleness } from './domain/continuity';
import { createPartitionLevels, type LevelRules, type PartitionLevels } from './levels';
import type { DetectorMetrics } from './metrics';
import type { Detector, Scores } from './scoring/detector';
import type { DeadLetter, Sink } from './sinks/sink';
import type { DecodeBatch, DecodedBatch } from './sources/decode/batch';
import type { Batch, HandleBatch, Message } from './sources/source';

/** A model version in use, and the surprise from which on a record is anomalous. */
export interface ActiveDetector {
  detector: Detector;
  threshold: number;
  /** Whether what this version was calibrated on still holds; absent where nobody asks. */
  drift?: DriftWatch;
}

export interface PipelineParts {
  detectorName: string;
  decode: DecodeBatch;
  windows: WindowStore;
  limits: CheckLimits;
  /** What becomes of a record that is not newer than the newest of its key: a dead letter, or only a number. */
  stale: Readonly<Record<Staleness, 'reject' | 'ignore'>>;
  /** The model version to score with, asked once per batch: a swap takes effect between two batches. */
  current: () => ActiveDetector;
  events: EventTracker;
  /** How the levels of devices are followed; without it they are not. */
  levels?: LevelRules | undefined;
  /** Which anomalous records are put beside their nearest normal; without it none. */
  explanations?: ExplanationRule;
  sinks: readonly Sink[];
  metrics: DetectorMetrics;
  /** Unix ms. */
  now: () => number;
  /** Called after each batch while the version in use has drifted. */
  onDrift?: () => void;
  /** The pipeline will take no further batch; the process has to start again. */
  onBroken: (error: Error) => void;
}

/** Records scored at once; a larger batch goes through in parts. */
const chunkRecords = 256;

/** A record on its way to a verdict. */
interface Judged {
  message: Message;
  key: string;
  timestamp: number;
  limits: readonly LimitViolation[];
  /** Index in the window batch; undefined while the window is not full: then only a limit can speak. */
  window: number | undefined;
}

/** What came of a batch so far. */
interface Outcome {
  detections: Detection[];
  events: AnomalyEvent[];
  deadLetters: DeadLetter[];
  consumed: number;
  threshold: number;
  warming: number;
  limitViolations: number;
  suppressed: number;
  ignored: Record<Staleness, number>;
  refilled: number;
  unknownConditions: number;
  decodeSeconds: number;
  scoreSeconds: number;
  surprises: Float64Array;
  /** Sinks that have not taken it yet. */
  owed: Set<Sink>;
}

/**
 * A batch that a sink refused comes again, perhaps cut differently. Windows and events have moved on by then, so its
 * outcome is kept and written before anything else: the verdicts are the same ones, and none is missing.
 */
interface PartitionState {
  /** Offset of the last message that windows and events have seen. */
  assessedTo: bigint;
  pending: Outcome | undefined;
  /** Of its devices, where they are followed. */
  levels: PartitionLevels | undefined;
}

export function createPipeline(parts: PipelineParts): HandleBatch {
  const { windows, metrics, events, explanations } = parts;
  let windowBatch: WindowBatch | undefined;
  const partitions = new Map<string, PartitionState>();
  let broken: Error | undefined;

  return async function handle(batch) {
    const began = performance.now();
    const partition = stateOf(batch);
    const sinkSeconds =
      partition.pending === undefined ? 0 : await write(batch, partition, partition.pending);
    const outcome = await assessOrBreak(batch, partition);
    partition.pending = outcome;
    metrics.batchDuration('decode', outcome.decodeSeconds);
    metrics.batchDuration('score', outcome.scoreSeconds);
    metrics.batchDuration('sink', sinkSeconds + (await write(batch, partition, outcome)));
    metrics.batchDuration('total', (performance.now() - began) / 1000);
    metrics.lag(batch.topic, batch.partition, batch.lag);
  };

  function stateOf({ topic, partition }: Batch): PartitionState {
    const id = `${topic}/${partition}`;
    let state = partitions.get(id);
    if (state === undefined) {
      const levels = parts.levels && createPartitionLevels(topic, partition, parts.levels);
      partitions.set(id, (state = { assessedTo: -1n, pending: undefined, levels }));
    }
    return state;
  }

  /** Returns the version to score with. While levels are read or written another one may come into use. */
  async function prepareLevels(batch: Batch, { levels }: PartitionState): Promise<ActiveDetector> {
    let active = parts.current();
    for (let prepared: Detector | undefined; levels !== undefined && prepared !== active.detector;) {
      prepared = active.detector;
      await levels.prepare(batch, prepared);
      active = parts.current();
    }
    return active;
  }

  /** Counts an outcome only when it is out: what a sink refuses is written, and counted, later. */
  async function write(batch: Batch, partition: PartitionState, outcome: Outcome): Promise<number> {
    const began = performance.now();
    await writeAll(outcome, metrics);
    partition.pending = undefined;
    metrics.consumed(batch.topic, outcome.consumed);
    metrics.scored(outcome.surprises, outcome.detections.length, outcome.threshold);
    metrics.warming(outcome.warming);
    metrics.limitViolations(outcome.limitViolations);
    metrics.refilled(outcome.refilled);
    metrics.unknownConditions(outcome.unknownConditions);
    for (const { reason } of outcome.deadLetters) metrics.rejected(reason);
    for (const reason of ['duplicate', 'out_of_order'] as const)
      metrics.ignored(reason, outcome.ignored[reason]);
    metrics.suppressed(outcome.suppressed);
    metrics.eventsOpened(outcome.events.filter((event) => event.status === 'open').length);
    metrics.eventsOpen(events.openEvents().length);
    metrics.windowKeys(windows.size);
    return (performance.now() - began) / 1000;
  }

  /**
   * When scoring itself fails, the windows hold records that have no verdict and would pass for duplicates. Only a new
   * start, which fills the windows anew, puts that right: until then no batch is taken, so none is acknowledged.
   *
   * All of a batch is decoded first, since decoding may take its time beside other work; from the first record in a
   * window to the last verdict nothing else runs, so that a model is never exchanged in between.
   */
  async function assessOrBreak(batch: Batch, partition: PartitionState): Promise<Outcome> {
    assertWhole();
    try {
      const decodeBegan = performance.now();
      const decoded = await parts.decode(batch.messages, parts.now());
      const decodeSeconds = (performance.now() - decodeBegan) / 1000;
      const active = await prepareLevels(batch, partition);
      assertWhole();
      return { ...(await assess(batch, decoded, partition, active)), decodeSeconds };
    } catch (cause) {
      assertWhole();
      // No record of the batch has touched a window.
      if (cause instanceof UnavailableError) throw cause;
      broken = new Error('decoding or scoring failed; the windows have to be filled anew', { cause });
      parts.onBroken(broken);
      throw broken;
    }
  }

  /** Another partition's batch may have broken the windows meanwhile. */
  function assertWhole(): void {
    if (broken !== undefined) throw broken;
  }

  async function assess(
    batch: Batch,
    decoded: DecodedBatch,
    partition: PartitionState,
    active: ActiveDetector,
  ): Promise<Outcome> {
    const { detector, threshold } = active;
    windowBatch ??= createWindowBatch(detector.shape, chunkRecords);
    const outcome: Outcome = {
      detections: [],
      events: [],
      deadLetters: [],
      consumed: batch.messages.length,
      threshold,
      warming: 0,
      limitViolations: 0,
      suppressed: 0,
      ignored: { duplicate: 0, out_of_order: 0 },
      refilled: 0,
      unknownConditions: 0,
      decodeSeconds: 0,
      scoreSeconds: 0,
      surprises: new Float64Array(batch.messages.length),
      owed: new Set(parts.sinks),
    };
    const now = parts.now();
    const suppressedBefore = events.suppressedRecords;
    const began = performance.now();
    for (const [from, to] of chunksOf(batch.messages)) {
      const judged = fillWindows(batch.messages, decoded, from, to, windowBatch, partition, outcome);
      const levelsOf = followedBy(judged, partition);
      // A refill has had its verdict; only the levels have to take it in again.
      if (batch.messages[from]!.refill && judged.length > 0) await detector.score(windowBatch, levelsOf);
      else await scoreWindows(judged, windowBatch, active, levelsOf, outcome, now);
    }
    outcome.scoreSeconds = (performance.now() - began) / 1000;
    outcome.suppressed = events.suppressedRecords - suppressedBefore;
    if (active.drift !== undefined) metrics.drift(active.drift.evidenceRatio, active.drift.active);
    if (active.drift?.active === true) parts.onDrift?.();
    const last = batch.messages.at(-1);
    // A batch that comes again may be cut shorter: what was seen once stays seen.
    if (last !== undefined) {
      partition.assessedTo = later(partition.assessedTo, BigInt(last.origin.offset));
      partition.levels?.advance(partition.assessedTo);
    }
    return outcome;
  }

  /** Of the device of each window: a record without a window has only violated a limit. */
  function followedBy(
    judged: readonly Judged[],
    { levels }: PartitionState,
  ): ((window: number) => DeviceLevels | undefined) | undefined {
    if (levels === undefined) return undefined;
    const given = judged.filter(({ window }) => window !== undefined);
    return (window) => {
      const { key, message } = given[window]!;
      return levels.of(key, BigInt(message.origin.offset));
    };
  }

  /**
   * Pushes each record of a part of the batch; returns those that get a verdict, and of refills those that the levels lack.
   * Full windows are in the window batch.
   */
  function fillWindows(
    messages: readonly Message[],
    { records, rows }: DecodedBatch,
    from: number,
    to: number,
    target: WindowBatch,
    partition: PartitionState,
    outcome: Outcome,
  ): Judged[] {
    const judged: Judged[] = [];
    const valuesPerRecord = records.values.length / records.capacity;
    target.count = 0;
    for (let i = from; i < to; i++) {
      const message = messages[i]!;
      const row = rows[i]!;
      if (row instanceof DecodeError) {
        refuse(message, row, partition, outcome);
        continue;
      }
      const key = records.keys[row]!;
      const result = windows.push(key, row, records.timestamps, records.values, records.conditions);
      if (message.refill) {
        outcome.refilled++;
        if (result !== 'ready' || partition.levels?.lack(BigInt(message.origin.offset)) !== true) continue;
        judged.push({ message, key, timestamp: records.timestamps[row]!, limits: [], window: target.count });
        windows.copy(key, target);
      } else if (result === 'ready' || result === 'warming') {
        const limits = parts.limits(records.values, row * valuesPerRecord);
        outcome.limitViolations += limits.length;
        const window = result === 'ready' ? target.count : undefined;
        if (window !== undefined) windows.copy(key, target);
        if (window === undefined && limits.length === 0) outcome.warming++;
        else judged.push({ message, key, timestamp: records.timestamps[row]!, limits, window });
      } else if (parts.stale[result] === 'ignore' && !wasAssessed(message, partition)) {
        outcome.ignored[result]++;
      } else refuse(message, staleRecord(result, records, row), partition, outcome);
    }
    return judged;
  }

  function refuse(
    message: Message,
    { reason, message: text }: DecodeError,
    partition: PartitionState,
    outcome: Outcome,
  ): void {
    // Handled before, but its offset was not committed: its verdict, or why it was refused, is out already.
    if (message.refill || wasAssessed(message, partition)) outcome.refilled++;
    else outcome.deadLetters.push(toDeadLetter(message, reason, text));
  }

  async function scoreWindows(
    judged: readonly Judged[],
    target: WindowBatch,
    { detector, drift }: ActiveDetector,
    levelsOf: ReturnType<typeof followedBy>,
    outcome: Outcome,
    now: number,
  ): Promise<void> {
    if (judged.length === 0) return;
    const scores = target.count === 0 ? undefined : await detector.score(target, levelsOf);
    const { threshold } = outcome;
    outcome.unknownConditions += scores?.unknownConditions ?? 0;
    for (const { message, key, timestamp, limits, window: i } of judged) {
      const given = i === undefined ? undefined : scores;
      if (given !== undefined) drift?.observe(key, 10 ** -given.surprise[i!]!);
      // Nothing that the model says can make up for a violated limit.
      const surprise = limits.length > 0 ? mostSurprising : given!.surprise[i!]!;
      const anomalous = surprise >= threshold;
      outcome.surprises[outcome.detections.length] = surprise;
      const detection: Detection = {
        detector: parts.detectorName,
        key,
        timestamp,
        origin: message.origin,
        surprise,
        threshold,
        anomalous,
        extrapolated: limits.length === 0 && given?.extrapolated[i!] === 1,
        limits,
        statistics: rowOf(given?.statistics, i),
        ...(given?.levels && { levels: rowOf(given.levels, i) }),
        contributions: anomalous ? withLimits(limits, given?.contributions(i!) ?? []) : [],
        modelVersion: detector.version,
      };
      if (given !== undefined && explanations?.isDue(detection, now) === true) {
        const began = performance.now();
        Object.assign(detection, given.explain(i!));
        explanations.spent(performance.now() - began);
      }
      outcome.detections.push(detection);
      outcome.events.push(...events.observe(detection));
    }
  }

  function toDeadLetter(message: Message, reason: RejectReason, text: string): DeadLetter {
    return {
      detector: parts.detectorName,
      reason,
      message: text,
      origin: message.origin,
      key: message.key,
      value: message.value,
    };
  }
}

/** Surprise where a limit is violated: no model can say more. */
const mostSurprising = surpriseOf(smallestP);

/** Channels beyond a limit come first, as surprising as can be; without a model nothing is expected of them. */
function withLimits(
  limits: readonly LimitViolation[],
  said: readonly Contribution[],
): readonly Contribution[] {
  if (limits.length === 0) return said;
  const violated = limits.map(({ channel, actual }): Contribution => {
    const byModel = said.find((one) => one.channel === channel);
    const unknown = { channel, contribution: 0, actual, expected: NaN, repeats: 0 };
    return { ...(byModel ?? unknown), surprise: mostSurprising };
  });
  return [...violated, ...said.filter(({ channel }) => !limits.some((one) => one.channel === channel))];
}

/** From and up to which message a part goes that is scored at once; refills, which come first, and others apart. */
function* chunksOf(messages: readonly Message[]): Generator<readonly [from: number, to: number]> {
  const firstLive = messages.findIndex(({ refill }) => !refill);
  const refills = firstLive < 0 ? messages.length : firstLive;
  for (let from = 0, to; from < messages.length; from = to) {
    to = Math.min(from + chunkRecords, from < refills ? refills : messages.length);
    yield [from, to];
  }
}

/** What columns say of one record, by name. */
function rowOf(columns: Scores['statistics'] = {}, i: number | undefined): Record<string, number> {
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i!]!]));
}

/** Whether a message comes again after a sink refused its batch. */
function wasAssessed({ origin }: Message, { assessedTo }: PartitionState): boolean {
  return BigInt(origin.offset) <= assessedTo;
}

function staleRecord(result: Staleness, records: RecordBatch, row: number): DecodeError {
  const time = new Date(records.timestamps[row]!).toISOString();
  const key = records.keys[row]!;
  return result === 'duplicate'
    ? new DecodeError('duplicate', `key "${key}" has had a record at ${time}`)
    : new DecodeError('out_of_order', `key "${key}" has had a record after ${time}`);
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** All that have not taken the verdicts yet, at once; rejects when one refuses, but only after all have been asked. */
async function writeAll(outcome: Outcome, metrics: DetectorMetrics): Promise<void> {
  const sinks = [...outcome.owed];
  const results = await Promise.allSettled(sinks.map((sink) => sink.write(outcome)));
  const failures = results.flatMap((result, i) => {
    const sink = sinks[i]!;
    if (result.status === 'fulfilled') {
      outcome.owed.delete(sink);
      return [];
    }
    metrics.sinkError(sink.name);
    return [new Error(`sink ${sink.name} did not take the batch`, { cause: result.reason })];
  });
  if (failures.length > 0)
    throw failures.length === 1 ? failures[0]! : new AggregateError(failures, 'sinks failed');
}
