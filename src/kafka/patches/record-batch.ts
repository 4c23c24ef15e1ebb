/**
 * kafkajs 2.2.4 reads each record by way of two views of the response that nobody needs and half a dozen 64-bit integers, each
 * an object: more work, and more garbage, than decoding the JSON in it. This reads the records of a batch in one go; what comes
 * out has the same fields. Format: KIP-98, "record batch".
 */
import { createRequire } from 'node:module';
import { KafkaJSNonRetriableError } from 'kafkajs';
import type { KafkaMessage } from 'kafkajs';

/** What is used of kafkajs' decoder. */
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

/** Of a batch, what kafkajs goes by when it leaves out records of transactions that were aborted. */
interface BatchContext {
  firstOffset: string;
  firstTimestamp: string;
  partitionLeaderEpoch: number;
  inTransaction: boolean;
  isControlBatch: boolean;
  lastOffsetDelta: number;
  producerId: string;
  producerEpoch: number;
  firstSequence: number;
  maxTimestamp: string;
  timestampType: number;
  magicByte: number;
}

type Headers = Record<string, Buffer | null | (Buffer | null)[]>;

const noHeaders: Headers = Object.freeze({});
const appendTime = 1;
const codecMask = 0x07;
const appendTimeFlag = 0x08;
const transactionalFlag = 0x10;
const controlFlag = 0x20;

/**
 * A record as kafkajs hands it on. Its time is a number until somebody wants a text, and its key a place in the batch: both are
 * getters, which `{ ...record }` leaves behind.
 */
export class FetchedRecord {
  constructor(
    readonly offset: string,
    /** Unix ms. */
    readonly timestampMs: number,
    readonly attributes: number,
    private readonly bytes: Buffer,
    private readonly keyFrom: number,
    /** −1 = there is none. */
    private readonly keyLength: number,
    readonly value: Buffer | null,
    readonly headers: Headers,
    readonly batchContext: BatchContext,
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

/** When a message was written, Unix ms. */
export function timestampOf(message: KafkaMessage | FetchedRecord): number {
  return message instanceof FetchedRecord ? message.timestampMs : Number(message.timestamp);
}

/** Whoever reads it again reads the same. */
function damaged(where: string): Error {
  return new KafkaJSNonRetriableError(`a record batch ends in the middle of ${where}`);
}

/** Reads the records of one batch, behind its header, one after the other. */
function createRecordReader(bytes: Buffer, context: BatchContext): () => FetchedRecord {
  const firstOffset = Number(context.firstOffset);
  const firstTimestamp = Number(context.firstTimestamp);
  let at = 0;

  /** Zigzag, up to 2^53. */
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
    if (end > bytes.length) throw damaged('a record');
    const attributes = bytes.readInt8(at++);
    const time = integer();
    const delta = integer();
    const keyLength = integer();
    const keyFrom = at;
    at += Math.max(0, keyLength);
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

function createBatchDecoder(
  codecFor: (attributes: number) => Codec | null,
  partial: new (message: string) => Error,
): (fetched: Decoder) => Promise<BatchContext & { records: FetchedRecord[] }> {
  return async (fetched) => {
    const firstOffset = fetched.readInt64().toString();
    const length = fetched.readInt32();
    const decoder = fetched.slice(length);
    fetched.forward(length);
    // As kafkajs has it: a fetch ends where its limit is, and what was cut off comes with the next one.
    if (decoder.buffer.length < length)
      throw new partial(`a record batch of ${length} bytes was cut off after ${decoder.buffer.length}`);
    const partitionLeaderEpoch = decoder.readInt32();
    const magicByte = decoder.readInt8();
    // The checksum.
    decoder.readInt32();
    const attributes = decoder.readInt16();
    const context: BatchContext = {
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
    const count = decoder.readInt32();
    const bytes = decoder.buffer.subarray(decoder.offset);
    const codec = codecFor(attributes);
    if (codec === null && (attributes & codecMask) !== 0)
      throw new KafkaJSNonRetriableError(`there is no codec for compression ${attributes & codecMask}`);
    const plain = codec === null || count <= 0 ? bytes : await codec.decompress(bytes);
    const next = createRecordReader(plain, context);
    const records: FetchedRecord[] = [];
    for (let i = 0; i < count; i++) records.push(next());
    return { ...context, records };
  };
}

/** Replaces the reader of record batches, before the first fetch; leaves a kafkajs alone whose inside looks different. */
export function patchRecordBatches(): 'patched' | 'unknown' {
  const require = createRequire(__filename);
  const inside = (path: string): string => require.resolve(`kafkajs/src/protocol/${path}`);
  try {
    const place = inside('recordBatch/v0/decoder');
    const original: unknown = require(place);
    if (typeof original !== 'function') return 'unknown';
    if (patched.has(original)) return 'patched';
    const known = ['firstOffset', 'maxTimestamp', 'lookupCodecByAttributes', 'KafkaJSPartialMessageError'];
    const loaded = require.cache[place];
    // Whoever has loaded it already would go on with the old one.
    const isLate = require.cache[inside('requests/fetch/v4/decodeMessages')] !== undefined;
    if (loaded === undefined || isLate || !known.every((word) => original.toString().includes(word)))
      return 'unknown';
    const { lookupCodecByAttributes } = require(inside('message/compression')) as {
      lookupCodecByAttributes: (attributes: number) => Codec | null;
    };
    const { KafkaJSPartialMessageError } = require('kafkajs/src/errors') as {
      KafkaJSPartialMessageError: new (message: string) => Error;
    };
    const decode = createBatchDecoder(lookupCodecByAttributes, KafkaJSPartialMessageError);
    patched.add(decode);
    loaded.exports = decode;
    return 'patched';
  } catch {
    return 'unknown';
  }
}

/** Readers that are ours. */
const patched = new WeakSet<object>();
