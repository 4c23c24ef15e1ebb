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
import { messageOf } from '../../system/error-text';
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

/** A schema's reader, and a check of its records before they are read, if it has one. */
export interface SchemaReader {
  read: ReadRecord;
  /** Returns the reason for each record that must be rejected. Rejects with a DecodeError if the schema proves unusable. */
  check?: (records: readonly Uint8Array[]) => Promise<readonly (DecodeError | undefined)[]>;
}

/** Start of the record in a message. */
const headerBytes = 5;

/** Limits of the cache; the least recently used schema is evicted. */
const maxSchemas = 1_000;
const maxCachedCharacters = 16 * 1024 * 1024;

/** Maximum number of characters of a schema and those that it refers to. */
const maxCharacters = 1024 * 1024;

/** Time until a missing or unusable schema is requested again, ms. */
const retryAfterMs = 60_000;

interface CachedReader {
  /** Reader of the records, or the error because of which there is none. */
  reader: SchemaReader | DecodeError;
  /** Size of the schema, characters. */
  size: number;
  /** Time of the next request to the registry, Unix ms. */
  until: number;
}

/** Compiles the reader of a schema; throws or rejects with a DecodeError if the schema is unusable. */
export type CompileSchema = (schema: RegisteredSchema) => SchemaReader | Promise<SchemaReader>;

/** While the registry is unavailable, batches reject with an UnavailableError and no record is rejected. */
export function createWireFormatDecoder(
  context: CodecContext,
  createCompiler: (context: RecordContext) => CompileSchema,
): DecodeBatch {
  const { schema, limits } = context;
  const registry = context.registry();
  const compile = createCompiler(context);
  // A Map iterates in insertion order, so its first entry is the least recently used.
  const known = new Map<number, CachedReader>();

  return (messages, now) => {
    const idOfMessage = messages.map((message) => schemaIdOf(message, limits.maxBytes));
    const ids = new Set(idOfMessage.filter((id): id is number => typeof id === 'number'));
    const readers = new Map<number, SchemaReader | DecodeError>();
    const missing: number[] = [];
    for (const id of ids) {
      const found = known.get(id);
      if (found === undefined || found.until <= now) {
        missing.push(id);
        continue;
      }
      known.delete(id);
      known.set(id, found);
      readers.set(id, found.reader);
    }
    /** Messages that do not match their schema, by index. */
    const rejected = new Map<number, DecodeError>();
    const decode = (): DecodedBatch =>
      decodeRows(schema, messages, (message, i, batch, row) => {
        const id = idOfMessage[i]!;
        const reader = id instanceof DecodeError ? id : readers.get(id)!;
        const problem = reader instanceof DecodeError ? reader : rejected.get(i);
        if (problem !== undefined) throw problem;
        (reader as SchemaReader).read(message.value!, headerBytes, message, batch, row, now);
      });
    /** Checks all records of a schema together. */
    async function checkRecords(): Promise<void> {
      for (const [id, reader] of readers) {
        if (reader instanceof DecodeError || reader.check === undefined) continue;
        const indices = [...messages.keys()].filter((i) => idOfMessage[i] === id);
        try {
          const problems = await reader.check(indices.map((i) => messages[i]!.value!.subarray(headerBytes)));
          for (const [at, problem] of problems.entries())
            if (problem !== undefined) rejected.set(indices[at]!, problem);
        } catch (error) {
          const problem = toRejection(error);
          readers.set(id, problem);
          remember(id, problem, 0, now);
        }
      }
    }
    const isReady = missing.length === 0;
    if (isReady && ![...readers.values()].some((one) => 'check' in one)) return decode();
    const prepared = isReady ? Promise.resolve() : addMissing(missing, readers, now);
    return prepared.then(checkRecords).then(decode);
  };

  async function addMissing(
    ids: readonly number[],
    readers: Map<number, SchemaReader | DecodeError>,
    now: number,
  ): Promise<void> {
    const schemas = await registry.find(ids);
    for (const id of ids) {
      const found = schemas.get(id);
      const size = found === undefined || found instanceof DecodeError ? 0 : sizeOf(found);
      const reader = await readerOf(id, found, size);
      readers.set(id, reader);
      remember(id, reader, size, now);
    }
  }

  function remember(id: number, reader: SchemaReader | DecodeError, size: number, now: number): void {
    known.delete(id);
    known.set(id, { reader, size, until: reader instanceof DecodeError ? now + retryAfterMs : Infinity });
    let cached = 0;
    for (const one of known.values()) cached += one.size;
    for (const [oldest, one] of known) {
      if (known.size <= maxSchemas && cached <= maxCachedCharacters) break;
      known.delete(oldest);
      cached -= one.size;
    }
  }

  /** The schema is untrusted, so any error during its compilation makes it unusable. */
  async function readerOf(id: number, found: FoundSchema, size: number): Promise<SchemaReader | DecodeError> {
    if (found === undefined) return new DecodeError('unknown_schema', `the registry has no schema ${id}`);
    if (found instanceof DecodeError) return found;
    if (size > maxCharacters)
      return new DecodeError(
        'unusable_schema',
        `schema ${id} has ${size} characters, more than ${maxCharacters}`,
      );
    try {
      return await compile(found);
    } catch (error) {
      if (error instanceof DecodeError) return error;
      return new DecodeError(
        'unusable_schema',
        `schema ${id} cannot be compiled: ${messageOf(error).slice(0, 160)}`,
      );
    }
  }
}

function sizeOf({ text, references }: RegisteredSchema): number {
  return references.reduce((sum, reference) => sum + reference.text.length, text.length);
}

/** The schema id of a message, or the error if it has none. */
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
