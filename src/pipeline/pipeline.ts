/**
 * The way of a batch: decode → window → score → decide → sinks. What it returns is the acknowledgement: it
 * resolves when every sink has all that came of the batch, and rejects when one has not.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DriftWatch } from '../calibration/drift';
import { surpriseOf } from '../calibration/threshold';
import { smallestP } from '../calibration/pvalue';
import type { Contribution, Detection } from '../domain/detection';
import type { AnomalyEvent } from '../domain/event';
import type { ExplanationRule } from '../domain/explanations';
import type { RecordBatch } from '../domain/record';
import type { CheckLimits, LimitViolation } from '../domain/signal';
import { clearWindows, type WindowBatch, type WindowShape } from '../domain/window';
import { DecodeError, UnavailableError } from '../errors';
import type { Staleness } from '../domain/continuity';
import type { PartitionStates, PartitionState } from '../state/partition';
import type { DetectorMetrics } from '../metrics/metrics';
import type { RawScores } from '../scoring/assess';
import { rowOf, type Detector, type BaselinesOf } from '../scoring/detector';
import type { Advance, DeadLetter, Sink } from '../sinks/sink';
import type { DecodeBatch, DecodedBatch } from '../codecs/batch';
import type { Batch, HandleBatch, Message } from '../sources/source';

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
  states: PartitionStates;
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

/** Records scored at once; a larger batch goes through in parts, and one is filled while the one before is scored. */
const maxChunkRecords = 1024;

/** Values of the windows of a part, of which there are two at a time: large images go through in small parts. */
const maxChunkValues = 4_000_000;

/** So many are scored at once in any case. */
const minChunkRecords = 16;

/** Records on their way to a verdict, in columns. */
interface Chunk {
  readonly windows: WindowBatch;
  /** Their verdicts are out: they only bring up to date what is remembered. */
  warmUp: boolean;
  /** Records that get a verdict: of which a window is full, or that violate a limit. */
  count: number;
  /** Place of each among the messages of the batch. Shape [capacity]. */
  readonly messages: Int32Array;
  /** Place of each among the decoded records. Shape [capacity]. */
  readonly rows: Int32Array;
  /** Place of each among the windows; below 0 while the window of its key is not full: then only a limit can speak. */
  readonly places: Int32Array;
  /** 1 = the window may lack records. Shape [capacity]. */
  readonly lacks: Uint8Array;
  /** Of those that violate any. */
  readonly limits: Map<number, readonly LimitViolation[]>;
}

function createChunk(windows: WindowBatch): Chunk {
  const { capacity } = windows;
  return {
    windows,
    warmUp: false,
    count: 0,
    messages: new Int32Array(capacity),
    rows: new Int32Array(capacity),
    places: new Int32Array(capacity),
    lacks: new Uint8Array(capacity),
    limits: new Map(),
  };
}

/** A batch as it was decoded. */
interface Decoded extends DecodedBatch {
  messages: readonly Message[];
}

/** What came of a batch so far. */
interface Outcome {
  /** Of all scored records, or of the anomalous ones. */
  detections: Detection[];
  events: AnomalyEvent[];
  deadLetters: DeadLetter[];
  consumed: number;
  scored: number;
  threshold: number;
  windowNotFull: number;
  /** Records that were scored, or not, without all that they should be judged with. */
  incomplete: number;
  limitViolations: number;
  suppressed: number;
  ignored: Record<Staleness, number>;
  warmUps: number;
  unknownConditions: number;
  decodeSeconds: number;
  scoreSeconds: number;
  /** Of the scored records. */
  surprises: Float64Array;
  /** Sinks that have not taken it yet. */
  pendingSinks: Set<Sink>;
  advance: Advance | undefined;
  /** To be called when all sinks have it. */
  settle: () => void;
}

