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
  /** Keys held now. */
  readonly size: number;
}

export interface WindowLimits extends TimeRules {
  /** Keys held at once; the least recently seen goes first. */
  maxKeys: number;
}

interface Ring {
  /** Records pushed so far, those that fill gaps included. */
  pushed: number;
  newest: number;
  values: Values;
  conditions: Float64Array;
  timestamps: Float64Array;
}

export function createWindowStore(shape: WindowShape, limits: WindowLimits): WindowStore {
  // A Map keeps insertion order: moving a key to the end on each push makes the first one the least recently seen.
  const rings = new Map<string, Ring>();
  const { length, channels, conditions: given } = shape;
  const continuityOf = createContinuity(limits, length);

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
    return ring;
  }

  const createRing = (): Ring => ({
    pushed: 0,
    newest: -Infinity,
    values: createValues(length * channels, shape.pixels === true),
    conditions: new Float64Array(length * given),
    timestamps: new Float64Array(length),
  });

  /** A record without values, under the conditions at `row`. */
  function pushFiller(ring: Ring, timestamp: number, conditions: Float64Array, row: number): void {
    const slot = ring.pushed++ % length;
    ring.values.fill(NaN, slot * channels, (slot + 1) * channels);
    for (let i = 0; i < given; i++) ring.conditions[slot * given + i] = conditions[row * given + i]!;
    ring.timestamps[slot] = timestamp;
  }

  return {
    push(key, row, timestamps, values, conditions) {
      const ring = ringOf(key);
      const timestamp = timestamps[row]!;
      const stale = staleness(ring.newest, timestamp);
      if (stale !== undefined) return stale;
      const continuation = continuityOf(ring.newest, timestamp);
      const { restart, fillers } = continuation;
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
      copyUnrolled(ring.values, oldest, channels, batch.values, at);
      copyUnrolled(ring.conditions, oldest, given, batch.conditions, at);
      copyUnrolled(ring.timestamps, oldest, 1, batch.timestamps, at);
    },
    get size() {
      return rings.size;
    },
  };
}

/** Copies a ring of rows `width` wide so that the oldest row comes first. */
function copyUnrolled(ring: Values, oldest: number, width: number, out: Values, row: number): void {
  out.set(ring.subarray(oldest * width), row * width);
  out.set(ring.subarray(0, oldest * width), row * width + ring.length - oldest * width);
}
