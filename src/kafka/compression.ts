/**
 * What record batches may be packed with. gzip is in kafkajs; the others are packages with prebuilt libraries, loaded with the
 * first batch that needs one, so that a platform without one of them loses that codec alone.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { CompressionCodecs, CompressionTypes } from 'kafkajs';

interface Codec {
  compress(bytes: Buffer): Promise<Buffer>;
  decompress(bytes: Buffer): Promise<Buffer>;
}

/** Teaches kafkajs every codec of Kafka. */
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

/** A codec whose package is loaded when it is needed; its calls reject, and name the package, when that does not load. */
export function createLazyCodec(name: string, packageName: string, load: () => Promise<Codec>): Codec {
  let loading: Promise<Codec> | undefined;
  function loaded(): Promise<Codec> {
    return (loading ??= load().catch((cause: unknown) => {
      throw new Error(
        `Kafka messages in ${name} can be neither read nor written: the package ${packageName} does not load`,
        { cause },
      );
    }));
  }
  return {
    compress: async (bytes) => (await loaded()).compress(bytes),
    decompress: async (bytes) => (await loaded()).decompress(bytes),
  };
}

/** Java's client divides what it packs with snappy into blocks, behind this: eight bytes, and two versions. */
const blockMagic = Buffer.from('\x82SNAPPY\0', 'latin1');
const blockHeaderBytes = blockMagic.length + 8;

export async function loadSnappy(): Promise<Codec> {
  const { compress, uncompress } = await import('snappy');
  const unpack = async (bytes: Buffer) => (await uncompress(bytes, { asBuffer: true })) as Buffer;
  return {
    // Everyone also reads one block without a header.
    compress,
    async decompress(bytes) {
      if (!bytes.subarray(0, blockMagic.length).equals(blockMagic)) return unpack(bytes);
      const blocks: Buffer[] = [];
      for (let at = blockHeaderBytes; at < bytes.length;) {
        const from = at + 4;
        at = from + bytes.readUInt32BE(at);
        blocks.push(await unpack(bytes.subarray(from, at)));
      }
      return Buffer.concat(blocks);
    },
  };
}

export async function loadLz4(): Promise<Codec> {
  const { compressFrame, decompressFrame } = await import('lz4-napi');
  return { compress: compressFrame, decompress: decompressFrame };
}

/** Node has had its own since 22.15. */
export async function loadZstd(): Promise<Codec> {
  type Pack = typeof zlib.gzip;
  const { zstdCompress, zstdDecompress } = zlib as { zstdCompress?: Pack; zstdDecompress?: Pack };
  if (zstdCompress !== undefined && zstdDecompress !== undefined) {
    const [compress, decompress] = [promisify(zstdCompress), promisify(zstdDecompress)];
    return { compress: (bytes) => compress(bytes), decompress: (bytes) => decompress(bytes) };
  }
  const { compress, decompress } = await import('@mongodb-js/zstd');
  return { compress: (bytes) => compress(bytes), decompress: (bytes) => decompress(bytes) };
}
