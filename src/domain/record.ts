/** Records: decoded messages. */
import { imageBytes, type Frame, type ImageShape } from './image';

/** Where a record comes from: enough to find it again and to replay its detection. */
export interface Origin {
  /** Kafka topic, or the path of a file. */
  topic: string;
  /** Kafka partition; 0 for a file. */
  partition: number;
  /** Kafka offset, or the number of the record in the file, as a decimal string (offsets exceed 2^53). */
  offset: string;
  /** Path of the file of an image, within its folder. Untrusted text. */
  file?: string;
}

/** Channels and conditions of a detector's records. */
export interface RecordSchema {
  /** Default `sensor`. */
  kind?: 'sensor' | 'image';
  /** Size and colour of images; ignored unless `kind` is `image`. */
  image?: ImageShape;
  /** Empty for images. */
  channels: readonly string[];
  /** Whether a record with an absent or null channel is rejected, or the value masked. */
  missingChannels: 'reject' | 'mask';
  /** Whether a record with text as a value is rejected, or the text read as a number. Absent = `reject`. */
  texts?: 'reject' | 'numbers';
  /** Texts that count as null. Absent = none. */
  missingTexts?: readonly string[];
  /** Whether a record with a channel that is not in the schema is rejected, or the channel ignored. */
  extraChannels: 'reject' | 'ignore';
  conditions: readonly ConditionSpec[];
}

/** How one condition is read and encoded (see condition.ts). */
export type ConditionSpec = GivenConditionSpec | TimeConditionSpec;

/** A condition that is a field of the record. */
export type GivenConditionSpec =
  | { name: string; kind: 'category'; maxValues: number; missing: 'reject' | 'unknown' }
  | { name: string; kind: 'number'; missing: 'reject' | 'unknown' };

/** A condition that is computed from the event time. */
export interface TimeConditionSpec {
  name: string;
  kind: 'hour-of-day' | 'day-of-week';
  timeZone: string;
}

/** Measurements, or the bytes of images, which need an eighth of the memory. */
export type Values = Float64Array | Uint8Array;

/** Records as columns: row i is one record (all channels of one device at one time, or all pixels of one image). */
export interface RecordBatch {
  readonly capacity: number;
  count: number;
  /** Device (key); each key has its own window. */
  readonly keys: string[];
  /** Event time, Unix ms. Shape [capacity]. */
  readonly timestamps: Float64Array;
  /** In the schema's order; NaN = missing. Shape [capacity, channels]; bytes of images [capacity, height × width × colours]. */
  readonly values: Values;
  /** Given conditions as numbers (see `createConditionReader`). Shape [capacity, given conditions]. */
  readonly conditions: Float64Array;
  /** By row, the place of the image in its original, for images that came in another size. */
  readonly frames?: Map<number, Frame>;
}

export function createRecordBatch(schema: RecordSchema, capacity: number): RecordBatch {
  return {
    capacity,
    count: 0,
    keys: new Array<string>(capacity).fill(''),
    timestamps: new Float64Array(capacity),
    values: createValues(capacity * valuesPerRecord(schema), imageOf(schema) !== undefined),
    conditions: new Float64Array(capacity * givenConditions(schema.conditions).length),
    ...(imageOf(schema) && { frames: new Map<number, Frame>() }),
  };
}

/** The shape of the images; undefined if records are not images. */
export function imageOf({ kind, image }: Pick<RecordSchema, 'kind' | 'image'>): ImageShape | undefined {
  return kind === 'image' ? image : undefined;
}

export function valuesPerRecord(schema: Pick<RecordSchema, 'kind' | 'image' | 'channels'>): number {
  const image = imageOf(schema);
  return image === undefined ? schema.channels.length : imageBytes(image);
}

export function createValues(count: number, pixels: boolean): Values {
  return pixels ? new Uint8Array(count) : new Float64Array(count);
}

/** The conditions that are fields of a record, in the schema's order. */
export function givenConditions(specs: readonly ConditionSpec[]): GivenConditionSpec[] {
  return specs.filter(
    (spec): spec is GivenConditionSpec => spec.kind === 'category' || spec.kind === 'number',
  );
}
