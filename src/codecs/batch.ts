/** All messages of a batch at once: images are decoded beside each other, and for sensors nothing waits per record. */
import { createRecordBatch, type RecordBatch, type RecordSchema } from '../domain/record';
import { DecodeError } from '../errors';
import type { Message } from '../sources/source';

export interface DecodedBatch {
  /** What could be decoded, in the order of the messages. */
  records: RecordBatch;
  /** By message: its row in `records`, or why it has none. */
  rows: readonly (number | DecodeError)[];
}

/**
 * Decodes messages; one that cannot be used does not keep the others back.
 * @param now Unix ms, what "in the future" is measured from
 */
export type DecodeBatch = (messages: readonly Message[], now: number) => DecodedBatch | Promise<DecodedBatch>;

/**
 * Writes one message into row `row` of the batch.
 * @throws DecodeError saying what is wrong with it
 */
export type Decode = (message: Message, batch: RecordBatch, row: number, now: number) => void;

/** Decodes message after message. */
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
