/** Pushes decoded records into the windows of their keys, and collects the windows in chunks to score. */
import type { Staleness } from '../domain/continuity';
import type { DeviceLinks } from '../domain/recency';
import type { RecordBatch, Values } from '../domain/record';
import type { CheckLimits, LimitViolation } from '../domain/signal';
import { clearWindows, type WindowBatch, type WindowShape } from '../domain/window';
import type { DecodedBatch } from '../codecs/codec';
import { DecodeError } from '../errors';
import type { Detector } from '../scoring/detector';
import type { DeviceMemory } from '../scoring/memory';
import type { Message } from '../sources/source';
import type { PartitionState } from '../state/partition';
import { toDeadLetter, type Outcome } from './outcome';

/** Maximum number of records of a chunk. A larger batch is scored in several chunks. */
const maxChunkRecords = 1024;

/**
 * Maximum number of values in the windows of a chunk, unless a single window has more. Two chunks exist at a time, so those of
 * large images have few records.
 */
const maxChunkValues = 4_000_000;

/** Records to decide on, in columns. */
export type Chunk = ReturnType<typeof createChunk>;

export function createChunk(windows: WindowBatch) {
  const { capacity } = windows;
  return {
    windows,
    /** The records were scored before: they only update the state of their partition. */
    warmUp: false,
    /** Number of records that joined a window, or violate a limit. */
    count: 0,
    /** Index of each record's message in the batch. Shape [capacity]. */
    messages: new Int32Array(capacity),
    /** Row of each record in the columns of decoded records. Shape [capacity]. */
    rows: new Int32Array(capacity),
    /** Key of each record. `links`: items of its device, undefined if there was no room for a window. */
    keys: new Array<string>(capacity).fill(''),
    devices: new Array<DeviceLinks | undefined>(capacity).fill(undefined),
    /** Index of each record's window in `windows`; −1 while its window is not full. Shape [capacity]. */
    places: new Int32Array(capacity),
    /**
     * 1 = a decision is made on the record; 0 = its window is not full, and the record only shows that the device sends. Shape
     * [capacity].
     */
    decided: new Uint8Array(capacity),
    /** 1 = the window may lack records. Shape [capacity]. */
    lacks: new Uint8Array(capacity),
    /** 1 = the baselines of its device may differ from those of an uninterrupted process. Shape [capacity]. */
    lacksBaselines: new Uint8Array(capacity),
    /** The memory of the device of each window; undefined for records before the baselines begin. */
    memories: new Array<DeviceMemory | undefined>(capacity).fill(undefined),
    /** Hard limits that a record violates, by record. */
    limits: new Map<number, readonly LimitViolation[]>(),
    /** By record: channels of its device that have a new normal from the device's next record on. */
    newNormals: new Map<number, readonly string[]>(),
  };
}

export interface DecodedMessages extends DecodedBatch {
  messages: readonly Message[];
}

/** Number of records of a chunk for windows of this shape. */
export function chunkRecords({ length, channels }: WindowShape): number {
  const fitting = Math.floor(maxChunkValues / (length * channels));
  return Math.max(1, Math.min(maxChunkRecords, fitting));
}

/**
 * Message ranges [from, to) of the chunks of a batch. Warm-up messages come first and have their own chunks. Each of the
 * offsets `after` ends a chunk.
 */
export function* chunkRanges(
  messages: readonly Message[],
  size: number,
  after: readonly bigint[] = [],
): Generator<readonly [from: number, to: number]> {
  const starts = [
    messages.findIndex(({ warmUp }) => !warmUp),
    ...after.map((offset) => messages.findIndex(({ origin }) => BigInt(origin.offset) > offset)),
  ].filter((start) => start > 0);
  for (let from = 0, to; from < messages.length; from = to) {
    to = Math.min(from + size, messages.length, ...starts.filter((start) => start > from));
    yield [from, to];
  }
}

/** A pool of reusable chunks. A batch in progress needs two: one is filled while the other is scored. */
export function createChunkPool() {
  const idle = new WeakMap<Detector, Chunk[]>();
  return {
    /** An empty chunk. */
    take(detector: Detector): Chunk {
      const chunk =
        idle.get(detector)?.pop() ?? createChunk(detector.createBatch(chunkRecords(detector.shape), true));
      clearWindows(chunk.windows);
      chunk.limits.clear();
      chunk.newNormals.clear();
      chunk.count = 0;
      return chunk;
    },
    giveBack(detector: Detector, chunk: Chunk): void {
      chunk.windows.deferred?.end();
      const chunks = idle.get(detector);
      if (chunks === undefined) idle.set(detector, [chunk]);
      else chunks.push(chunk);
    },
  };
}

