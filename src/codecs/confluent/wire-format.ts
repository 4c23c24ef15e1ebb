/**
 * The Confluent wire format: a zero byte, the id of the schema as a big-endian int32, then the record. The reader of a schema
 * is compiled once and cached.
 */
import type { RecordBatch } from '../../domain/record';
import { DecodeError } from '../../errors';
import type { FoundSchema, RegisteredSchema } from './schema-registry';
import type { Message } from '../../sources/source';
import {
  decodeRows,
  toRejection,
  type CodecContext,
  type DecodeBatch,
  type DecodedBatch,
  type RecordContext,
} from '../codec';
import { bytesOf } from '../envelope';

/**
 * Writes a record of one schema, which starts at byte `at` of a message, into row `row` of the batch.
 * @throws DecodeError if the record is invalid
 */
export type ReadRecord = (
  bytes: Buffer,
  at: number,
  message: Message,
  batch: RecordBatch,
  row: number,
  now: number,
) => void;

/** Start of the record in a message. */
const headerBytes = 5;

/** Limit of the cache; the least recently used schema is evicted. */
const maxSchemas = 1_000;

/** Time until a missing or unusable schema is requested again, ms. */
const retryAfterMs = 60_000;

interface CachedReader {
  /** Reader of the records, or the reason why there is none. */
  read: ReadRecord | DecodeError;
  /** Time of the next request to the registry, Unix ms. */
  until: number;
}

/** Compiles the reader of a schema; throws or rejects with a DecodeError if the schema is unusable. */
export type CompileSchema = (schema: RegisteredSchema) => ReadRecord | Promise<ReadRecord>;

/** A batch rejects with an UnavailableError while the registry is unavailable; its records are not rejected. */
export function createWireFormatDecoder(
  context: CodecContext,
  createCompiler: (context: RecordContext) => CompileSchema,
): DecodeBatch {
  const { schema, limits } = context;
  const registry = context.registry();
  const compile = createCompiler(context);
  // A Map iterates in insertion order, so the first entry is the least recently used.
  const known = new Map<number, CachedReader>();

  return (messages, now) => {
    const idOfMessage = messages.map((message) => schemaIdOf(message, limits.maxBytes));
    const ids = new Set(idOfMessage.filter((id): id is number => typeof id === 'number'));
    const readers = new Map<number, ReadRecord | DecodeError>();
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
    const decode = (): DecodedBatch =>
      decodeRows(schema, messages, (message, i, batch, row) => {
        const id = idOfMessage[i]!;
        const read = id instanceof DecodeError ? id : readers.get(id)!;
        if (read instanceof DecodeError) throw read;
        read(message.value!, headerBytes, message, batch, row, now);
      });
    return missing.length === 0 ? decode() : addMissing(missing, readers, now).then(decode);
  };

  async function addMissing(
    ids: readonly number[],
    readers: Map<number, ReadRecord | DecodeError>,
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

  async function readerOf(id: number, found: FoundSchema): Promise<ReadRecord | DecodeError> {
    if (found === undefined) return new DecodeError('unknown_schema', `the registry has no schema ${id}`);
    if (found instanceof DecodeError) return found;
    try {
      return await compile(found);
    } catch (error) {
      return toRejection(error);
    }
  }
}

/** The schema id of a message, or why it has none. */
function schemaIdOf({ value }: Message, maxBytes: number): number | DecodeError {
  try {
    const bytes = bytesOf(value, maxBytes);
    const id = bytes.length < headerBytes || bytes[0] !== 0 ? -1 : bytes.readInt32BE(1);
    if (id >= 0) return id;
    return new DecodeError('unknown_format', 'the message does not start with a zero byte and a schema id');
  } catch (error) {
    return toRejection(error);
  }
}
