/** The last n records of each key, in rings of typed arrays: raw values, so that a new model can read them too. */
import { createContinuity, fillerTime, staleness, type Staleness, type TimeRules } from './continuity';
import { joinConditions } from './condition';
import {
  createValues,
  givenConditions,
  imageOf,
  valuesPerRecord,
  type RecordSchema,
  type Values,
} from './record';

/**
 * Windows side by side, ready to be scored; oldest record of a window first. Filled by a window store (live)
 * or a data set (training), read by a detector: the same way in for both.
 */
export interface WindowBatch {
  readonly capacity: number;
  count: number;
  /** What a model reads of the windows; absent where it has yet to be made of their values. */
  readonly encoded?: EncodedWindows;
  /** Shape [capacity, length, channels], raw; NaN = missing. */
  readonly values: Values;
  /** Shape [capacity, length, given conditions], as read. */
  readonly conditions: Float64Array;
  /** Shape [capacity, length], Unix ms. */
  readonly timestamps: Float64Array;
}

/** Brings single records to what a model reads. A window store keeps what becomes of each, so that none is encoded twice. */
export interface RecordEncoder {
  /** Length of the encoding of a record's conditions. */
  readonly recordConditionDim: number;
  /**
   * Encodes row `row` of columns shaped as in RecordBatch.
   * @param x gets the values, scaled, as row `xRow`
   * @param c gets the conditions, as row `cRow`
   * @returns how many conditions are not known
   */
  encodeRecord(
    columns: RecordColumns,
    row: number,
    x: Float32Array,
    xRow: number,
    c: Float32Array,
    cRow: number,
  ): number;
}

/** Records row by row, shaped as in RecordBatch. */
export interface RecordColumns {
  readonly values: Values;
  readonly conditions: Float64Array;
  readonly timestamps: Float64Array;
}

/** Encoded windows, row by row; reused. */
export interface EncodedWindows {
  readonly encoder: RecordEncoder;
  /** Windows that are encoded, from the first on. Whoever changes what they have been encoded to, sets it to 0. */
  count: number;
  /** Shape [capacity, length × channels], the capacity rounded up to what engines run at once. */
  readonly x: Float32Array;
  /** 0 = not seen. Where no value is missing it is left to whoever scores. */
  readonly mask: Float32Array;
  /** Shape [capacity, 2 × encoder.recordConditionDim]. */
  readonly c: Float32Array;
  /** 1 = values are missing. Shape [capacity]. */
  readonly lacking: Uint8Array;
  /** Windows in which values are missing. */
  lackingCount: number;
  /** Conditions that the model does not know, over all records that end a window. */
  unknownConditions: number;
}

export interface WindowShape {
  /** Records per window; an image is a window of its own. */
  length: number;
  /** Values per record. */
  channels: number;
  /** Conditions that records carry. */
  conditions: number;
  /** The values are pixels: bytes, and none is missing. */
  pixels?: true;
}

/** The shape of the windows of so many records, or of one image. */
export function windowShape(
  schema: Pick<RecordSchema, 'kind' | 'image' | 'channels' | 'conditions'>,
  length: number,
): WindowShape {
  const isImage = imageOf(schema) !== undefined;
  return {
    length: isImage ? 1 : length,
    channels: valuesPerRecord(schema),
    conditions: givenConditions(schema.conditions).length,
    ...(isImage && { pixels: true }),
  };
}

export function createWindowBatch(
  shape: WindowShape,
  capacity: number,
  encoded?: EncodedWindows,
): WindowBatch {
  return {
    capacity,
    count: 0,
    ...(encoded && { encoded }),
    values: createValues(capacity * shape.length * shape.channels, shape.pixels === true),
    conditions: new Float64Array(capacity * shape.length * shape.conditions),
    timestamps: new Float64Array(capacity * shape.length),
  };
}

/** Empties a batch, to be filled again. */
export function clearWindows(batch: WindowBatch): void {
  batch.count = 0;
  if (batch.encoded !== undefined) resetEncoded(batch.encoded);
}

/** Forgets what has been encoded. */
export function resetEncoded(encoded: EncodedWindows): void {
  encoded.count = encoded.lackingCount = encoded.unknownConditions = 0;
}

/** What became of a record: its window is full, still filling, or the record is not newer than the last one. */
export type PushResult = 'ready' | 'not_full' | Staleness;