export function createPipeline(parts: PipelineParts): HandleBatch {
  const { states, metrics, explanations } = parts;
  /** Not in use: each batch under way has two of its own. */
  const idleChunks = new WeakMap<Detector, Chunk[]>();
  const anomaliesOnly = parts.sinks.every((sink) => sink.anomaliesOnly === true);
  /**
   * A batch that a sink refused comes again, perhaps cut differently. Windows and events have moved on by then, so its
   * outcome is kept and written before anything else: the verdicts are the same ones, and none is missing.
   */
  const pending = new WeakMap<PartitionState, Outcome>();
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
    const partition = states.of(batch.topic, batch.partition);
    // Of a batch that someone else may have handled meanwhile nothing is left to be written.
    if (batch.assignment !== undefined && !partition.assign(batch.assignment)) pending.delete(partition);
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
  async function prepare(batch: Batch, partition: PartitionState): Promise<ActiveDetector> {
    let active = parts.current();
    for (let prepared: Detector | undefined; prepared !== active.detector;) {
      prepared = active.detector;
      await partition.prepare(batch, prepared);
      active = parts.current();
    }
    return active;
  }

  /** Counts an outcome only when it is out: what a sink refuses is written, and counted, later. */
  async function write(batch: Batch, partition: PartitionState, outcome: Outcome): Promise<number> {
    const began = performance.now();
    await writeAll(outcome, metrics);
    pending.delete(partition);
    outcome.settle();
    metrics.consumed(batch.topic, outcome.consumed);
    metrics.scored(outcome.surprises, outcome.scored, outcome.threshold);
    metrics.windowNotFull(outcome.windowNotFull);
    metrics.incomplete(outcome.incomplete);
    metrics.limitViolations(outcome.limitViolations);
    metrics.warmUps(outcome.warmUps);
    metrics.unknownConditions(outcome.unknownConditions);
    for (const { reason } of outcome.deadLetters) metrics.rejected(reason);
    for (const reason of ['duplicate', 'out_of_order'] as const)
      metrics.ignored(reason, outcome.ignored[reason]);
    metrics.suppressed(outcome.suppressed);
    metrics.eventsOpened(outcome.events.filter((event) => event.status === 'open').length);
    metrics.eventsOpen(sum(states.partitions, ({ events }) => events.open));
    metrics.windowKeys(sum(states.partitions, ({ windows }) => windows.size));
    return (performance.now() - began) / 1000;
  }

  /**
   * When scoring itself fails, the windows hold records that have no verdict and would pass for duplicates. Only a new
   * start, which fills the windows anew, puts that right: until then no batch is taken, so none is acknowledged.
   *
   * All of a batch is decoded first, since decoding may take its time beside other work; from the first record in a
   * window to the last verdict it is one model version that is asked, whatever else comes into use meanwhile.
   */
  async function assessOrBreak(batch: Batch, partition: PartitionState): Promise<Outcome> {
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
    partition: PartitionState,
    active: ActiveDetector,
  ): Promise<Outcome> {
    const { detector, threshold } = active;
    const outcome: Outcome = {
      detections: [],
      events: [],
      deadLetters: [],
      consumed: batch.messages.length,
      scored: 0,
      threshold,
      windowNotFull: 0,
      incomplete: 0,
      limitViolations: 0,
      suppressed: 0,
      ignored: { duplicate: 0, out_of_order: 0 },
      warmUps: 0,
      unknownConditions: 0,
      decodeSeconds: 0,
      scoreSeconds: 0,
      surprises: new Float64Array(batch.messages.length),
      pendingSinks: new Set(parts.sinks),
      advance: advanceOf(batch, partition),
      settle: () => undefined,
    };
    const now = parts.now();
    const suppressedBefore = partition.events.suppressedRecords;
    const began = performance.now();
    const read = { ...decoded, messages: batch.messages };
    let scored: { chunk: Chunk; raw: Promise<RawScores> | undefined } | undefined;
    for (const [from, to] of chunksOf(batch.messages, chunkRecords(detector.shape))) {
      const chunk = fillChunk(takeChunk(detector), read, from, to, partition, outcome);
      const before = scored && { chunk: scored.chunk, raw: await scored.raw };
      scored = { chunk, raw: chunk.windows.count === 0 ? undefined : detector.assess(chunk.windows) };
      // It is awaited below; until then its error is not to pass for one that nobody handles.
      scored.raw?.catch(() => undefined);
      if (before !== undefined)
        await judgeChunk(before.chunk, before.raw, read, active, partition, outcome, now);
    }
    if (scored !== undefined)
      await judgeChunk(scored.chunk, await scored.raw, read, active, partition, outcome, now);
    outcome.scoreSeconds = (performance.now() - began) / 1000;
    outcome.suppressed = partition.events.suppressedRecords - suppressedBefore;
    if (active.drift !== undefined) metrics.drift(active.drift.evidenceRatio, active.drift.active);
    if (active.drift?.active === true) parts.onDrift?.();
    const last = batch.messages.at(-1);
    if (last !== undefined) partition.advance(BigInt(last.origin.offset));
    outcome.settle = partition.settlement();
    return outcome;
  }

  /** Two are enough: one is filled while the other is scored. */
  function takeChunk(detector: Detector): Chunk {
    const chunk =
      idleChunks.get(detector)?.pop() ?? createChunk(detector.createBatch(chunkRecords(detector.shape)));
    clearWindows(chunk.windows);
    chunk.limits.clear();
    chunk.count = 0;
    return chunk;
  }

  function giveBack(detector: Detector, chunk: Chunk): void {
    const idle = idleChunks.get(detector);
    if (idle === undefined) idleChunks.set(detector, [chunk]);
    else idle.push(chunk);
  }

  /**
   * Pushes each record of a part of the batch; takes those that get a verdict, and the warmUps whose verdicts events and
   * levels lack.
   */
  function fillChunk(
    chunk: Chunk,
    { messages, records, rows }: Decoded,
    from: number,
    to: number,
    partition: PartitionState,
    outcome: Outcome,
  ): Chunk {
    const { windows } = partition;
    const valuesPerRecord = records.values.length / records.capacity;
    const warmUp = (chunk.warmUp = messages[from]!.warmUp);
    // Offsets ascend.
    let mayBeHeld = true;
    for (let i = from; i < to; i++) {
      const message = messages[i]!;
      const row = rows[i]!;
      mayBeHeld &&= partition.hasProcessed(BigInt(message.origin.offset));
      if (warmUp || mayBeHeld) outcome.warmUps++;
      // Handled before, but its offset was not committed: its verdict, or why it was refused, is out already.
      if (mayBeHeld) continue;
      if (row instanceof DecodeError) {
        if (!warmUp) outcome.deadLetters.push(toDeadLetter(message, row));
        continue;
      }
      const key = records.keys[row]!;
      const result = windows.push(key, row, records.timestamps, records.values, records.conditions);
      if (result === 'ready' || result === 'not_full') {
        if (warmUp && !partition.rescores) continue;
        const limits = parts.limits(records.values, row * valuesPerRecord);
        const lacks = windows.lacks(key);
        const isJudged = result === 'ready' || limits.length > 0;
        if (isJudged) {
          const at = chunk.count++;
          chunk.messages[at] = i;
          chunk.rows[at] = row;
          chunk.places[at] = result === 'ready' ? chunk.windows.count : -1;
          chunk.lacks[at] = lacks ? 1 : 0;
          if (limits.length > 0) chunk.limits.set(at, limits);
        }
        if (result === 'ready') windows.copy(key, chunk.windows);
        if (warmUp) continue;
        outcome.limitViolations += limits.length;
        if (isJudged) continue;
        outcome.windowNotFull++;
        if (lacks) outcome.incomplete++;
      } else if (warmUp) continue;
      else if (parts.stale[result] === 'ignore') outcome.ignored[result]++;
      else outcome.deadLetters.push(toDeadLetter(message, staleRecord(result, records, row)));
    }
    return chunk;
  }

  async function judgeChunk(
    chunk: Chunk,
    raw: RawScores | undefined,
    { messages, records }: Decoded,
    active: ActiveDetector,
    partition: PartitionState,
    outcome: Outcome,
    now: number,
  ): Promise<void> {
    const { detector, drift } = active;
    const { threshold } = outcome;
    const keyOf = (at: number): string => records.keys[chunk.rows[at]!]!;
    const scores =
      raw && detector.judge(chunk.windows, raw, baselinesOfWindows(chunk, messages, keyOf, partition));
    for (let at = 0; at < chunk.count; at++) {
      const key = keyOf(at);
      const timestamp = records.timestamps[chunk.rows[at]!]!;
      const window = chunk.places[at]!;
      const given = window < 0 ? undefined : scores;
      const limits = chunk.limits.size === 0 ? undefined : chunk.limits.get(at);
      // Nothing that the model says can make up for a violated limit.
      const surprise = limits === undefined ? given!.surprise[window]! : mostSurprising;
      const anomalous = surprise >= threshold;
      const lacksWindow = chunk.lacks[at] === 1;
      const lacksBaselines = given !== undefined && partition.lacksBaselines(key);
      if (!chunk.warmUp) {
        if (given !== undefined) drift?.observe(key, given.surprise[window]!);
        outcome.surprises[outcome.scored++] = surprise;
        if (lacksWindow || lacksBaselines) outcome.incomplete++;
      }
      if (!anomalous && (chunk.warmUp || anomaliesOnly)) {
        if (!chunk.warmUp) explanations?.isDue({ key, surprise, anomalous }, now);
        note(partition.events.pass(key, timestamp));
        continue;
      }
      const detection: Detection = {
        detector: parts.detectorName,
        key,
        timestamp,
        origin: messages[chunk.messages[at]!]!.origin,
        surprise,
        threshold,
        anomalous,
        extrapolated: limits === undefined && given!.extrapolated[window] === 1,
        limits: limits ?? [],
        statistics: given?.statisticsOf(window) ?? {},
        ...(given?.baselines && { baselines: rowOf(given.baselines, window) }),
        contributions: anomalous ? withLimits(limits, given?.contributions(window) ?? []) : [],
        ...((lacksWindow || lacksBaselines) && { incomplete: lackingParts(lacksWindow, lacksBaselines) }),
        modelVersion: detector.version,
      };
      if (!chunk.warmUp) {
        if (given !== undefined && explanations?.isDue(detection, now) === true) {
          // Each takes some milliseconds, in which nobody else is heard.
          await nextTurn();
          const began = performance.now();
          Object.assign(detection, given.explain(window));
          explanations.spent(performance.now() - began);
        }
        outcome.detections.push(detection);
      }
      note(partition.events.observe(detection));
    }
    if (!chunk.warmUp) outcome.unknownConditions += scores?.unknownConditions ?? 0;
    giveBack(detector, chunk);

    function note(events: readonly AnomalyEvent[]): void {
      // The verdict on a warmUp is out, and so is whatever it opened or closed.
      if (!chunk.warmUp && events.length > 0) outcome.events.push(...events);
    }
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
  limits: readonly LimitViolation[] | undefined,
  said: readonly Contribution[],
): readonly Contribution[] {
  if (limits === undefined) return said;
  const violated = limits.map(({ channel, actual }): Contribution => {
    const byModel = said.find((one) => one.channel === channel);
    const unknown = { channel, contribution: 0, actual, expected: NaN, repeats: 0 };
    return { ...(byModel ?? unknown), surprise: mostSurprising };
  });
  return [...violated, ...said.filter(({ channel }) => !limits.some((one) => one.channel === channel))];
}

/** Windows of a shape that are scored at once. */
function chunkRecords({ length, channels }: WindowShape): number {
  const fitting = Math.floor(maxChunkValues / (length * channels));
  return Math.max(minChunkRecords, Math.min(maxChunkRecords, fitting));
}

/** From and up to which message a part goes that is scored at once; warmUps, which come first, and others apart. */
function* chunksOf(
  messages: readonly Message[],
  size: number,
): Generator<readonly [from: number, to: number]> {
  const firstLive = messages.findIndex(({ warmUp }) => !warmUp);
  const warmUps = firstLive < 0 ? messages.length : firstLive;
  for (let from = 0, to; from < messages.length; from = to) {
    to = Math.min(from + size, from < warmUps ? warmUps : messages.length);
    yield [from, to];
  }
}

/** By window of a part, the levels of its device; undefined where they are not followed. */
function baselinesOfWindows(
  { count, messages: places, places: windows }: Chunk,
  messages: readonly Message[],
  keyOf: (at: number) => string,
  partition: PartitionState,
): BaselinesOf | undefined {
  if (!partition.followsBaselines) return undefined;
  const inWindows = Array.from({ length: count }, (_, at) => at).filter((at) => windows[at]! >= 0);
  return (window) => {
    const at = inWindows[window]!;
    return partition.baselinesOf(keyOf(at), BigInt(messages[places[at]!]!.origin.offset));
  };
}

/** How far the partition comes with what is said of a batch: of those of its messages that have not been handled yet. */
function advanceOf(
  { topic, partition, messages, committed, next }: Batch,
  states: PartitionState,
): Advance | undefined {
  if (next === undefined || committed === undefined) return undefined;
  const first = messages.find(({ warmUp, origin }) => !warmUp && !states.hasProcessed(BigInt(origin.offset)));
  return {
    topic,
    partition,
    committed,
    from: first === undefined ? next : BigInt(first.origin.offset),
    to: next,
  };
}

function lackingParts(window: boolean, baselines: boolean): Detection['incomplete'] & {} {
  return [...(window ? ['window' as const] : []), ...(baselines ? ['baselines' as const] : [])];
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
  const sinks = [...outcome.pendingSinks];
  const results = await Promise.allSettled(sinks.map((sink) => sink.write(outcome)));
  const failures = results.flatMap((result, i) => {
    const sink = sinks[i]!;
    if (result.status === 'fulfilled') {
      outcome.pendingSinks.delete(sink);
      return [];
    }
    metrics.sinkError(sink.name);
    return [new Error(`sink ${sink.name} did not take the batch`, { cause: result.reason })];
  });
  if (failures.length > 0)
    throw failures.length === 1 ? failures[0]! : new AggregateError(failures, 'sinks failed');
}
