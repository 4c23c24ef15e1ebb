/** The window of one key: a ring of its newest records. */
import { joinConditions } from './condition';
import { toRates } from './counter';
import { createValues, type Values } from './record';
import type { Linked } from './recency';
import { unknownRhythm, type Rhythm } from './rhythm';
import type { EncodedWindows, RecordEncoder, WindowBatch, WindowShape } from './window';

export class KeyWindow implements Linked<KeyWindow> {
  before: KeyWindow | undefined;
  after: KeyWindow | undefined;
  /** Records pushed so far, those that fill gaps included. Record i is in row i modulo the length. */
  pushed = 0;
  /** Event time of the newest record, Unix ms; −Infinity = none. */
  newest = -Infinity;
  /** Number of the newest record with a missing value; −1 = none. */
  missingAt = -1;
  /**
   * Records that may be unknown: those of the window and the one before it, which counters need. One more than the length if
   * even the newest one is unknown.
   */
  lacking: number;
  encoded: EncodedRing | undefined;
  rhythm: Rhythm = unknownRhythm();
  readonly values: Values;
  readonly conditions: Float64Array;
  readonly timestamps: Float64Array;
  /** Last value of each channel before the window, NaN = none, and its event time, Unix ms. Empty for images. */
  readonly priorValues: Float64Array;
  readonly priorTimes: Float64Array;

  constructor(
    public key: string,
    { length, channels, conditions, pixels }: WindowShape,
  ) {
    this.lacking = length + 1;
    this.values = createValues(length * channels, pixels === true);
    this.conditions = new Float64Array(length * conditions);
    this.timestamps = new Float64Array(length);
    this.priorValues = new Float64Array(pixels === true ? 0 : channels).fill(NaN);
    this.priorTimes = new Float64Array(this.priorValues.length);
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
  window.priorValues.fill(NaN);
  window.priorTimes.fill(0);
  if (window.encoded !== undefined) window.encoded.upTo = 0;
}

/** The row for the next record. The record there, if any, is now before the window. */
function freeSlot(window: KeyWindow, length: number): number {
  const slot = window.pushed % length;
  if (window.pushed >= length) rememberRow(window, slot, window.priorValues, window.priorTimes);
  return slot;
}

/** Writes the values of a row, as far as they are not missing, and their event times. */
export function rememberRow(
  { values, timestamps }: KeyWindow,
  row: number,
  before: Float64Array,
  beforeAt: Float64Array,
): void {
  const channels = before.length;
  for (let i = 0; i < channels; i++) {
    const value = values[row * channels + i]!;
    if (Number.isNaN(value)) continue;
    before[i] = value;
    beforeAt[i] = timestamps[row]!;
  }
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
  const slot = freeSlot(window, length);
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
  const slot = freeSlot(window, length);
  window.missingAt = window.pushed++;
  window.values.fill(NaN, slot * channels, (slot + 1) * channels);
  for (let i = 0; i < given; i++) window.conditions[slot * given + i] = conditions[row * given + i]!;
  window.timestamps[slot] = timestamp;
}

/** Copies a full window to the end of `batch`, with the rates of its counters; returns its number there. */
export function copyWindow(
  window: KeyWindow,
  { length, channels, conditions: given }: WindowShape,
  batch: WindowBatch,
): number {
  const first = window.pushed % length;
  const place = batch.count++;
  batch.keys[place] = window.key;
  const at = place * length;
  copyRows(window.values, first, length, channels, batch.values, at);
  if (given > 0) copyRows(window.conditions, first, length, given, batch.conditions, at);
  copyRows(window.timestamps, first, length, 1, batch.timestamps, at);
  const { counters } = batch;
  if (counters.length > 0)
    toRates(batch, { counters, channels }, at, length, window.priorValues, window.priorTimes);
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
 * Encodes each record of a window once, although several windows contain it. The result writes the encoding of window `at` of a
 * batch, which is the copy of `window`.
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

  /** Whether a value is missing, or the rate of the first value of a counter. */
  function lacksValue(window: KeyWindow, { values, counters }: WindowBatch, at: number): boolean {
    if (window.missingAt >= 0 && window.pushed - window.missingAt <= length) return true;
    return counters.some((channel) => Number.isNaN(values[at * length * channels + channel]!));
  }

  return (window: KeyWindow, batch: WindowBatch, out: EncodedWindows, at: number): void => {
    const { encoder } = out;
    const { recordConditionDim } = encoder;
    const isLacking = lacksValue(window, batch, at);
    out.lacking[at] = isLacking ? 1 : 0;
    if (isLacking) out.lackingCount++;
    const encoded = encodedBy(encoder, window);
    let unknown = 0;
    const oldest = window.pushed - length;
    for (let i = Math.max(encoded.upTo, oldest); i < window.pushed; i++) {
      const slot = i % length;
      unknown = encoder.encodeRecord(batch, at * length + i - oldest, encoded.x, slot, encoded.c, slot);
    }
    encoded.upTo = window.pushed;
    out.unknownConditions += unknown;
    const first = window.pushed % length;
    copyRows(encoded.x, first, length, channels, out.x, at * length);
    if (recordConditionDim > 0) joinConditions(encoded.c, first, length, recordConditionDim, out.c, at);
    if (out.count === at) out.count++;
  };
}
