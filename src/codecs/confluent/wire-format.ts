/**
 * Records behind the id of their schema, as Confluent's serializers write them: a zero byte, the id as a big-endian int32,
 * then the record. What reads it is made once for each schema, and kept.
 */
import { createRecordBatch, type RecordBatch, type RecordSchema } from '../../domain/record';
import { DecodeError } from '../../errors';
import type { FoundSchema, RegisteredSchema, SchemaRegistry } from './schema-registry';
import type { Message } from '../../sources/source';
import type { DecodeBatch, DecodedBatch } from '../batch';
import { bytesOf, type DecodeLimits } from '../envelope';

/**
 * Writes a record of one schema, from byte `at` of a message on, into row `row` of the batch.
 * @throws DecodeError saying what is wrong with it
 */
export type ReadFramed = (
  bytes: Buffer,
  at: number,
  message: Message,
  batch: RecordBatch,
  row: number,
  now: number,
) => void;

/** Where the record begins. */
const headerBytes = 5;

/** Schemas that are kept; the least recently used goes first. */
const maxSchemas = 1_000;

/** How long a schema that is not there, or cannot be used, is not asked for again, ms: it may have been put right. */
const retryAfterMs = 60_000;

interface Known {
  /** What reads its records, or why they cannot be read. */
  read: ReadFramed | DecodeError;
  /** Unix ms. */
  until: number;
}

/** What reads the records of a schema; rejects with a DecodeError when there is no such thing. */
export type CompileSchema = (schema: RegisteredSchema) => ReadFramed | Promise<ReadFramed>;

/**
 * @returns rejects with an UnavailableError when the registry cannot be asked: no record is refused for that
 */
export function createFramedDecoder(
  schema: RecordSchema,
  { maxBytes }: Pick<DecodeLimits, 'maxBytes'>,
  registry: SchemaRegistry,
  compile: CompileSchema,
): DecodeBatch {
  // A Map keeps insertion order: the first one is the least recently used.
  const known = new Map<number, Known>();

  return (messages, now) => {
    const framed = messages.map((message) => attempt(() => schemaIdOf(message, maxBytes)));
    const ids = new Set(framed.filter((id): id is number => typeof id === 'number'));
    const readers = new Map<number, ReadFramed | DecodeError>();
    const missing: number[] = [];
    for (const id of ids) {
      const found = known.get(id);
      if (found === undefined || found.until <= now) {
        missing.push(id);
        continue;
      }
      known.delete(id);
      known.set(id, found);
      readers.set(id, found.read);
    }
    if (missing.length === 0) return decode(messages, framed, readers, now);
    return addMissing(missing, readers, now).then(() => decode(messages, framed, readers, now));
  };

  async function addMissing(
    ids: readonly number[],
    readers: Map<number, ReadFramed | DecodeError>,
    now: number,
  ): Promise<void> {
    const schemas = await registry.find(ids);
    for (const id of ids) {
      const read = await readerOf(id, schemas.get(id));
      readers.set(id, read);
      known.delete(id);
      known.set(id, { read, until: read instanceof DecodeError ? now + retryAfterMs : Infinity });
      if (known.size > maxSchemas) known.delete(known.keys().next().value!);
    }
  }

  async function readerOf(id: number, found: FoundSchema): Promise<ReadFramed | DecodeError> {
    if (found === undefined) return new DecodeError('unknown_schema', `the registry has no schema ${id}`);
    if (found instanceof DecodeError) return found;
    try {
      return await compile(found);
    } catch (error) {
      if (error instanceof DecodeError) return error;
      throw error;
    }
  }

  function decode(
    messages: readonly Message[],
    framed: readonly (number | DecodeError)[],
    readers: ReadonlyMap<number, ReadFramed | DecodeError>,
    now: number,
  ): DecodedBatch {
    const records = createRecordBatch(schema, messages.length);
    const rows = messages.map((message, i) => {
      const id = framed[i]!;
      const read = id instanceof DecodeError ? id : readers.get(id)!;
      if (read instanceof DecodeError) return read;
      return attempt(() => {
        read(message.value!, headerBytes, message, records, records.count, now);
        return records.count++;
      });
    });
    return { records, rows };
  }
}

/** @throws DecodeError when the message has none */
function schemaIdOf({ value }: Message, maxBytes: number): number {
  const bytes = bytesOf(value, maxBytes);
  const id = bytes.length < headerBytes || bytes[0] !== 0 ? -1 : bytes.readInt32BE(1);
  if (id >= 0) return id;
  throw new DecodeError(
    'unknown_format',
    'the message does not begin with a zero byte and the id of a schema',
  );
}

/** What comes of the task, a DecodeError included. */
function attempt<T>(task: () => T): T | DecodeError {
  try {
    return task();
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
}
