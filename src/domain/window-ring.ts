/** The window of one key: a ring of its newest records. */
import { joinConditions } from './condition';
import { toRates } from './counter';
import type { Values } from './record';
import type { DeviceLinks, Listed, RecencyMap } from './recency';
import { resetRhythm, type Rhythm } from './rhythm';
import type { Slab } from './slab';
import type { EncodedWindows, RecordEncoder, WindowBatch, WindowShape } from './window';

/** Offsets of the parts of a window in its memory, counted in numbers of their type. */
export interface RingLayout {
  /** Last value of each channel before the window, NaN = none, with its event time, Unix ms. Absent for images. */
  readonly priorValues: number;
  readonly priorTimes: number;
  readonly timestamps: number;
  readonly conditions: number;
  readonly values: number;
  /** The encoded values. Windows of one record share their memory. */
  readonly encoded: number;
  /** Number of channels with a last value before the window. */
  readonly priors: number;
  readonly bytes: number;
}

/** Numbers besides the records: the event time of the newest record and those of the rhythm. */
const ownNumbers = 4;

export function layOutRing({ length, channels, conditions, pixels }: WindowShape): RingLayout {
  const priors = pixels === true ? 0 : channels;
  const priorValues = ownNumbers;
  const priorTimes = priorValues + priors;
  const timestamps = priorTimes + priors;
  const conditionsAt = timestamps + length;
  const numbers = conditionsAt + length * conditions;
  const perValue = pixels === true ? 1 : Float64Array.BYTES_PER_ELEMENT;
  const valuesEnd = 8 * numbers + length * channels * perValue;
  const encoded = Math.ceil(valuesEnd / Float32Array.BYTES_PER_ELEMENT);
  return {
    priors,
    priorValues,
    priorTimes,
    timestamps,
    conditions: conditionsAt,
    values: (8 * numbers) / perValue,
    encoded,
    bytes: Float32Array.BYTES_PER_ELEMENT * (encoded + (length === 1 ? 0 : length * channels)),
  };
}

const nothing = new Float32Array();

export class KeyWindow implements Listed<KeyWindow>, Rhythm, DeviceLinks {
  before: KeyWindow | undefined;
  after: KeyWindow | undefined;
  home: RecencyMap<KeyWindow> | undefined;
  memory: unknown;
  heard: unknown;
  /** Records pushed so far, fillers included. Record i is in row i modulo the length. */
  pushed = 0;
  /** Number of the newest record with a missing value; −1 = none. */
  missingAt = -1;
  /**
   * Records that may be unknown: those of the window and the one before it, which counters need. One more than the length if
   * even the newest one is unknown.
   */
  lacking: number;
  /** See Rhythm. */
  pending = 0;
  /** The encoder of the first `encodedTo` pushed records. */
  encoder: RecordEncoder | undefined;
  encodedTo = 0;
  /** Encoded conditions of these records. Shape [length, recordConditionDim] */
  encodedConditions: Float32Array = nothing;
  /** Memory of all numbers of the window, and of its values. */
  readonly numbers: Float64Array;
  readonly encoded: Float32Array;
  readonly values: Values;
  /** Offset of the prior values in `numbers`. */
  readonly priorValuesAt: number;
  readonly priorTimesAt: number;
  readonly timestampsAt: number;
  readonly conditionsAt: number;
  readonly valuesAt: number;
  readonly encodedAt: number;
  private readonly at: number;

  constructor(
    public key: string,
    { length, pixels }: WindowShape,
    readonly layout: RingLayout,
    { slab, at }: { slab: Slab; at: number },
  ) {
    this.lacking = length + 1;
    this.numbers = slab.float64;
    this.encoded = slab.float32;
    this.values = pixels === true ? slab.bytes : slab.float64;
    const number = (this.at = at / Float64Array.BYTES_PER_ELEMENT);
    this.priorValuesAt = number + layout.priorValues;
    this.priorTimesAt = number + layout.priorTimes;
    this.timestampsAt = number + layout.timestamps;
    this.conditionsAt = number + layout.conditions;
    this.valuesAt = at / this.values.BYTES_PER_ELEMENT + layout.values;
    this.encodedAt = at / Float32Array.BYTES_PER_ELEMENT + layout.encoded;
    this.newest = -Infinity;
    resetRhythm(this);
    emptyWindow(this);
  }

