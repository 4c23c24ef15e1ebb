/**
 * Patch of kafkajs 2.2.4: the records of a batch are decoded in one pass, within memory limits.
 *
 * Upstream: no issue. Why: kafkajs copies views of the response and creates six Long objects for each record, which costs more
 * than parsing the JSON value. A batch of 30 kB that decompresses to a gigabyte ends the process; so does one of 150,000
 * records, which overflows the stack. A batch that cannot be decoded ends the consumer at each start. This decoder returns
 * records with the same fields; for a batch that it rejects, it returns records without content. Format: KIP-98, "record
 * batch".
 *
 * Upstream: tulios/kafkajs issue 1072. Why: a compacted topic keeps the last batch of each producer, even without records. Where
 * a segment has only such batches, kafkajs fetches them again without end. This decoder ends a batch whose last records are
 * compacted away with a control record, which kafkajs skips.
 *
 * Delete when: kafkajs decodes records about as fast (`npm run bench -- kafka` shows the difference), limits the memory of
 * decompressed batches, and continues after a batch without records.
 */
import type { KafkaMessage } from 'kafkajs';
import { DecodeError } from '../../errors';
import { maxUnpackedBytes } from '../compression';
import type { Patch } from './patch';

/** The part of kafkajs' decoder that the patch uses. */
interface Decoder {
  readonly buffer: Buffer;
  readonly offset: number;
  readInt8(): number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): { toString(): string };
  slice(length: number): Decoder;
  forward(length: number): void;
}

interface Codec {
  decompress(bytes: Buffer): Promise<Buffer>;
}

/** Header of a batch; kafkajs filters records of aborted transactions by it. */
type BatchContext = ReturnType<typeof readContext>['context'];

type Headers = Record<string, Buffer | null | (Buffer | null)[]>;

const noHeaders: Headers = Object.freeze({});
const appendTime = 1;
const codecMask = 0x07;
const appendTimeFlag = 0x08;
const transactionalFlag = 0x10;
const controlFlag = 0x20;

/** A record with kafkajs' fields. Key and timestamp are created lazily by getters, which `{ ...record }` does not copy. */
export class FetchedRecord {
  constructor(
    readonly offset: string,
    /** Unix ms. */
    readonly timestampMs: number,
    readonly attributes: number,
    private readonly bytes: Buffer,
    private readonly keyFrom: number,
    /** Length of the key; −1 = no key. */
    private readonly keyLength: number,
    readonly value: Buffer | null,
    readonly headers: Headers,
    readonly batchContext: BatchContext,
    /** Set if the batch of the record is rejected; the record then has no content. */
    readonly problem?: DecodeError,
  ) {}

  get key(): Buffer | null {
    return this.keyLength < 0 ? null : this.bytes.subarray(this.keyFrom, this.keyFrom + this.keyLength);
  }

  get timestamp(): string {
    return String(this.timestampMs);
  }

  get magicByte(): number {
    return this.batchContext.magicByte;
  }

  get isControlRecord(): boolean {
    return this.batchContext.isControlBatch;
  }
}

/** The timestamp of a message, Unix ms. */
export function timestampOf(message: KafkaMessage | FetchedRecord): number {
  return message instanceof FetchedRecord ? message.timestampMs : Number(message.timestamp);
}

/** Not retriable, as a second fetch returns the same bytes. */
function damaged(where: string): DecodeError {
  return new DecodeError('damaged_record', `the batch ends in the middle of ${where}`);
}

