/** Windows: the last n records of a key, as a model scores them. */
import {
  createValues,
  givenConditions,
  imageOf,
  valuesPerRecord,
  type RecordSchema,
  type Values,
} from './record';

/** Windows to score, the oldest record of each first. Filled by a window store (live) or a dataset (training). */
export interface WindowBatch {
  readonly capacity: number;
  count: number;
  /** The model's input; if absent, it is encoded from the values when the batch is scored. */
  readonly encoded?: EncodedWindows;
  /** Indices of the counters, whose values are rates (domain/counter.ts). */
  readonly counters: readonly number[];
  /** Whether windows may have only their newest records until `completeWindow` is called. */
  readonly defers: boolean;
  /** The windows of which only the newest record is copied; undefined if there are none. */
  deferred: DeferredWindows | undefined;
  /** Shape [capacity, length, channels], not scaled; NaN = missing. */
  readonly values: Values;
  /** Conditions as read from the records. Shape [capacity, length, given conditions]. */
  readonly conditions: Float64Array;
  /** Shape [capacity, length], Unix ms. */
  readonly timestamps: Float64Array;
  /** Device of each window. Shape [capacity]. */
  readonly keys: string[];
  /** Level shifts and runs from the memory of each window's device; empty in training. */
  readonly recalled: Recalled;
}

/** Windows of a batch whose values, conditions and timestamps are copied later, except those of the newest record. */
export interface DeferredWindows {
  /** Copies the records of the window at `place`, if that has not been done. */
  complete(place: number): void;
  /** Call when no further window is needed. */
  end(): void;
}

/** Level shifts and runs of each window, at its newest record. */
export interface Recalled {
  /** Number of windows with a shift. */
  shifted: number;
  /**
   * Amount to subtract from every record of the window, scaled (calibration/level.ts). Shape [capacity, channels]; empty =
   * nothing.
   */
  shifts: Float32Array;
  /** Surprise of the runs of equal values (calibration/run-lengths.ts). Shape [capacity]. */
  runs: Float64Array;
}

/** Encodes single records as a model's input. A window store keeps the encodings, so each record is encoded once. */
export interface RecordEncoder {
  /** Length of the encoding of a record's conditions. */
  readonly recordConditionDim: number;
  /**
   * Encodes row `row` of columns shaped as in RecordBatch.
   * @param x gets the values, scaled, from index `xAt` on
   * @param c gets the conditions, as row `cRow`
   * @returns number of unknown conditions
   */
  encodeRecord(
    columns: RecordColumns,
    row: number,
    x: Float32Array,
    xAt: number,
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

/** Encoded windows, row by row. The arrays are reused. */
export interface EncodedWindows {
  readonly encoder: RecordEncoder;
  /** Number of encoded windows, from the first on. Set it to 0 after changing `x` or `mask`. */
  count: number;
  /** Encoded values. Shape [capacity, length × channels]; the capacity is rounded up to the batch size of the engines. */
  readonly x: Float32Array;
  /** 0 = missing. Filled only if a value is missing. */
  readonly mask: Float32Array;
  /** Encoded conditions. Shape [capacity, 2 × encoder.recordConditionDim]. */
  readonly c: Float32Array;
  /** 1 = some values are missing. Shape [capacity]. */
  readonly lacking: Uint8Array;
  /** Number of windows with missing values. */
  lackingCount: number;
  /** Number of unknown conditions in the newest records of the windows. */
  unknownConditions: number;
}

export interface WindowShape {
  /** Records per window; 1 for images. */
  length: number;
  /** Values per record. */
  channels: number;
  /** Given conditions per record. */
  conditions: number;
  /** Set if the values are bytes and none is missing. */
  pixels?: true;
}

/** @param length records per window, unless they are images */
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
  { counters = [], defers = false }: Partial<Pick<WindowBatch, 'counters' | 'defers'>> = {},
): WindowBatch {
  return {
    capacity,
    count: 0,
    counters,
    defers,
    deferred: undefined,
    ...(encoded && { encoded }),
    values: createValues(capacity * shape.length * shape.channels, shape.pixels === true),
    conditions: new Float64Array(capacity * shape.length * shape.conditions),
    timestamps: new Float64Array(capacity * shape.length),
    keys: new Array<string>(capacity).fill(''),
    recalled: { shifted: 0, shifts: new Float32Array(), runs: new Float64Array(capacity) },
  };
}

/** Stores the shift of the window at `place`. @param shift shape [channels] */
export function setShift(batch: WindowBatch, place: number, shift: Float32Array): void {
  const { recalled, capacity } = batch;
  if (recalled.shifts.length === 0) recalled.shifts = new Float32Array(capacity * shift.length);
  recalled.shifts.set(shift, place * shift.length);
  recalled.shifted++;
}

/** Makes all records of the window at `place` available. */
export function completeWindow({ deferred }: WindowBatch, place: number): void {
  deferred?.complete(place);
}

export function clearWindows(batch: WindowBatch): void {
  batch.deferred?.end();
  batch.count = 0;
  batch.recalled.runs.fill(0);
  if (batch.recalled.shifted > 0) batch.recalled.shifts.fill(0);
  batch.recalled.shifted = 0;
  if (batch.encoded !== undefined) resetEncoded(batch.encoded);
}

export function resetEncoded(encoded: EncodedWindows): void {
  encoded.count = encoded.lackingCount = encoded.unknownConditions = 0;
}
