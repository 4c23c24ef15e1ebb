/**
 * The parts of a format of records. Each format is a file or folder next to this file, and a line in codecs.ts. Batches are
 * decoded as a whole, so that images are decoded concurrently and sensor records without a promise per record.
 */
import type { ReadConditions } from '../domain/condition';
import { createRecordBatch, type RecordBatch, type RecordSchema } from '../domain/record';
import type { TimestampFormat } from '../domain/time';
import { DecodeError } from '../errors';
import type { Message } from '../sources/source';
import type { SchemaRegistry } from './confluent/schema-registry';

/** Dotted paths of the envelope's parts in the record. */
export interface EnvelopeFields {
  /** Path of the key; empty = the key of the message. */
  key: string;
  /** Path of the event time; empty = the time of the message. */
  timestamp: string;
  /** Format of times; absent = `auto`. */
  timestampFormat?: TimestampFormat | undefined;
  /** Time zone for times that state none; absent or empty = such times are rejected. */
  timeZone?: string | undefined;
  /** Path of the conditions; empty = the record itself. */
  conditions: string;
}

/** Paths of a sensor record. */
export interface RecordFields extends EnvelopeFields {
  /** Path of the values; empty = the record itself. */
  values: string;
}

export interface DecodeLimits {
  /** Maximum size of a message; larger ones are rejected before they are parsed. */
  maxBytes: number;
  /** Event times further in the future than this are rejected. */
  maxAheadMs: number;
}

/** The context in which a decoder is created. */
export interface RecordContext<Fields = RecordFields> {
  /** Paths of the parts of a record, for formats with named fields. */
  fields: Fields;
  schema: RecordSchema;
  limits: DecodeLimits;
  readConditions: ReadConditions;
}

export interface CodecContext extends RecordContext {
  /** For formats whose messages contain the id of a registered schema. @throws Error for a source without a registry */
  registry: () => SchemaRegistry;
}

export interface CodecSpec {
  /** One sentence on the format, for the documentation of `record.format`. */
  doc: string;
  /** Whether each message contains the id of a schema in a schema registry. */
  registered: boolean;
  create(context: CodecContext): DecodeBatch;
}

export interface DecodedBatch {
  /** The decoded records, in the order of the messages. */
  records: RecordBatch;
  /** For each message, its row in `records` or the reason why it was rejected. */
  rows: readonly (number | DecodeError)[];
}

/**
 * Decodes messages. A rejected message does not affect the others.
 * @param now Unix ms, to detect event times in the future
 */
export type DecodeBatch = (messages: readonly Message[], now: number) => DecodedBatch | Promise<DecodedBatch>;

/**
 * Writes the record of one message into row `row` of the batch.
 * @throws DecodeError if the record is invalid
 */
export type Decode = (message: Message, batch: RecordBatch, row: number, now: number) => void;

/** Decodes one message after the other. */
export function decodeEach(schema: RecordSchema, decode: Decode): DecodeBatch {
  return (messages, now) =>
    decodeRows(schema, messages, (message, _, batch, row) => decode(message, batch, row, now));
}

/**
 * Fills a batch with the records of messages.
 * @param write writes the record of the message with this index into row `row`; a DecodeError that it throws rejects the message
 */
export function decodeRows(
  schema: RecordSchema,
  messages: readonly Message[],
  write: (message: Message, index: number, batch: RecordBatch, row: number) => void,
): DecodedBatch {
  const records = createRecordBatch(schema, messages.length);
  const rows = messages.map((message, i) => {
    try {
      if (message.problem !== undefined) throw message.problem;
      write(message, i, records, records.count);
      return records.count++;
    } catch (error) {
      return toRejection(error);
    }
  });
  return { records, rows };
}

/** A DecodeError is returned as a result; other errors are thrown. */
export function toRejection(error: unknown): DecodeError {
  if (error instanceof DecodeError) return error;
  throw error;
}
