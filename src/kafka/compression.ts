/**
 * Compression codecs of Kafka. kafkajs has gzip; the others are packages with native libraries, loaded on first use, so that a
 * platform without one of them lacks only that codec.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { CompressionCodecs, CompressionTypes } from 'kafkajs';

interface Codec {
  compress(bytes: Buffer): Promise<Buffer>;
  decompress(bytes: Buffer): Promise<Buffer>;
}

/** Registers every codec of Kafka with kafkajs. */
export function registerCodecs(): void {
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
      throw new Error(
        `Kafka messages compressed with ${name} cannot be read or written: package ${packageName} cannot be loaded`,
        { cause },
      );
    }));
  }
  return {
    compress: async (bytes) => (await loaded()).compress(bytes),
    decompress: async (bytes) => (await loaded()).decompress(bytes),
  };
}

/** The Java client divides snappy data into blocks after this header: eight bytes and two versions. */
const blockMagic = Buffer.from('\x82SNAPPY\0', 'latin1');
const blockHeaderBytes = blockMagic.length + 8;

export async function loadSnappy(): Promise<Codec> {
  const { compress, uncompress } = await import('snappy');
  const decompress = async (bytes: Buffer) => (await uncompress(bytes, { asBuffer: true })) as Buffer;
  return {
    // All clients also read a single block without the header.
    compress,
    async decompress(bytes) {
      if (!bytes.subarray(0, blockMagic.length).equals(blockMagic)) return decompress(bytes);
      const blocks: Buffer[] = [];
      for (let at = blockHeaderBytes; at < bytes.length;) {
        const from = at + 4;
        at = from + bytes.readUInt32BE(at);
        blocks.push(await decompress(bytes.subarray(from, at)));
      }
      return Buffer.concat(blocks);
    },
  };
}

export async function loadLz4(): Promise<Codec> {
  const { compressFrame, decompressFrame } = await import('lz4-napi');
  return { compress: compressFrame, decompress: decompressFrame };
}

/** Node has zstd since 22.15. */
export async function loadZstd(): Promise<Codec> {
  type Transform = typeof zlib.gzip;
  const { zstdCompress, zstdDecompress } = zlib as { zstdCompress?: Transform; zstdDecompress?: Transform };
  if (zstdCompress !== undefined && zstdDecompress !== undefined) {
    const [compress, decompress] = [promisify(zstdCompress), promisify(zstdDecompress)];
    return { compress: (bytes) => compress(bytes), decompress: (bytes) => decompress(bytes) };
  }
  const { compress, decompress } = await import('@mongodb-js/zstd');
  return { compress: (bytes) => compress(bytes), decompress: (bytes) => decompress(bytes) };
}
