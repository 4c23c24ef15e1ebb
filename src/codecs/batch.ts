/** Decoding of whole batches, so that images are decoded in parallel and sensor records without a promise per record. */
import { createRecordBatch, type RecordBatch, type RecordSchema } from '../domain/record';
import { DecodeError } from '../errors';
import type { Message } from '../sources/source';

export interface DecodedBatch {
  /** The decoded records, in the order of the messages. */
  records: RecordBatch;
  /** For each message, its row in `records` or the reason why it was rejected. */
  rows: readonly (number | DecodeError)[];
}

/**
 * Decodes messages; a rejected message does not affect the others.
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
  return (messages, now) => {
    const records = createRecordBatch(schema, messages.length);
    const rows = messages.map((message) => {
      try {
        decode(message, records, records.count, now);
        return records.count++;
      } catch (error) {
        if (error instanceof DecodeError) return error;
        throw error;
      }
    });
    return { records, rows };
  };
}
