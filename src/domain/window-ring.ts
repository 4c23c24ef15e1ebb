/** The window of one key: a ring of its newest records. */
import { joinConditions } from './condition';
import { createValues, type Values } from './record';
import type { Linked } from './recency';
import { unknownRhythm, type Rhythm } from './rhythm';
import type { EncodedWindows, RecordColumns, RecordEncoder, WindowBatch, WindowShape } from './window';

export class KeyWindow implements RecordColumns, Linked<KeyWindow> {
  before: KeyWindow | undefined;
  after: KeyWindow | undefined;
  /** Records pushed so far, those that fill gaps included. Record i is in row i modulo the length. */
  pushed = 0;
  /** Event time of the newest record, Unix ms; −Infinity = none. */
  newest = -Infinity;
  /** Number of the newest record with a missing value; −1 = none. */
  missingAt = -1;
  /** Records that the window may lack before its newest one; the full length if even the newest one is unknown. */
  lacking: number;
  encoded: EncodedRing | undefined;
  rhythm: Rhythm = unknownRhythm();
  readonly values: Values;
  readonly conditions: Float64Array;
  readonly timestamps: Float64Array;

  constructor(
    public key: string,
    { length, channels, conditions, pixels }: WindowShape,
  ) {
    this.lacking = length;
    this.values = createValues(length * channels, pixels === true);
    this.conditions = new Float64Array(length * conditions);
    this.timestamps = new Float64Array(length);
  }
}

/** The records of a ring as one encoder has encoded them. */
interface EncodedRing {
  encoder: RecordEncoder;
  /** Number of the pushed records that are encoded. */
  upTo: number;
  x: Float32Array;
  c: Float32Array;
}

/** Bytes of an object and of its entries in a map and a list, about. */
const overheadBytes = 900;

/** Memory that the window of one key takes, bytes, without the encoding of its conditions. */
export function windowBytes({ length, channels, conditions, pixels }: WindowShape): number {
  const perValue = pixels === true ? 1 : Float64Array.BYTES_PER_ELEMENT;
  // Windows of one record share an encoding.
  const perEncoded = length === 1 ? 0 : Float32Array.BYTES_PER_ELEMENT;
  return overheadBytes + length * (channels * (perValue + perEncoded) + 8 * (conditions + 1));
}

export function emptyWindow(window: KeyWindow): void {
  window.pushed = 0;
  window.missingAt = -1;
  if (window.encoded !== undefined) window.encoded.upTo = 0;
}

/** Pushes row `row` of columns shaped as in RecordBatch. */
export function pushRecord(
  window: KeyWindow,
  { length, channels, conditions: given }: WindowShape,
  row: number,
  timestamp: number,
  values: Values,
  conditions: Float64Array,
): void {
  const slot = window.pushed % length;
  for (let i = 0; i < channels; i++) {
    const value = values[row * channels + i]!;
    window.values[slot * channels + i] = value;
    if (Number.isNaN(value)) window.missingAt = window.pushed;
  }
  window.pushed++;
  for (let i = 0; i < given; i++) window.conditions[slot * given + i] = conditions[row * given + i]!;
  window.timestamps[slot] = timestamp;
}

/** Pushes a record without values, under the conditions in row `row`. */
export function pushFiller(
  window: KeyWindow,
  { length, channels, conditions: given }: WindowShape,
  timestamp: number,
  conditions: Float64Array,
  row: number,
): void {
  window.missingAt = window.pushed;
  const slot = window.pushed++ % length;
  window.values.fill(NaN, slot * channels, (slot + 1) * channels);
  for (let i = 0; i < given; i++) window.conditions[slot * given + i] = conditions[row * given + i]!;
  window.timestamps[slot] = timestamp;
}

/** Copies a full window to the end of `batch`; returns its number there. */
export function copyWindow(
  window: KeyWindow,
  { length, channels, conditions: given }: WindowShape,
  batch: WindowBatch,
): number {
  const first = window.pushed % length;
  const place = batch.count++;
  const at = place * length;
  copyRows(window.values, first, length, channels, batch.values, at);
  if (given > 0) copyRows(window.conditions, first, length, given, batch.conditions, at);
  copyRows(window.timestamps, first, length, 1, batch.timestamps, at);
  return place;
}

/** Copies `count` rows of `width` numbers, from row `first` of a ring to row `row` of `out`. */
export function copyRows(
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

/** Up to this many numbers, a loop is faster than `set`, which needs a view of the array. */
const fewNumbers = 64;

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

/**
 * Encodes each record of a window once, although several windows contain it. The result writes the encoding of a window as
 * number `at` of `out`.
 */
export function createEncodedCopy({ length, channels }: WindowShape) {
  /** Shared by all keys if windows have one record: no later window contains it. */
  let shared: EncodedRing | undefined;

  function encodedBy(encoder: RecordEncoder, window: KeyWindow): EncodedRing {
    const kept = length === 1 ? shared : window.encoded;
    if (kept?.encoder === encoder) {
      if (length === 1) kept.upTo = 0;
      return kept;
    }
    const x = new Float32Array(length * channels);
    const encoded = { encoder, upTo: 0, x, c: new Float32Array(length * encoder.recordConditionDim) };
    if (length === 1) shared = encoded;
    else window.encoded = encoded;
    return encoded;
  }

  return (window: KeyWindow, out: EncodedWindows, at: number): void => {
    const { encoder } = out;
    const { recordConditionDim } = encoder;
    const isLacking = window.pushed - window.missingAt <= length && window.missingAt >= 0;
    out.lacking[at] = isLacking ? 1 : 0;
    if (isLacking) out.lackingCount++;
    const encoded = encodedBy(encoder, window);
    let unknown = 0;
    for (let i = Math.max(encoded.upTo, window.pushed - length); i < window.pushed; i++) {
      const slot = i % length;
      unknown = encoder.encodeRecord(window, slot, encoded.x, slot, encoded.c, slot);
    }
    encoded.upTo = window.pushed;
    out.unknownConditions += unknown;
    const first = window.pushed % length;
    copyRows(encoded.x, first, length, channels, out.x, at * length);
    if (recordConditionDim > 0) joinConditions(encoded.c, first, length, recordConditionDim, out.c, at);
    if (out.count === at) out.count++;
  };
}
