/**
 * Compression codecs of Kafka. gzip is part of Node. The others are packages with native libraries, which are loaded on first
 * use, so a platform without one of them lacks only that codec. No codec decompresses a batch before its size is known to be
 * within the limit.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { CompressionCodecs, CompressionTypes, KafkaJSNonRetriableError } from 'kafkajs';
import { DecodeError } from '../errors';
import { messageOf } from '../system/error-text';
import { largestLz4Content, largestZstdContent } from './packed-size';

interface Codec {
  compress(bytes: Buffer): Promise<Buffer>;
  /** @throws DecodeError for damaged bytes, and for more than `maxUnpackedBytes` */
  decompress(bytes: Buffer): Promise<Buffer>;
}

/** Maximum size of a decompressed batch, bytes. Brokers accept compressed batches of 1 MiB unless configured otherwise. */
export const maxUnpackedBytes = 64 * 1024 * 1024;

/** Registers every codec of Kafka with kafkajs. */
export function registerCodecs(): void {
  register(CompressionTypes.GZIP, createLazyCodec('gzip', 'zlib', loadGzip));
  register(CompressionTypes.Snappy, createLazyCodec('snappy', 'snappy', loadSnappy));
  register(CompressionTypes.LZ4, createLazyCodec('lz4', 'lz4-napi', loadLz4));
  register(CompressionTypes.ZSTD, createLazyCodec('zstd', '@mongodb-js/zstd', loadZstd));
}

function register(type: Exclude<CompressionTypes, CompressionTypes.None>, codec: Codec): void {
  CompressionCodecs[type] = () => ({
    compress: ({ buffer }: { buffer: Buffer }) => codec.compress(buffer),
    decompress: (bytes: Buffer) => codec.decompress(bytes),
  });
}

/** A codec whose package is loaded on first use; if that fails, its calls reject with the package's name. */
export function createLazyCodec(name: string, packageName: string, load: () => Promise<Codec>): Codec {
  let loading: Promise<Codec> | undefined;
  function loaded(): Promise<Codec> {
    return (loading ??= load().catch((cause: unknown) => {
      // The error is not retriable, as loading would fail again until the package is installed.
      throw new KafkaJSNonRetriableError(
        `Kafka messages compressed with ${name} cannot be read or written: package ${packageName} cannot be loaded: ${messageOf(cause)}`,
      );
    }));
  }
  return {
    compress: async (bytes) => (await loaded()).compress(bytes),
    async decompress(bytes) {
      const codec = await loaded();
      return await codec.decompress(bytes).catch((cause: unknown) => {
        if (cause instanceof DecodeError) throw cause;
        throw new DecodeError(
          'damaged_record',
          `the batch cannot be unpacked (${name}): ${messageOf(cause)}`,
        );
      });
    },
  };
}

/** @throws DecodeError if a batch may decompress to more than `maxUnpackedBytes` */
function assertWithin(bytes: number): void {
  if (bytes <= maxUnpackedBytes) return;
  throw new DecodeError('batch_too_large', `the batch unpacks to more than ${maxUnpackedBytes} bytes`);
}

function loadGzip(): Promise<Codec> {
  const [compress, decompress] = [
    promisify(zlib.gzip),
    promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.gunzip),
  ];
  return Promise.resolve({
    compress: (bytes) => compress(bytes),
    decompress: (bytes) =>
      decompress(bytes, { maxOutputLength: maxUnpackedBytes }).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') assertWithin(Infinity);
        throw error;
      }),
  });
}

/** The Java client divides snappy data into blocks after this header: eight bytes and two versions. */
const blockMagic = Buffer.from('\x82SNAPPY\0', 'latin1');
const blockHeaderBytes = blockMagic.length + 8;

export async function loadSnappy(): Promise<Codec> {
  const { compress, uncompress } = await import('snappy');
  return {
    // All clients can also read a single block without the header.
    compress,
    async decompress(bytes) {
      const blocks = snappyBlocks(bytes);
      assertWithin(blocks.reduce((sum, block) => sum + snappyContent(block), 0));
      const unpacked: Buffer[] = [];
      for (const block of blocks) unpacked.push((await uncompress(block, { asBuffer: true })) as Buffer);
      return unpacked.length === 1 ? unpacked[0]! : Buffer.concat(unpacked);
    },
  };
}

function snappyBlocks(bytes: Buffer): Buffer[] {
  if (!bytes.subarray(0, blockMagic.length).equals(blockMagic)) return [bytes];
  const blocks: Buffer[] = [];
  for (let at = blockHeaderBytes; at < bytes.length;) {
    const from = at + 4;
    at = from + bytes.readUInt32BE(at);
    if (at > bytes.length) throw new RangeError('a block ends after the batch');
    blocks.push(bytes.subarray(from, at));
  }
  return blocks;
}

/** Size of a decompressed block in bytes, stored before it as a variable-length integer. */
function snappyContent(block: Buffer): number {
  let size = 0;
  for (let i = 0; i < 5; i++) {
    const byte = block[i];
    if (byte === undefined) break;
    size += (byte & 0x7f) * 128 ** i;
    if (byte < 0x80) return size;
  }
  throw new RangeError('a block has no size');
}

export async function loadLz4(): Promise<Codec> {
  const { compressFrame, decompressFrame } = await import('lz4-napi');
  return {
    compress: compressFrame,
    async decompress(bytes) {
      assertWithin(largestLz4Content(bytes));
      return await decompressFrame(bytes);
    },
  };
}

/** Loads the zstd codec. Node has one since 22.15. */
export async function loadZstd(): Promise<Codec> {
  type Transform = typeof zlib.gzip;
  const { zstdCompress, zstdDecompress } = zlib as { zstdCompress?: Transform; zstdDecompress?: Transform };
  const isBuiltIn = zstdCompress !== undefined && zstdDecompress !== undefined;
  const { compress, decompress } = isBuiltIn
    ? { compress: promisify(zstdCompress), decompress: promisify(zstdDecompress) }
    : await import('@mongodb-js/zstd');
  return {
    compress: (bytes) => compress(bytes),
    async decompress(bytes) {
      assertWithin(largestZstdContent(bytes));
      return await decompress(bytes);
    },
  };
}
