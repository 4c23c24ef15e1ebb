/**
 * The way of a batch: decode → window → score → decide → sinks. What it returns is the acknowledgement: it
 * resolves when every sink has all that came of the batch, and rejects when one has not.
 */
import type { DriftWatch } from './calibration/drift';
import { surpriseOf } from './calibration/threshold';
import { smallestP } from './calibration/pvalue';
import type { Contribution, Detection } from './domain/detection';
import type { AnomalyEvent } from './domain/event';
import type { ExplanationRule } from './domain/explanations';
import type { RecordBatch } from './domain/record';
import type { CheckLimits, LimitViolation } from './domain/signal';
import { createWindowBatch, type WindowBatch } from './domain/window';
import { DecodeError, UnavailableError } from './errors';
import type { Staleness } from './domain/continuity';
import type { Memory, PartitionMemory } from './memory';
import type { DetectorMetrics } from './metrics';
import type { Detector, Scores } from './scoring/detector';
import type { Advance, DeadLetter, Sink } from './sinks/sink';
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
  /** What is remembered of each partition. */
  memory: Memory;
  limits: CheckLimits;
  /** What becomes of a record that is not newer than the newest of its key: a dead letter, or only a number. */
  stale: Readonly<Record<Staleness, 'reject' | 'ignore'>>;
  /** The model version to score with, asked once per batch: a swap takes effect between two batches. */
  current: () => ActiveDetector;
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
  /** The window may lack records. */
  lacks: boolean;
}

/** What came of a batch so far. */
interface Outcome {
  detections: Detection[];
  events: AnomalyEvent[];
  deadLetters: DeadLetter[];
  consumed: number;
  threshold: number;
  warming: number;
  /** Records that were scored, or not, without all that they should be judged with. */
  incomplete: number;
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
  advance: Advance | undefined;
  /** To be called when all sinks have it. */
  settle: () => void;
}

