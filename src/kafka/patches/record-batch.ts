/**
 * Patch of kafkajs 2.2.4: the records of a batch are decoded in one pass.
 *
 * Upstream: no issue.
 * Why: kafkajs copies views of the response and creates six Long objects for each record, which costs more than parsing the JSON
 * value. This decoder returns records with the same fields. Format: KIP-98, "record batch".
 * Delete when: kafkajs decodes records about as fast (`npm run bench -- kafka` shows the difference).
 */
import { KafkaJSNonRetriableError } from 'kafkajs';
import type { KafkaMessage } from 'kafkajs';
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
    /** −1 = no key. */
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

/** The timestamp of a message, Unix ms. */
export function timestampOf(message: KafkaMessage | FetchedRecord): number {
  return message instanceof FetchedRecord ? message.timestampMs : Number(message.timestamp);
}

/** Not retriable: a second fetch returns the same bytes. */
function damaged(where: string): Error {
  return new KafkaJSNonRetriableError(`a record batch ends in the middle of ${where}`);
}

/** Reads the records of one batch in order; `bytes` are decompressed and without the header. */
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

/** Reads the header up to the number of records; `firstOffset` stands before the length. */
function readContext(firstOffset: string, decoder: Decoder) {
  const partitionLeaderEpoch = decoder.readInt32();
  const magicByte = decoder.readInt8();
  // Checksum.
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

function createBatchDecoder(
  codecFor: (attributes: number) => Codec | null,
  partial: new (message: string) => Error,
): (fetched: Decoder) => Promise<BatchContext & { records: FetchedRecord[] }> {
  return async (fetched) => {
    const firstOffset = fetched.readInt64().toString();
    const length = fetched.readInt32();
    const decoder = fetched.slice(length);
    fetched.forward(length);
    // A fetch is cut at its size limit; kafkajs fetches a partial batch again.
    if (decoder.buffer.length < length)
      throw new partial(`a record batch of ${length} bytes was cut off after ${decoder.buffer.length}`);
    const { attributes, context } = readContext(firstOffset, decoder);
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

const decoderPath = 'protocol/recordBatch/v0/decoder';
/** Words in the source of the decoder that is replaced. */
const knownWords = ['firstOffset', 'maxTimestamp', 'lookupCodecByAttributes', 'KafkaJSPartialMessageError'];
/** Decoders of this patch. */
const patched = new WeakSet<object>();

export const recordBatchPatch: Patch = {
  name: 'record-batch',
  neededFor: 'efficiency',
  without: 'decoding of records takes more CPU',
  apply(kafkajs) {
    const original = kafkajs.load(decoderPath);
    if (typeof original !== 'function') return false;
    if (patched.has(original)) return true;
    // The module that uses the decoder keeps the one that it has loaded.
    const isLate = kafkajs.isLoaded('protocol/requests/fetch/v4/decodeMessages');
    if (isLate || !knownWords.every((word) => original.toString().includes(word))) return false;
    const { lookupCodecByAttributes } = kafkajs.load('protocol/message/compression') as {
      lookupCodecByAttributes: (attributes: number) => Codec | null;
    };
    const { KafkaJSPartialMessageError } = kafkajs.load('errors') as {
      KafkaJSPartialMessageError: new (message: string) => Error;
    };
    const decode = createBatchDecoder(lookupCodecByAttributes, KafkaJSPartialMessageError);
    patched.add(decode);
    kafkajs.replaceExports(decoderPath, decode);
    return true;
  },
};