export interface WindowStore {
  /** Takes row `row` of columns shaped as in RecordBatch. */
  push(
    key: string,
    row: number,
    timestamps: Float64Array,
    values: Values,
    conditions: Float64Array,
  ): PushResult;
  /** Copies the window of a key that was 'ready' behind the last one of `batch`, encoded too where that is wanted. */
  copy(key: string, batch: WindowBatch): void;
  /** Whether there may have been records of a key, before its newest one, that its window should hold and does not. */
  lacks(key: string): boolean;
  /** From the next record of each key on, records may be missing before it. */
  interrupt(): void;
  /** What `createWindowStore` goes on from, bit for bit. */
  snapshot(): WindowsSnapshot;
  /** Keys held now. */
  readonly size: number;
}

/** What is held of all keys, as columns: of each key as many records as its next window needs beside the next record. */
export interface WindowsSnapshot {
  /** The least recently seen first. */
  readonly keys: readonly string[];
  /** Event time of the newest record of each key, Unix ms. Shape [keys]. */
  readonly newest: Float64Array;
  /** Records held of each key. Shape [keys]. */
  readonly held: Int32Array;
  /** How many records the window of each key may lack. Shape [keys]. */
  readonly lacking: Int32Array;
  /** Key after key, the oldest record of each first. Shape [records held, channels]. */
  readonly values: Values;
  /** Shape [records held, given conditions]. */
  readonly conditions: Float64Array;
  /** Shape [records held], Unix ms. */
  readonly timestamps: Float64Array;
  /** Event time from which on a key that is not held is a new one, Unix ms. */
  readonly knownFrom: number;
}

/** What comes before the first record: nothing, or records that are not known. */
export type WindowsBeginning = 'empty' | 'unknown';

export interface WindowLimits extends TimeRules {
  /** Keys held at once; the least recently seen goes first. */
  maxKeys: number;
}

interface Ring extends RecordColumns {
  key: string;
  /** Neighbours in the order in which keys were seen last. */
  before: Ring | undefined;
  after: Ring | undefined;
  /** Records pushed so far, those that fill gaps included. */
  pushed: number;
  newest: number;
  /** Number of the last record in which a value was missing, of those pushed; below 0 = none. */
  missingAt: number;
  encoded: EncodedRing | undefined;
  /** Records that the window may lack before its newest one; as many as a window has: not even the last one is known. */
  lacking: number;
}

/** The records of a ring as one encoder has encoded them. */
interface EncodedRing {
  encoder: RecordEncoder;
  /** Records that have been encoded, of those pushed. */
  upTo: number;
  x: Float32Array;
  c: Float32Array;
}