  /** Event time of the newest record, Unix ms; −Infinity = none. */
  get newest(): number {
    return this.numbers[this.at]!;
  }
  set newest(time: number) {
    this.numbers[this.at] = time;
  }

  get interval(): number {
    return this.numbers[this.at + 1]!;
  }
  set interval(interval: number) {
    this.numbers[this.at + 1] = interval;
  }

  get anchor(): number {
    return this.numbers[this.at + 2]!;
  }
  set anchor(time: number) {
    this.numbers[this.at + 2] = time;
  }

  get jump(): number {
    return this.numbers[this.at + 3]!;
  }
  set jump(jump: number) {
    this.numbers[this.at + 3] = jump;
  }
}

/** Bytes of the object, its key, and its entry in a map, as measured. */
const overheadBytes = 300;

/** Memory that the window of one key takes, bytes, without the encoding of its conditions. */
export function windowBytes(shape: WindowShape): number {
  return overheadBytes + layOutRing(shape).bytes;
}

export function emptyWindow(window: KeyWindow): void {
  const { numbers, priorValuesAt, priorTimesAt, layout } = window;
  window.pushed = 0;
  window.missingAt = -1;
  numbers.fill(NaN, priorValuesAt, priorValuesAt + layout.priors);
  numbers.fill(0, priorTimesAt, priorTimesAt + layout.priors);
  window.encodedTo = 0;
}

/** The row for the next record. Its present record, if any, no longer belongs to the window. */
function freeSlot(window: KeyWindow, length: number): number {
  const slot = window.pushed % length;
  if (window.pushed >= length)
    rememberRow(window, slot, window.numbers, window.priorValuesAt, window.numbers, window.priorTimesAt);
  return slot;
}