export interface WindowingRules {
  detectorName: string;
  limits: CheckLimits;
  /** Whether a record that is not newer than the newest one of its key becomes a dead letter, or is only counted. */
  stale: Readonly<Record<Staleness, 'reject' | 'ignore'>>;
}

/**
 * Pushes the records of messages [from, to) into their windows, and adds them to the chunk or to the dead letters of `outcome`.
 * Records without a decision are counted. Of warm-up messages, only those that events and baselines lack are added.
 */
export function fillChunk(
  chunk: Chunk,
  { messages, records, rows }: DecodedMessages,
  from: number,
  to: number,
  partition: PartitionState,
  { detectorName, limits: limitsOf, stale }: WindowingRules,
  { counts, deadLetters }: Outcome,
): void {
  const { windows, baselines } = partition;
  const valuesPerRecord = records.values.length / records.capacity;
  const hasCounters = chunk.windows.counters.length > 0;
  const warmUp = (chunk.warmUp = messages[from]!.warmUp);
  // Offsets ascend, so all messages after the first unprocessed one are unprocessed.
  let maybeProcessed = true;
  for (let i = from; i < to; i++) {
    const message = messages[i]!;
    const row = rows[i]!;
    maybeProcessed &&= partition.hasProcessed(BigInt(message.origin.offset));
    if (warmUp || maybeProcessed) counts.warmUps++;
    // The offset of the message was not committed, but its outcome has been written.
    if (maybeProcessed) continue;
    if (row instanceof DecodeError) {
      if (!warmUp) deadLetters.push(toDeadLetter(detectorName, message, row));
      continue;
    }
    const written = records.keys[row]!;
    const result = windows.push(written, row, records.timestamps, records.values, records.conditions);
    if (result === 'ready' || result === 'not_full' || result === 'no_room') {
      if (warmUp && !partition.rescores) continue;
      const device = result === 'no_room' ? undefined : windows.latest;
      // All records of a device share one string, so that keys are compared by reference.
      const key = device?.key ?? written;
      const limits = limitsOf(records.values, row * valuesPerRecord);
      const lacks = hasCounters ? windows.lacksWithCounters(key) : windows.lacks(key);
      const isDecidable = result === 'ready' || limits.length > 0;
      const at = chunk.count++;
      chunk.messages[at] = i;
      chunk.rows[at] = row;
      chunk.keys[at] = key;
      chunk.devices[at] = device;
      chunk.places[at] = result === 'ready' ? chunk.windows.count : -1;
      chunk.decided[at] = isDecidable ? 1 : 0;
      chunk.lacks[at] = lacks ? 1 : 0;
      if (limits.length > 0) chunk.limits.set(at, limits);
      if (result === 'ready') {
        const { offset } = message.origin;
        const memory = baselines?.of(key, offset, device);
        memory?.enter(records.values, row * valuesPerRecord, records.timestamps[row]!);
        chunk.lacksBaselines[at] = baselines?.lacks(key, offset) === true ? 1 : 0;
        if (memory !== undefined && memory.newNormal.length > 0) chunk.newNormals.set(at, memory.newNormal);
        windows.copy(key, chunk.windows);
        // Stored in the chunk, as later records of the chunk may drop the device.
        chunk.memories[chunk.places[at]] = memory;
        memory?.recall(chunk.windows, chunk.windows.count - 1);
      }
      if (warmUp) continue;
      if (result === 'ready' && isEmpty(records.values, row, valuesPerRecord)) counts.withoutValues++;
      if (result === 'no_room') counts.noRoom++;
      counts.limitViolations += limits.length;
      if (isDecidable) continue;
      counts.windowNotFull++;
      if (lacks) counts.incomplete++;
    } else if (warmUp) continue;
    else if (stale[result] === 'ignore') counts.ignored[result]++;
    else deadLetters.push(toDeadLetter(detectorName, message, staleRecord(result, records, row)));
  }
}

/** Whether all values of a record are missing. Bytes are never missing. */
function isEmpty(values: Values, row: number, width: number): boolean {
  for (let i = row * width; i < (row + 1) * width; i++) if (!Number.isNaN(values[i]!)) return false;
  return true;
}

function staleRecord(result: Staleness, records: RecordBatch, row: number): DecodeError {
  const time = new Date(records.timestamps[row]!).toISOString();
  const key = records.keys[row]!;
  const when = result === 'duplicate' ? 'at' : 'after';
  return new DecodeError(result, `key "${key}" already has a record ${when} ${time}`);
}
