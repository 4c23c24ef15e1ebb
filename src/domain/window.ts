/** The last n records of each key, in rings of typed arrays: raw values, so that a new model can read them too. */
import { createContinuity, fillerTime, staleness, type Staleness, type TimeRules } from './continuity';
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
  /** Shape [capacity, length, channels], raw; NaN = missing. */
  readonly values: Values;
  /** Shape [capacity, length, given conditions], as read. */
  readonly conditions: Float64Array;
  /** Shape [capacity, length], Unix ms. */
  readonly timestamps: Float64Array;
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

export function createWindowBatch(shape: WindowShape, capacity: number): WindowBatch {
  return {
    capacity,
    count: 0,
    values: createValues(capacity * shape.length * shape.channels, shape.pixels === true),
    conditions: new Float64Array(capacity * shape.length * shape.conditions),
    timestamps: new Float64Array(capacity * shape.length),
  };
}

/** What became of a record: its window is full, still filling, or the record is not newer than the last one. */
export type PushResult = 'ready' | 'warming' | Staleness;

export interface WindowStore {
  /** Takes row `row` of columns shaped as in RecordBatch. */
  push(
    key: string,
    row: number,
    timestamps: Float64Array,
    values: Values,
    conditions: Float64Array,
  ): PushResult;
  /** Copies the window of a key that was 'ready' behind the last one of `batch`. */
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

interface Ring {
  /** Records pushed so far, those that fill gaps included. */
  pushed: number;
  newest: number;
  /** Records that the window may lack before its newest one; as many as a window has: not even the last one is known. */
  lacking: number;
  values: Values;
  conditions: Float64Array;
  timestamps: Float64Array;
}

/** @throws RangeError when a snapshot is of windows of another shape */
export function createWindowStore(
  shape: WindowShape,
  limits: WindowLimits,
  beginning: WindowsBeginning | WindowsSnapshot = 'empty',
): WindowStore {
  // A Map keeps insertion order: moving a key to the end on each push makes the first one the least recently seen.
  const rings = new Map<string, Ring>();
  const { length, channels, conditions: given } = shape;
  const continuityOf = createContinuity(limits, length);
  /** Event time; infinite until the first record says what time it is. */
  let knownFrom = beginning === 'unknown' ? Infinity : -Infinity;
  if (typeof beginning === 'object') restore(beginning);

  function ringOf(key: string): Ring {
    let ring = rings.get(key);
    if (ring === undefined) {
      ring = rings.size >= limits.maxKeys ? evictOldest() : createRing();
    } else {
      rings.delete(key);
    }
    rings.set(key, ring);
    return ring;
  }

  function evictOldest(): Ring {
    const [key, ring] = rings.entries().next().value!;
    rings.delete(key);
    ring.pushed = 0;
    ring.newest = -Infinity;
    ring.lacking = length;
    return ring;
  }

  function createRing(): Ring {
    return {
      pushed: 0,
      newest: -Infinity,
      lacking: length,
      values: createValues(length * channels, shape.pixels === true),
      conditions: new Float64Array(length * given),
      timestamps: new Float64Array(length),
    };
  }

  /** A record without values, under the conditions at `row`. */
  function pushFiller(ring: Ring, timestamp: number, conditions: Float64Array, row: number): void {
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
    from.keys.forEach((key, k) => {
      const held = from.held[k]!;
      if (k < tooMany) {
        row += held;
        return;
      }
      const ring = createRing();
      ring.pushed = held;
      ring.newest = from.newest[k]!;
      ring.lacking = from.lacking[k]!;
      ring.values.set(from.values.subarray(row * channels, (row + held) * channels));
      ring.conditions.set(from.conditions.subarray(row * given, (row + held) * given));
      ring.timestamps.set(from.timestamps.subarray(row, row + held));
      rings.set(key, ring);
      row += held;
    });
  }

  function snapshot(): WindowsSnapshot {
    const all = [...rings.values()];
    const held = Int32Array.from(all, ({ pushed }) => Math.min(pushed, length - 1));
    const rows = held.reduce((sum, count) => sum + count, 0);
    const values = createValues(rows * channels, shape.pixels === true);
    const conditions = new Float64Array(rows * given);
    const timestamps = new Float64Array(rows);
    let row = 0;
    all.forEach((ring, k) => {
      const count = held[k]!;
      const first = (ring.pushed - count) % length;
      copyFrom(ring.values, first, count, channels, values, row);
      copyFrom(ring.conditions, first, count, given, conditions, row);
      copyFrom(ring.timestamps, first, count, 1, timestamps, row);
      row += count;
    });
    return {
      keys: [...rings.keys()],
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
      const ring = ringOf(key);
      const timestamp = timestamps[row]!;
      const stale = staleness(ring.newest, timestamp);
      if (stale !== undefined) return stale;
      const continuation = continuityOf(ring.newest, timestamp);
      const { restart, fillers } = continuation;
      ring.lacking = lackingAfter(ring, timestamp, restart, fillers);
      const before = (ring.pushed - 1 + length) % length;
      if (restart) ring.pushed = 0;
      for (let i = 0; i < fillers; i++) {
        const time = fillerTime(continuation, ring.newest, timestamp, i);
        if (restart) pushFiller(ring, time, conditions, row);
        else pushFiller(ring, time, ring.conditions, before);
      }
      const slot = ring.pushed++ % length;
      for (let i = 0; i < channels; i++) ring.values[slot * channels + i] = values[row * channels + i]!;
      for (let i = 0; i < given; i++) ring.conditions[slot * given + i] = conditions[row * given + i]!;
      ring.timestamps[slot] = timestamp;
      ring.newest = timestamp;
      return ring.pushed >= length ? 'ready' : 'warming';
    },
    copy(key, batch) {
      const ring = rings.get(key)!;
      const oldest = ring.pushed % length;
      const at = batch.count++ * length;
      copyFrom(ring.values, oldest, length, channels, batch.values, at);
      copyFrom(ring.conditions, oldest, length, given, batch.conditions, at);
      copyFrom(ring.timestamps, oldest, length, 1, batch.timestamps, at);
    },
    lacks: (key) => rings.get(key)!.lacking > 0,
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

/** Copies `count` rows, `width` wide, of a ring from row `first` on. */
function copyFrom(ring: Values, first: number, count: number, width: number, out: Values, row: number): void {
  const untilEnd = Math.min(count, ring.length / width - first);
  out.set(ring.subarray(first * width, (first + untilEnd) * width), row * width);
  if (untilEnd < count) out.set(ring.subarray(0, (count - untilEnd) * width), (row + untilEnd) * width);
}