/** @throws RangeError when a snapshot is of windows of another shape */
export function createWindowStore(
  shape: WindowShape,
  limits: WindowLimits,
  beginning: WindowsBeginning | WindowsSnapshot = 'empty',
): WindowStore {
  const rings = new Map<string, Ring>();
  /** The least and the most recently seen, with all others linked in between: keys are seen far more often than they come. */
  let oldest: Ring | undefined;
  let latest: Ring | undefined;
  /** In the place of those of the rings, where windows have one record. */
  let single: EncodedRing | undefined;
  const { length, channels, conditions: given } = shape;
  const continuityOf = createContinuity(limits, length);
  /** Event time; infinite until the first record says what time it is. */
  let knownFrom = beginning === 'unknown' ? Infinity : -Infinity;
  if (typeof beginning === 'object') restore(beginning);

  /** Of a key that is seen now. */
  function see(key: string): Ring {
    if (latest?.key === key) return latest;
    let ring = rings.get(key);
    if (ring === undefined) {
      ring = rings.size >= limits.maxKeys ? evict(oldest!, key) : createRing(key);
      rings.set(key, ring);
    } else unlink(ring);
    ring.before = latest;
    if (latest === undefined) oldest = ring;
    else latest.after = ring;
    return (latest = ring);
  }

  function unlink(ring: Ring): void {
    const { before, after } = ring;
    if (before === undefined) oldest = after;
    else before.after = after;
    if (after === undefined) latest = before;
    else after.before = before;
    ring.before = ring.after = undefined;
  }

  /** The room of one key for another. */
  function evict(ring: Ring, key: string): Ring {
    rings.delete(ring.key);
    unlink(ring);
    empty(ring);
    ring.key = key;
    ring.newest = -Infinity;
    ring.lacking = length;
    return ring;
  }

  function empty(ring: Ring): void {
    ring.pushed = 0;
    ring.missingAt = -1;
    if (ring.encoded !== undefined) ring.encoded.upTo = 0;
  }

  function createRing(key: string): Ring {
    return {
      key,
      before: undefined,
      after: undefined,
      pushed: 0,
      newest: -Infinity,
      lacking: length,
      missingAt: -1,
      encoded: undefined,
      values: createValues(length * channels, shape.pixels === true),
      conditions: new Float64Array(length * given),
      timestamps: new Float64Array(length),
    };
  }

  /** A record without values, under the conditions at `row`. */
  function pushFiller(ring: Ring, timestamp: number, conditions: Float64Array, row: number): void {
    ring.missingAt = ring.pushed;
    const slot = ring.pushed++ % length;
    ring.values.fill(NaN, slot * channels, (slot + 1) * channels);
    for (let i = 0; i < given; i++) ring.conditions[slot * given + i] = conditions[row * given + i]!;
    ring.timestamps[slot] = timestamp;
  }

  /** How many records the window may lack once a record has entered it. */
  function lackingAfter(ring: Ring, timestamp: number, restart: boolean, fillers: number): number {
    if (ring.lacking < length) return restart ? 0 : Math.max(0, ring.lacking - 1 - fillers);
    // A window that is older than the TTL begins anew in any case. Twice, because the clocks of devices differ.
    if (knownFrom === Infinity) knownFrom = timestamp + 2 * limits.ttlMs;
    return timestamp < knownFrom ? length - 1 : 0;
  }

  function restore(from: WindowsSnapshot): void {
    assertShape(from, shape);
    ({ knownFrom } = from);
    const tooMany = from.keys.length - limits.maxKeys;
    let row = 0;
    from.keys.forEach((_, k) => {
      const held = from.held[k]!;
      if (k < tooMany) {
        row += held;
        return;
      }
      const ring = see(from.keys[k]!);
      ring.pushed = held;
      ring.newest = from.newest[k]!;
      ring.lacking = from.lacking[k]!;
      ring.values.set(from.values.subarray(row * channels, (row + held) * channels));
      ring.conditions.set(from.conditions.subarray(row * given, (row + held) * given));
      ring.timestamps.set(from.timestamps.subarray(row, row + held));
      for (let i = 0; i < held * channels; i++)
        if (Number.isNaN(ring.values[i]!)) ring.missingAt = Math.floor(i / channels);
      row += held;
    });
  }

  function* leastRecentFirst(): Generator<Ring> {
    for (let ring = oldest; ring !== undefined; ring = ring.after) yield ring;
  }

  /** What an encoder has made of the records of a ring so far. */
  function encodedBy(encoder: RecordEncoder, ring: Ring): EncodedRing {
    // A window of one record has nothing to keep for the next.
    const held = length === 1 ? single : ring.encoded;
    if (held?.encoder === encoder) {
      if (length === 1) held.upTo = 0;
      return held;
    }
    const x = new Float32Array(length * channels);
    const encoded = { encoder, upTo: 0, x, c: new Float32Array(length * encoder.recordConditionDim) };
    if (length === 1) single = encoded;
    else ring.encoded = encoded;
    return encoded;
  }

  /** What an encoder makes of the newest window of a ring, as window `at` of a batch. */
  function copyEncoded(ring: Ring, out: EncodedWindows, at: number): void {
    const { encoder } = out;
    const { recordConditionDim } = encoder;
    const isLacking = ring.pushed - ring.missingAt <= length && ring.missingAt >= 0;
    out.lacking[at] = isLacking ? 1 : 0;
    if (isLacking) out.lackingCount++;
    const encoded = encodedBy(encoder, ring);
    let unknown = 0;
    for (let i = Math.max(encoded.upTo, ring.pushed - length); i < ring.pushed; i++) {
      const slot = i % length;
      unknown = encoder.encodeRecord(ring, slot, encoded.x, slot, encoded.c, slot);
    }
    encoded.upTo = ring.pushed;
    out.unknownConditions += unknown;
    const first = ring.pushed % length;
    copyRows(encoded.x, first, length, channels, out.x, at * length);
    if (recordConditionDim > 0) joinConditions(encoded.c, first, length, recordConditionDim, out.c, at);
    if (out.count === at) out.count++;
  }

  function snapshot(): WindowsSnapshot {
    const all = [...leastRecentFirst()];
    const held = Int32Array.from(all, ({ pushed }) => Math.min(pushed, length - 1));
    const rows = held.reduce((sum, count) => sum + count, 0);
    const values = createValues(rows * channels, shape.pixels === true);
    const conditions = new Float64Array(rows * given);
    const timestamps = new Float64Array(rows);
    let row = 0;
    all.forEach((ring, k) => {
      const count = held[k]!;
      const first = (ring.pushed - count) % length;
      copyRows(ring.values, first, count, channels, values, row);
      copyRows(ring.conditions, first, count, given, conditions, row);
      copyRows(ring.timestamps, first, count, 1, timestamps, row);
      row += count;
    });
    return {
      keys: all.map(({ key }) => key),
      newest: Float64Array.from(all, ({ newest }) => newest),
      held,
      lacking: Int32Array.from(all, ({ lacking }) => lacking),
      values,
      conditions,
      timestamps,
      knownFrom,
    };
  }

  return {
    push(key, row, timestamps, values, conditions) {
      const ring = see(key);
      const timestamp = timestamps[row]!;
      const stale = staleness(ring.newest, timestamp);
      if (stale !== undefined) return stale;
      const continuation = continuityOf(ring.newest, timestamp);
      const { restart, fillers } = continuation;
      ring.lacking = lackingAfter(ring, timestamp, restart, fillers);
      const before = (ring.pushed - 1 + length) % length;
      if (restart) empty(ring);
      for (let i = 0; i < fillers; i++) {
        const time = fillerTime(continuation, ring.newest, timestamp, i);
        if (restart) pushFiller(ring, time, conditions, row);
        else pushFiller(ring, time, ring.conditions, before);
      }
      const slot = ring.pushed % length;
      for (let i = 0; i < channels; i++) {
        const value = values[row * channels + i]!;
        ring.values[slot * channels + i] = value;
        if (Number.isNaN(value)) ring.missingAt = ring.pushed;
      }
      ring.pushed++;
      for (let i = 0; i < given; i++) ring.conditions[slot * given + i] = conditions[row * given + i]!;
      ring.timestamps[slot] = timestamp;
      ring.newest = timestamp;
      return ring.pushed >= length ? 'ready' : 'not_full';
    },
    copy(key, batch) {
      const ring = latest?.key === key ? latest : rings.get(key)!;
      const first = ring.pushed % length;
      const window = batch.count++;
      const at = window * length;
      copyRows(ring.values, first, length, channels, batch.values, at);
      if (given > 0) copyRows(ring.conditions, first, length, given, batch.conditions, at);
      copyRows(ring.timestamps, first, length, 1, batch.timestamps, at);
      if (batch.encoded !== undefined) copyEncoded(ring, batch.encoded, window);
    },
    lacks: (key) => (latest?.key === key ? latest : rings.get(key)!).lacking > 0,
    interrupt() {
      for (const ring of rings.values()) ring.lacking = length;
      knownFrom = Infinity;
    },
    snapshot,
    get size() {
      return rings.size;
    },
  };
}