/** Reads the records of one batch in order; `bytes` are decompressed and without the header. */
function createRecordReader(bytes: Buffer, context: BatchContext): () => FetchedRecord {
  const firstOffset = Number(context.firstOffset);
  const firstTimestamp = Number(context.firstTimestamp);
  let at = 0;

  /** Reads a zigzag-encoded integer of up to 2^53. */
  function integer(): number {
    let value = 0;
    let place = 1;
    let byte: number | undefined;
    do {
      byte = bytes[at++];
      if (byte === undefined) throw damaged('a number');
      value += (byte & 0x7f) * place;
      place *= 128;
    } while (byte >= 0x80);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  function view(): Buffer | null {
    const length = integer();
    if (length === -1) return null;
    if (length < 0 || at + length > bytes.length) throw damaged('a key, value or header');
    const begin = at;
    at += length;
    return bytes.subarray(begin, at);
  }

  function readHeaders(): Headers {
    const count = integer();
    if (count <= 0) return noHeaders;
    const headers: Headers = {};
    for (let i = 0; i < count; i++) {
      const name = view()?.toString('utf8') ?? '';
      const value = view();
      const before = headers[name];
      if (before === undefined) headers[name] = value;
      else if (Array.isArray(before)) before.push(value);
      else headers[name] = [before, value];
    }
    return headers;
  }

  return () => {
    const length = integer();
    const end = at + length;
    if (length < 0 || end > bytes.length) throw damaged('a record');
    const attributes = bytes.readInt8(at++);
    const time = integer();
    const delta = integer();
    const keyLength = integer();
    const keyFrom = at;
    at += Math.max(0, keyLength);
    if (at > end) throw damaged('a key');
    const value = view();
    const headers = readHeaders();
    at = end;
    const offset = firstOffset + delta;
    return new FetchedRecord(
      Number.isSafeInteger(offset) ? String(offset) : String(BigInt(context.firstOffset) + BigInt(delta)),
      context.timestampType === appendTime ? Number(context.maxTimestamp) : firstTimestamp + time,
      attributes,
      bytes,
      keyFrom,
      keyLength,
      value,
      headers,
      context,
    );
  };
}

/** Reads the header up to the number of records; `firstOffset` precedes the length. */
function readContext(firstOffset: string, decoder: Decoder) {
  const partitionLeaderEpoch = decoder.readInt32();
  const magicByte = decoder.readInt8();
  // Skips the checksum.
  decoder.readInt32();
  const attributes = decoder.readInt16();
  const context = {
    firstOffset,
    partitionLeaderEpoch,
    magicByte,
    inTransaction: (attributes & transactionalFlag) !== 0,
    isControlBatch: (attributes & controlFlag) !== 0,
    timestampType: (attributes & appendTimeFlag) === 0 ? 0 : appendTime,
    lastOffsetDelta: decoder.readInt32(),
    firstTimestamp: decoder.readInt64().toString(),
    maxTimestamp: decoder.readInt64().toString(),
    producerId: decoder.readInt64().toString(),
    producerEpoch: decoder.readInt16(),
    firstSequence: decoder.readInt32(),
  };
  return { attributes, context };
}

/** Memory of a record besides its bytes. */
const recordBytes = 128;
/** Size of a record without key, value and headers, bytes. */
const leastRecordBytes = 7;
/** Maximum number of records that represent those of a rejected batch. */
const maxPlaceholders = 1_000;

/** Memory that the records of a batch take, bytes. @throws DecodeError if it exceeds the limit */
function measure(plain: Buffer, count: number): number {
  if (count * leastRecordBytes > plain.length) throw damaged('its records');
  const bytes = plain.length + count * recordBytes;
  if (bytes <= maxUnpackedBytes) return bytes;
  throw new DecodeError(
    'batch_too_large',
    `${count} records and ${plain.length} bytes of a batch take more memory than ${maxUnpackedBytes} bytes`,
  );
}

/** Records for a rejected batch, one per original record up to a limit, with their offsets and the reason. */
function placeholders(context: BatchContext, { reason, message }: DecodeError): FetchedRecord[] {
  const { firstOffset, lastOffsetDelta, firstTimestamp } = context;
  const first = BigInt(firstOffset);
  const last = first + BigInt(lastOffsetDelta);
  const problem = new DecodeError(reason, `${message} (offsets ${first} to ${last})`);
  const count = Math.min(maxPlaceholders, Math.max(0, lastOffsetDelta) + 1);
  return Array.from({ length: count }, (_, i) => {
    // The last record has the last offset, so that reading continues after the batch.
    const offset = String(i === count - 1 ? last : first + BigInt(i));
    const time = Number(firstTimestamp);
    return new FetchedRecord(offset, time, 0, noBytes, 0, -1, null, noHeaders, context, problem);
  });
}

const noBytes = Buffer.alloc(0);

/** A control record at the end of a batch whose last records are compacted away; undefined if the batch is complete. */
function endOf(context: BatchContext, lastRecord: FetchedRecord | undefined): FetchedRecord | undefined {
  const last = BigInt(context.firstOffset) + BigInt(context.lastOffsetDelta);
  if (lastRecord !== undefined && BigInt(lastRecord.offset) >= last) return undefined;
  const time = Number(context.maxTimestamp);
  const control = { ...context, isControlBatch: true };
  return new FetchedRecord(String(last), time, 0, noBytes, 0, -1, null, noHeaders, control);
}

interface DecodedBatch extends BatchContext {
  records: FetchedRecord[];
  /** Memory that the records take, bytes. */
  bytes: number;
}

type DecodeRecordBatch = (fetched: Decoder) => Promise<DecodedBatch>;

function createBatchDecoder(
  codecFor: (attributes: number) => Codec | null,
  partial: new (message: string) => Error,
): DecodeRecordBatch {
  async function unpack(attributes: number, count: number, bytes: Buffer): Promise<Buffer> {
    const codec = codecFor(attributes);
    if (codec === null && (attributes & codecMask) !== 0)
      throw new DecodeError('damaged_record', `there is no codec for compression ${attributes & codecMask}`);
    return codec === null || count <= 0 ? bytes : await codec.decompress(bytes);
  }

  return async (fetched) => {
    const firstOffset = fetched.readInt64().toString();
    const length = fetched.readInt32();
    const decoder = fetched.slice(length);
    fetched.forward(length);
    // A response is cut at its size limit; kafkajs fetches a partial batch again.
    if (decoder.buffer.length < length)
      throw new partial(`a record batch of ${length} bytes was cut off after ${decoder.buffer.length}`);
    const { attributes, context } = readContext(firstOffset, decoder);
    const count = decoder.readInt32();
    try {
      const plain = await unpack(attributes, count, decoder.buffer.subarray(decoder.offset));
      const bytes = measure(plain, count);
      const next = createRecordReader(plain, context);
      const records: FetchedRecord[] = [];
      for (let i = 0; i < count; i++) records.push(next());
      const end = endOf(context, records.at(-1));
      if (end !== undefined) records.push(end);
      return { ...context, records, bytes };
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return { ...context, records: placeholders(context, error), bytes: 0 };
    }
  };
}

/** Maximum memory for the records of one response, bytes. Further batches are fetched again. */
const maxResponseBytes = 2 * maxUnpackedBytes;
/** Size of a batch before its records, without its offset and length, bytes. */
const batchOverhead = 49;
const magicAt = 16;

/** Decodes the record set of a partition, in place of kafkajs' `decodeMessages`. */
function createSetDecoder(
  decodeBatch: DecodeRecordBatch,
  decodeOldFormat: (decoder: Decoder, size: number) => Promise<unknown[]>,
): (decoder: Decoder) => Promise<unknown[]> {
  /** Memory of the records of a response, by the buffer that all its record sets share. */
  const used = new WeakMap<ArrayBufferLike, number>();

  return async (decoder) => {
    const size = decoder.readInt32();
    if (size <= 0 || size > decoder.buffer.length - decoder.offset) return [];
    const set = decoder.slice(size);
    decoder.forward(size);
    if (set.buffer[magicAt] !== 2) return decodeOldFormat(set, size);
    const response = set.buffer.buffer;
    const batches: FetchedRecord[][] = [];
    while (set.buffer.length - set.offset >= batchOverhead) {
      const before = used.get(response) ?? 0;
      if (before > maxResponseBytes) break;
      try {
        const { records, bytes } = await decodeBatch(set);
        used.set(response, before + bytes);
        batches.push(records);
      } catch (error) {
        if ((error as Error).name !== 'KafkaJSPartialMessageError') throw error;
        break;
      }
    }
    return batches.length === 1 ? batches[0]! : batches.flat();
  };
}

const decoderPath = 'protocol/recordBatch/v0/decoder';
const setDecoderPath = 'protocol/requests/fetch/v4/decodeMessages';
const setDecoderUsers = ['v4', 'v5', 'v7', 'v8', 'v11'].map(
  (version) => `protocol/requests/fetch/${version}/response`,
);
/** Words that the source of the replaced decoder must contain. */
const knownWords = ['firstOffset', 'maxTimestamp', 'lookupCodecByAttributes', 'KafkaJSPartialMessageError'];
/** Decoders installed by this patch. */
const patched = new WeakSet<object>();

export const recordBatchPatch: Patch = {
  name: 'record-batch',
  neededFor: 'safety',
  without: 'a small compressed batch can exhaust the memory, and decoding of records takes more CPU',
  apply(kafkajs) {
    const original = kafkajs.load(decoderPath);
    if (typeof original !== 'function') return false;
    if (patched.has(original)) return true;
    // A module that is already loaded keeps the decoder that it imported.
    const isLate = setDecoderUsers.some((path) => kafkajs.isLoaded(path));
    if (isLate || !knownWords.every((word) => original.toString().includes(word))) return false;
    const { lookupCodecByAttributes } = kafkajs.load('protocol/message/compression') as {
      lookupCodecByAttributes: (attributes: number) => Codec | null;
    };
    const { KafkaJSPartialMessageError } = kafkajs.load('errors') as {
      KafkaJSPartialMessageError: new (message: string) => Error;
    };
    const decode = createBatchDecoder(lookupCodecByAttributes, KafkaJSPartialMessageError);
    const decodeOldFormat = kafkajs.load('protocol/messageSet/decoder') as (
      decoder: Decoder,
      size: number,
    ) => Promise<unknown[]>;
    kafkajs.load(setDecoderPath);
    patched.add(decode);
    kafkajs.replaceExports(decoderPath, decode);
    kafkajs.replaceExports(setDecoderPath, createSetDecoder(decode, decodeOldFormat));
    return true;
  },
};
