import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { CompressionCodecs, CompressionTypes } from 'kafkajs';
import { DecodeError } from '../../src/errors';
import {
  createLazyCodec,
  loadLz4,
  loadSnappy,
  loadZstd,
  maxUnpackedBytes,
} from '../../src/kafka/compression';
import '../../src/kafka/client';

const text = Buffer.from('{"flow": 12.1, "pressure": 3.2}\n'.repeat(500));

const codecs = [
  ['gzip', CompressionTypes.GZIP],
  ['snappy', CompressionTypes.Snappy],
  ['lz4', CompressionTypes.LZ4],
  ['zstd', CompressionTypes.ZSTD],
] as const;

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>;
  decompress(bytes: Buffer): Promise<Buffer>;
}

test.each(codecs)('kafkajs packs with %s, to much less, and unpacks', async (_, type) => {
  const codec = CompressionCodecs[type]() as Codec;
  for (const buffer of [text, Buffer.alloc(0), Buffer.of(7)]) {
    const packed = await codec.compress({ buffer });
    expect(Buffer.from(await codec.decompress(packed)).equals(buffer)).toBe(true);
  }
  expect((await codec.compress({ buffer: text })).length).toBeLessThan(text.length / 10);
});

test.each(codecs)(
  '%s rejects data of another format, and packed data that are cut off',
  async (name, type) => {
    const codec = CompressionCodecs[type]() as Codec;
    const packed = await codec.compress({ buffer: text });
    for (const bytes of [Buffer.from('plain text'), packed.subarray(0, packed.length / 2), Buffer.of(7)]) {
      const error = await codec.decompress(bytes).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(DecodeError);
      expect(error).toMatchObject({ reason: 'damaged_record' });
      expect((error as Error).message).toContain(`the batch cannot be unpacked (${name})`);
    }
  },
);

/** Packs much: gzip as fast as it can. */
const pack = (type: (typeof codecs)[number][1], buffer: Buffer): Promise<Buffer> =>
  type === CompressionTypes.GZIP
    ? promisify(gzip)(buffer, { level: 1 })
    : (CompressionCodecs[type]() as Codec).compress({ buffer });

/** What compresses best. Packed in parts, as one string of bytes or as frames one after the other. */
const bomb = Buffer.alloc(16 * 1024 * 1024);

test.each(codecs)('%s unpacks nothing that exceeds the limit', async (_, type) => {
  const codec = CompressionCodecs[type]() as Codec;
  const parts: readonly Buffer[] = Array<Buffer>(5).fill(bomb);
  const whole = await pack(type, Buffer.concat(parts));
  expect(whole.length).toBeLessThan(4_000_000);
  const before = process.memoryUsage().rss;
  await expect(codec.decompress(whole)).rejects.toMatchObject({ reason: 'batch_too_large' });
  // gzip has no size at its start: it is unpacked up to the limit.
  const allowed = type === CompressionTypes.GZIP ? 3 * maxUnpackedBytes : maxUnpackedBytes / 4;
  expect(process.memoryUsage().rss - before).toBeLessThan(allowed);
});

test.each(codecs.filter(([name]) => name !== 'snappy'))(
  '%s counts all frames of a batch',
  async (_, type) => {
    const codec = CompressionCodecs[type]() as Codec;
    const packed = await pack(type, bomb);
    const frames = Buffer.concat(Array<Buffer>(5).fill(packed));
    await expect(codec.decompress(frames)).rejects.toMatchObject({ reason: 'batch_too_large' });
  },
);

test.each(codecs)('%s unpacks a batch close to the limit', async (_, type) => {
  const codec = CompressionCodecs[type]() as Codec;
  const buffer = Buffer.alloc(maxUnpackedBytes - 1_000_000, 'record ');
  expect((await codec.decompress(await pack(type, buffer))).length).toBe(buffer.length);
});

test('the size that snappy states is not believed', async () => {
  const { compress, decompress } = await loadSnappy();
  const block = await compress(text);
  // The size of the block is 16,000: two bytes.
  const stated = (size: number[]): Buffer => Buffer.concat([Buffer.from(size), block.subarray(2)]);
  await expect(decompress(stated([0xff, 0xff, 0xff, 0xff, 0x0f]))).rejects.toMatchObject({
    reason: 'batch_too_large',
  });
  await expect(decompress(stated([0x05]))).rejects.toThrow();
});

test("the blocks of Java's snappy are put together", async () => {
  const { compress, decompress } = await loadSnappy();
  const blocks = await Promise.all([text, Buffer.from('and more'), text].map((part) => compress(part)));
  const framed = blocks.flatMap((block) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(block.length);
    return [size, block];
  });
  const header = Buffer.from('82534e41505059000000000100000001', 'hex');
  const unpacked = await decompress(Buffer.concat([header, ...framed]));
  expect(unpacked.equals(Buffer.concat([text, Buffer.from('and more'), text]))).toBe(true);
});

test('a package that does not load is named by every call, and is not looked for again', async () => {
  let loads = 0;
  const codec = createLazyCodec('lz4', 'lz4-napi', () => {
    loads++;
    return Promise.reject(new Error('no binary for this platform'));
  });
  for (const call of [codec.compress(text), codec.decompress(text)]) {
    await expect(call).rejects.toThrow(
      'Kafka messages compressed with lz4 cannot be read or written: package lz4-napi cannot be loaded: no binary for this platform',
    );
  }
  expect(loads).toBe(1);
});

test('a codec is loaded once, when it is first needed', async () => {
  let loads = 0;
  const codec = createLazyCodec('zstd', 'any', () => {
    loads++;
    return loadZstd();
  });
  expect(loads).toBe(0);
  expect((await codec.decompress(await codec.compress(text))).equals(text)).toBe(true);
  expect(loads).toBe(1);
});

test('lz4 has frames, as brokers require', async () => {
  const { compress } = await loadLz4();
  expect((await compress(text)).subarray(0, 4).toString('hex')).toBe('04224d18');
});