/** Writes the values of a row that are not missing, and their event times. */
export function rememberRow(
  { values, valuesAt, numbers, timestampsAt, layout: { priors } }: KeyWindow,
  row: number,
  before: Float64Array,
  beforeFrom: number,
  beforeAt: Float64Array,
  beforeAtFrom: number,
): void {
  const time = numbers[timestampsAt + row]!;
  for (let i = 0; i < priors; i++) {
    const value = values[valuesAt + row * priors + i]!;
    if (Number.isNaN(value)) continue;
    before[beforeFrom + i] = value;
    beforeAt[beforeAtFrom + i] = time;
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
  const { values: ring, numbers } = window;
  const at = window.valuesAt + slot * channels;
  for (let i = 0; i < channels; i++) {
    const value = values[row * channels + i]!;
    ring[at + i] = value;
    if (Number.isNaN(value)) window.missingAt = window.pushed;
  }
  window.pushed++;
  const conditionsAt = window.conditionsAt + slot * given;
  for (let i = 0; i < given; i++) numbers[conditionsAt + i] = conditions[row * given + i]!;
  numbers[window.timestampsAt + slot] = timestamp;
}

/** Pushes a record without values, with the conditions from index `from` on. */
export function pushFiller(
  window: KeyWindow,
  { length, channels, conditions: given }: WindowShape,
  timestamp: number,
  conditions: Float64Array,
  from: number,
): void {
  const slot = freeSlot(window, length);
  const { values, valuesAt, numbers } = window;
  window.missingAt = window.pushed++;
  values.fill(NaN, valuesAt + slot * channels, valuesAt + (slot + 1) * channels);
  const conditionsAt = window.conditionsAt + slot * given;
  for (let i = 0; i < given; i++) numbers[conditionsAt + i] = conditions[from + i]!;
  numbers[window.timestampsAt + slot] = timestamp;
}

/** Copies `count` rows of a ring, from row `first` on, to the last rows of the window at `place`. */
export function copyRows(
  { values, valuesAt, numbers, conditionsAt, timestampsAt }: KeyWindow,
  { length, channels, conditions: given }: WindowShape,
  first: number,
  count: number,
  batch: WindowBatch,
  place: number,
): void {
  const to = (place + 1) * length - count;
  copyRing(values, valuesAt, length, first, count, channels, batch.values, to);
  if (given > 0) copyRing(numbers, conditionsAt, length, first, count, given, batch.conditions, to);
  copyRing(numbers, timestampsAt, length, first, count, 1, batch.timestamps, to);
}

/** Copies a full window to the end of `batch`, with the rates of its counters. Returns its number in the batch. */
export function copyWindow(window: KeyWindow, shape: WindowShape, batch: WindowBatch): number {
  const { length, channels } = shape;
  const place = batch.count++;
  batch.keys[place] = window.key;
  const at = place * length;
  copyRows(window, shape, window.pushed % length, length, batch, place);
  const { counters } = batch;
  if (counters.length > 0) {
    const { numbers, priorValuesAt, priorTimesAt } = window;
    const prior = numbers.subarray(priorValuesAt, priorValuesAt + channels);
    const priorTimes = numbers.subarray(priorTimesAt, priorTimesAt + channels);
    toRates(batch, { counters, channels }, at, length, prior, priorTimes);
  }
  return place;
}

/** Whether a full window has no missing value, and only its newest record is not encoded yet. */
export function isEncodedBefore(
  { pushed, missingAt, encoder, encodedTo }: KeyWindow,
  length: number,
  { encoded }: WindowBatch,
): boolean {
  const lacks = missingAt >= 0 && pushed - missingAt <= length;
  return encoder !== undefined && encoder === encoded?.encoder && encodedTo === pushed - 1 && !lacks;
}

/** Copies `count` rows of `width` numbers, from row `first` of a ring of `length` rows at `at` to row `row` of `out`. */
export function copyRing(
  ring: Values | Float32Array,
  at: number,
  length: number,
  first: number,
  count: number,
  width: number,
  out: Values | Float32Array,
  row: number,
): void {
  const untilEnd = Math.min(count, length - first);
  copyRun(ring, at + first * width, untilEnd * width, out, row * width);
  if (untilEnd < count) copyRun(ring, at, (count - untilEnd) * width, out, (row + untilEnd) * width);
}

/** Up to this many numbers, a loop is faster than `set`, which needs a view of the array. */
const fewNumbers = 24;

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
 * Encodes each record once, although several windows contain it. The returned function writes the encoding of window `at` of a
 * batch, which is a copy of `window`.
 */
export function createEncodedCopy({ length, channels }: WindowShape) {
  /** Conditions of one record. All keys share them, as no later window contains the record. */
  let conditionsOfOne = nothing;

  /** Resets the window if another encoder has encoded it, so that its records are encoded again. */
  function followEncoder(encoder: RecordEncoder, window: KeyWindow): void {
    if (window.encoder === encoder) return;
    window.encoder = encoder;
    window.encodedTo = 0;
    const size = length * encoder.recordConditionDim;
    if (window.encodedConditions.length !== size) window.encodedConditions = new Float32Array(size);
  }

  /** Whether a value is missing, or the first rate of a counter. */
  function lacksValue(window: KeyWindow, { values, counters }: WindowBatch, at: number): boolean {
    if (window.missingAt >= 0 && window.pushed - window.missingAt <= length) return true;
    for (let i = 0; i < counters.length; i++)
      if (Number.isNaN(values[at * length * channels + counters[i]!]!)) return true;
    return false;
  }

  return (window: KeyWindow, batch: WindowBatch, out: EncodedWindows, at: number): void => {
    const { encoder } = out;
    const { recordConditionDim } = encoder;
    const isLacking = lacksValue(window, batch, at);
    out.lacking[at] = isLacking ? 1 : 0;
    if (isLacking) out.lackingCount++;
    if (length === 1) {
      if (conditionsOfOne.length !== recordConditionDim)
        conditionsOfOne = new Float32Array(recordConditionDim);
      out.unknownConditions += encoder.encodeRecord(batch, at, out.x, at * channels, conditionsOfOne, 0);
      if (recordConditionDim > 0) joinConditions(conditionsOfOne, 0, 1, recordConditionDim, out.c, at);
    } else {
      followEncoder(encoder, window);
      const { encoded, encodedAt, encodedConditions } = window;
      let unknown = 0;
      const oldest = window.pushed - length;
      for (let i = Math.max(window.encodedTo, oldest); i < window.pushed; i++) {
        const slot = i % length;
        unknown = encoder.encodeRecord(
          batch,
          at * length + i - oldest,
          encoded,
          encodedAt + slot * channels,
          encodedConditions,
          slot,
        );
      }
      window.encodedTo = window.pushed;
      out.unknownConditions += unknown;
      const first = window.pushed % length;
      copyRing(encoded, encodedAt, length, first, length, channels, out.x, at * length);
      if (recordConditionDim > 0)
        joinConditions(encodedConditions, first, length, recordConditionDim, out.c, at);
    }
    if (out.count === at) out.count++;
  };
}