function assertShape(
  { keys, newest, held, lacking, values, conditions, timestamps }: WindowsSnapshot,
  { length, channels, conditions: given, pixels }: WindowShape,
): void {
  const rows = held.reduce((sum, count) => sum + count, 0);
  const fits =
    [newest, held, lacking].every((column) => column.length === keys.length) &&
    held.every((count) => count >= 0 && count < length) &&
    lacking.every((count) => count >= 0 && count <= length) &&
    values instanceof Uint8Array === (pixels === true) &&
    values.length === rows * channels &&
    conditions.length === rows * given &&
    timestamps.length === rows;
  if (!fits) throw new RangeError('windows are of another shape');
}

/** Below this a loop is faster than what has to be made for a call. */
const fewNumbers = 64;

/** Copies `count` rows, `width` wide, of a ring from row `first` on. */
function copyRows(
  ring: Values | Float32Array,
  first: number,
  count: number,
  width: number,
  out: Values | Float32Array,
  row: number,
): void {
  const untilEnd = Math.min(count, ring.length / width - first);
  copyRun(ring, first * width, untilEnd * width, out, row * width);
  if (untilEnd < count) copyRun(ring, 0, (count - untilEnd) * width, out, (row + untilEnd) * width);
}

function copyRun(
  from: Values | Float32Array,
  start: number,
  count: number,
  out: Values | Float32Array,
  at: number,
): void {
  if (count > fewNumbers) out.set(from.subarray(start, start + count), at);
  else for (let i = 0; i < count; i++) out[at + i] = from[start + i]!;
}