export function createPipeline(parts: PipelineParts): HandleBatch {
  const { memory, metrics, explanations } = parts;
  /** Not in use: each batch under way has one of its own. */
  const windowBatches: WindowBatch[] = [];
  /**
   * A batch that a sink refused comes again, perhaps cut differently. Windows and events have moved on by then, so its
   * outcome is kept and written before anything else: the verdicts are the same ones, and none is missing.
   */
  const pending = new WeakMap<PartitionMemory, Outcome>();
  /** By partition: a batch that its source has given up waiting for may still be under way when the next one comes. */
  const underWay = new Map<string, Promise<void>>();
  let broken: Error | undefined;

  return function handleInTurn(batch) {
    const id = `${batch.topic}/${batch.partition}`;
    const before = underWay.get(id);
    const handled = before === undefined ? handle(batch) : before.then(() => handle(batch));
    const ended = handled
      .catch(() => undefined)
      .finally(() => {
        if (underWay.get(id) === ended) underWay.delete(id);
      });
    underWay.set(id, ended);
    return handled;
  };

  async function handle(batch: Batch): Promise<void> {
    const began = performance.now();
    const partition = memory.of(batch.topic, batch.partition);
    // Of a batch that someone else may have handled meanwhile nothing is left to be written.
    if (batch.assignment !== undefined && !partition.resume(batch.assignment)) pending.delete(partition);
    const refused = pending.get(partition);
    const sinkSeconds = refused === undefined ? 0 : await write(batch, partition, refused);
    const outcome = await assessOrBreak(batch, partition);
    pending.set(partition, outcome);
    metrics.batchDuration('decode', outcome.decodeSeconds);
    metrics.batchDuration('score', outcome.scoreSeconds);
    metrics.batchDuration('sink', sinkSeconds + (await write(batch, partition, outcome)));
    metrics.batchDuration('total', (performance.now() - began) / 1000);
    metrics.lag(batch.topic, batch.partition, batch.lag);
  }

  /** Returns the version to score with. While levels are read or written another one may come into use. */
  async function prepare(batch: Batch, partition: PartitionMemory): Promise<ActiveDetector> {
    let active = parts.current();
    for (let prepared: Detector | undefined; prepared !== active.detector;) {
      prepared = active.detector;
      await partition.prepare(batch, prepared);
      active = parts.current();
    }
    return active;
  }

  /** Counts an outcome only when it is out: what a sink refuses is written, and counted, later. */
  async function write(batch: Batch, partition: PartitionMemory, outcome: Outcome): Promise<number> {
    const began = performance.now();
    await writeAll(outcome, metrics);
    pending.delete(partition);
    outcome.settle();
    metrics.consumed(batch.topic, outcome.consumed);
    metrics.scored(outcome.surprises, outcome.detections.length, outcome.threshold);
    metrics.warming(outcome.warming);
    metrics.incomplete(outcome.incomplete);
    metrics.limitViolations(outcome.limitViolations);
    metrics.refilled(outcome.refilled);
    metrics.unknownConditions(outcome.unknownConditions);
    for (const { reason } of outcome.deadLetters) metrics.rejected(reason);
    for (const reason of ['duplicate', 'out_of_order'] as const)
      metrics.ignored(reason, outcome.ignored[reason]);
    metrics.suppressed(outcome.suppressed);
    metrics.eventsOpened(outcome.events.filter((event) => event.status === 'open').length);
    metrics.eventsOpen(sum(memory.partitions, ({ events }) => events.open));
    metrics.windowKeys(sum(memory.partitions, ({ windows }) => windows.size));
    return (performance.now() - began) / 1000;
  }

  /**
   * When scoring itself fails, the windows hold records that have no verdict and would pass for duplicates. Only a new
   * start, which fills the windows anew, puts that right: until then no batch is taken, so none is acknowledged.
   *
   * All of a batch is decoded first, since decoding may take its time beside other work; from the first record in a
   * window to the last verdict nothing else runs, so that a model is never exchanged in between.
   */
  async function assessOrBreak(batch: Batch, partition: PartitionMemory): Promise<Outcome> {
    assertWhole();
    try {
      const decodeBegan = performance.now();
      const decoded = await parts.decode(batch.messages, parts.now());
      const decodeSeconds = (performance.now() - decodeBegan) / 1000;
      const active = await prepare(batch, partition);
      assertWhole();
      if (batch.gap === true) partition.interrupt();
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
    partition: PartitionMemory,
    active: ActiveDetector,
  ): Promise<Outcome> {
    const { detector, threshold } = active;
    const windowBatch = windowBatches.pop() ?? createWindowBatch(detector.shape, chunkRecords);
    const outcome: Outcome = {
      detections: [],
      events: [],
      deadLetters: [],
      consumed: batch.messages.length,
      threshold,
      warming: 0,
      incomplete: 0,
      limitViolations: 0,
      suppressed: 0,
      ignored: { duplicate: 0, out_of_order: 0 },
      refilled: 0,
      unknownConditions: 0,
      decodeSeconds: 0,
      scoreSeconds: 0,
      surprises: new Float64Array(batch.messages.length),
      owed: new Set(parts.sinks),
      advance: advanceOf(batch, partition),
      settle: () => undefined,
    };
    const now = parts.now();
    const suppressedBefore = partition.events.suppressedRecords;
    const began = performance.now();
    for (const [from, to] of chunksOf(batch.messages)) {
      const judged = fillWindows(batch.messages, decoded, from, to, windowBatch, partition, outcome);
      await scoreWindows(judged, windowBatch, active, partition, outcome, now);
    }
    windowBatches.push(windowBatch);
    outcome.scoreSeconds = (performance.now() - began) / 1000;
    outcome.suppressed = partition.events.suppressedRecords - suppressedBefore;
    if (active.drift !== undefined) metrics.drift(active.drift.evidenceRatio, active.drift.active);
    if (active.drift?.active === true) parts.onDrift?.();
    const last = batch.messages.at(-1);
    if (last !== undefined) partition.advance(BigInt(last.origin.offset));
    outcome.settle = partition.settlement();
    return outcome;
  }

  /**
   * Pushes each record of a part of the batch; returns those that get a verdict, and the refills whose verdicts events and
   * levels lack. Full windows are in the window batch.
   */
  function fillWindows(
    messages: readonly Message[],
    { records, rows }: DecodedBatch,
    from: number,
    to: number,
    target: WindowBatch,
    partition: PartitionMemory,
    outcome: Outcome,
  ): Judged[] {
    const { windows } = partition;
    const judged: Judged[] = [];
    const valuesPerRecord = records.values.length / records.capacity;
    target.count = 0;
    for (let i = from; i < to; i++) {
      const message = messages[i]!;
      const row = rows[i]!;
      const { refill } = message;
      const isHeld = partition.holds(BigInt(message.origin.offset));
      if (refill || isHeld) outcome.refilled++;
      // Handled before, but its offset was not committed: its verdict, or why it was refused, is out already.
      if (isHeld) continue;
      if (row instanceof DecodeError) {
        if (!refill) outcome.deadLetters.push(toDeadLetter(message, row));
        continue;
      }
      const key = records.keys[row]!;
      const timestamp = records.timestamps[row]!;
      const result = windows.push(key, row, records.timestamps, records.values, records.conditions);
      if (result === 'ready' || result === 'warming') {
        if (refill && !partition.rescores) continue;
        const limits = parts.limits(records.values, row * valuesPerRecord);
        const window = result === 'ready' ? target.count : undefined;
        if (window !== undefined) windows.copy(key, target);
        if (window !== undefined || limits.length > 0)
          judged.push({ message, key, timestamp, limits, window, lacks: windows.lacks(key) });
        if (refill) continue;
        outcome.limitViolations += limits.length;
        if (window !== undefined || limits.length > 0) continue;
        outcome.warming++;
        if (windows.lacks(key)) outcome.incomplete++;
      } else if (refill) continue;
      else if (parts.stale[result] === 'ignore') outcome.ignored[result]++;
      else outcome.deadLetters.push(toDeadLetter(message, staleRecord(result, records, row)));
    }
    return judged;
  }

  async function scoreWindows(
    judged: readonly Judged[],
    target: WindowBatch,
    { detector, drift }: ActiveDetector,
    partition: PartitionMemory,
    outcome: Outcome,
    now: number,
  ): Promise<void> {
    if (judged.length === 0) return;
    // A record without a window has only violated a limit.
    const inWindows = judged.filter(({ window }) => window !== undefined);
    const levelsOf = (window: number) => {
      const { key, message } = inWindows[window]!;
      return partition.levelsOf(key, BigInt(message.origin.offset));
    };
    const scores =
      target.count === 0
        ? undefined
        : await detector.score(target, partition.followsLevels ? levelsOf : undefined);
    const { threshold } = outcome;
    for (const { message, key, timestamp, limits, window: i, lacks } of judged) {
      const given = i === undefined ? undefined : scores;
      // Nothing that the model says can make up for a violated limit.
      const surprise = limits.length > 0 ? mostSurprising : given!.surprise[i!]!;
      const anomalous = surprise >= threshold;
      const incomplete = lackingParts(lacks, given !== undefined && partition.lacksLevels(key));
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
        ...(incomplete.length > 0 && { incomplete }),
        modelVersion: detector.version,
      };
      if (message.refill) {
        // Its verdict is out, and whatever it opened or closed; only what is remembered has to take it in again.
        partition.events.observe(detection);
        continue;
      }
      if (given !== undefined) drift?.observe(key, 10 ** -given.surprise[i!]!);
      if (given !== undefined && explanations?.isDue(detection, now) === true) {
        const began = performance.now();
        Object.assign(detection, given.explain(i!));
        explanations.spent(performance.now() - began);
      }
      outcome.surprises[outcome.detections.length] = surprise;
      if (incomplete.length > 0) outcome.incomplete++;
      outcome.detections.push(detection);
      outcome.events.push(...partition.events.observe(detection));
    }
    if (judged[0]?.message.refill === false) outcome.unknownConditions += scores?.unknownConditions ?? 0;
  }

  function toDeadLetter(message: Message, { reason, message: text }: DecodeError): DeadLetter {
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

/** How far the partition comes with what is said of a batch: of those of its messages that have not been handled yet. */
function advanceOf(
  { topic, partition, messages, committed, next }: Batch,
  memory: PartitionMemory,
): Advance | undefined {
  if (next === undefined || committed === undefined) return undefined;
  const first = messages.find(({ refill, origin }) => !refill && !memory.holds(BigInt(origin.offset)));
  return {
    topic,
    partition,
    committed,
    from: first === undefined ? next : BigInt(first.origin.offset),
    to: next,
  };
}

function lackingParts(window: boolean, levels: boolean): Detection['incomplete'] & {} {
  return [...(window ? ['window' as const] : []), ...(levels ? ['levels' as const] : [])];
}

function staleRecord(result: Staleness, records: RecordBatch, row: number): DecodeError {
  const time = new Date(records.timestamps[row]!).toISOString();
  const key = records.keys[row]!;
  return result === 'duplicate'
    ? new DecodeError('duplicate', `key "${key}" has had a record at ${time}`)
    : new DecodeError('out_of_order', `key "${key}" has had a record after ${time}`);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
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
