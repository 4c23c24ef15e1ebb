/** One message of a source, decoded: what a detector sees. */
import { imageBytes, type ImageShape } from './image';

/** Where a record came from; enough to find it again and to re-derive its verdict. */
export interface Origin {
  /** Kafka topic, or the path of a file. */
  topic: string;
  /** Kafka partition; 0 for a file. */
  partition: number;
  /** Kafka offset, or the number of the record in the file, as a decimal string (offsets exceed 2^53). */
  offset: string;
}

/** What the channels and conditions of a detector's records are called. */
export interface RecordSchema {
  /** Whether a record is values by channel or an image; absent = values. */
  kind?: 'sensor' | 'image';
  /** What images are brought to. Means nothing where records are none. */
  image?: ImageShape;
  /** Empty for images. */
  channels: readonly string[];
  /** What to do with a channel that is absent or null: refuse the record, or mask the value. */
  missingChannels: 'reject' | 'mask';
  /** What to do with a channel that the schema does not know. */
  extraChannels: 'reject' | 'ignore';
  conditions: readonly ConditionSpec[];
}

/** How one condition is read and encoded (see condition.ts). */
export type ConditionSpec = GivenConditionSpec | TimeConditionSpec;

/** A condition that the record carries. */
export type GivenConditionSpec =
  | { name: string; kind: 'category'; maxValues: number; missing: 'reject' | 'unknown' }
  | { name: string; kind: 'number'; missing: 'reject' | 'unknown' };

/** A condition that follows from the event time. */
export interface TimeConditionSpec {
  name: string;
  kind: 'hour-of-day' | 'day-of-week';
  timeZone: string;
}

/** Measurements, or the bytes of images: a float for each pixel would take eight times the memory. */
export type Values = Float64Array | Uint8Array;

/**
 * Records as columns: row i is one record (all channels of one device at one moment, or all pixels of one image). No
 * object per record.
 */
export interface RecordBatch {
  readonly capacity: number;
  count: number;
  /** Device; windows are kept per key. */
  readonly keys: string[];
  /** Event time, Unix ms. Shape [capacity]. */
  readonly timestamps: Float64Array;
  /**
   * In the schema's order; NaN where a value is missing and the schema allows that. Shape [capacity, channels]; of
   * images bytes, shape [capacity, height × width × colours].
   */
  readonly values: Values;
  /** Given conditions as numbers (see `createConditionReader`). Shape [capacity, given conditions]. */
  readonly conditions: Float64Array;
}

export function createRecordBatch(schema: RecordSchema, capacity: number): RecordBatch {
  return {
    capacity,
    count: 0,
    keys: new Array<string>(capacity).fill(''),
    timestamps: new Float64Array(capacity),
    values: createValues(capacity * valuesPerRecord(schema), imageOf(schema) !== undefined),
    conditions: new Float64Array(capacity * givenConditions(schema.conditions).length),
  };
}

/** What images are brought to; undefined where records are none. */
export function imageOf({ kind, image }: Pick<RecordSchema, 'kind' | 'image'>): ImageShape | undefined {
  return kind === 'image' ? image : undefined;
}

/** Numbers that one record consists of. */
export function valuesPerRecord(schema: Pick<RecordSchema, 'kind' | 'image' | 'channels'>): number {
  const image = imageOf(schema);
  return image === undefined ? schema.channels.length : imageBytes(image);
}

/** Room for so many values. */
export function createValues(count: number, pixels: boolean): Values {
  return pixels ? new Uint8Array(count) : new Float64Array(count);
}

/** The conditions that a record carries itself, in the schema's order. */
export function givenConditions(specs: readonly ConditionSpec[]): GivenConditionSpec[] {
  return specs.filter(
    (spec): spec is GivenConditionSpec => spec.kind === 'category' || spec.kind === 'number',
  );
}
