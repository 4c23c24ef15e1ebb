import { crc32 as zlibCrc, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import type { ImageShape } from '../../../src/domain/image';
import { readPlainPng } from '../../../src/codecs/image/plain-png';

const colours = fc.constantFrom('grey' as const, 'rgb' as const);

/** An image that compresses in various ways: noise, flat, or a slope. */
const pixels = (size: number) =>
  fc.oneof(
    fc.uint8Array({ minLength: size, maxLength: size }),
    fc.nat(255).map((value) => new Uint8Array(size).fill(value)),
    fc.nat(9).map((step) => Uint8Array.from({ length: size }, (_, i) => i * step)),
  );

const images = fc
  .record({
    width: fc.integer({ min: 1, max: 24 }),
    height: fc.integer({ min: 1, max: 24 }),
    colour: colours,
  })
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      raw: pixels(shape.width * shape.height * (shape.colour === 'grey' ? 1 : 3)),
    }),
  );

function encode(raw: Uint8Array, { width, height, colour }: ImageShape, options: sharp.PngOptions = {}) {
  return sharp(raw, { raw: { width, height, channels: colour === 'grey' ? 1 : 3 } })
    .toColourspace(colour === 'grey' ? 'b-w' : 'srgb')
    .png(options)
    .toBuffer();
}

test('reads images with all kinds of filters', async () => {
  await fc.assert(
    fc.asyncProperty(images, fc.boolean(), fc.nat(9), async ({ shape, raw }, adaptiveFiltering, level) => {
      const png = await encode(raw, shape, { adaptiveFiltering, compressionLevel: level });
      expect(Buffer.from(readPlainPng(png, shape)!)).toEqual(Buffer.from(raw));
    }),
  );
});

const shape: ImageShape = { width: 9, height: 7, colour: 'grey' };
const raw = Uint8Array.from({ length: 63 }, (_, i) => (i * i) % 251);

test.each([1, 2, 3, 4])('undoes filter %d', (filter) => {
  // Random bytes: sharp must read the same pixels.
  const rows = Buffer.alloc(7 * 10, 3);
  for (let row = 0; row < 7; row++) rows[row * 10] = filter;
  const png = assemble([
    ['IHDR', header()],
    ['IDAT', deflateSync(rows)],
    ['IEND', Buffer.alloc(0)],
  ]);
  return sharp(png)
    .toColourspace('b-w')
    .raw()
    .toBuffer()
    .then((expected) => expect(Buffer.from(readPlainPng(png, shape)!)).toEqual(expected));
});

function header(): Buffer {
  const body = Buffer.alloc(13);
  body.writeUInt32BE(9, 0);
  body.writeUInt32BE(7, 4);
  body[8] = 8;
  return body;
}

/** CRC-32 as in the PNG specification, bit by bit. */
function crcOf(bytes: Buffer): number {
  if (typeof zlibCrc === 'function') return zlibCrc(bytes);
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  }
  return (value ^ 0xffffffff) >>> 0;
}

function assemble(chunks: readonly (readonly [type: string, body: Buffer])[]): Buffer {
  return Buffer.concat([
    Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    ...chunks.map(([type, body]) => {
      const content = Buffer.concat([Buffer.from(type), body]);
      const ends = Buffer.alloc(8);
      ends.writeUInt32BE(body.length, 0);
      ends.writeUInt32BE(crcOf(content), 4);
      return Buffer.concat([ends.subarray(0, 4), content, ends.subarray(4)]);
    }),
  ]);
}

test.each<[string, () => Promise<Buffer>]>([
  ['of another size', () => encode(new Uint8Array(64), { ...shape, width: 8, height: 8 })],
  ['of another colour', () => encode(new Uint8Array(189), { ...shape, colour: 'rgb' })],
  ['with a palette', () => encode(raw, shape, { palette: true })],
  ['interlaced', () => encode(raw, shape, { progressive: true })],
  [
    'with an alpha channel',
    () =>
      sharp(raw, { raw: { width: 9, height: 7, channels: 1 } })
        .toColourspace('b-w')
        .ensureAlpha()
        .png()
        .toBuffer(),
  ],
  [
    'with a colour profile',
    () =>
      sharp(raw, { raw: { width: 9, height: 7, channels: 1 } })
        .withIccProfile('srgb')
        .png()
        .toBuffer(),
  ],
])('leaves one %s to sharp', async (_, make) => {
  expect(readPlainPng(await make(), shape)).toBeUndefined();
});

test('leaves damaged and truncated files to sharp', async () => {
  const png = await encode(raw, shape);
  for (let length = 0; length < png.length; length++)
    expect(readPlainPng(png.subarray(0, length), shape)).toBeUndefined();
  for (let at = 8; at < png.length; at++) {
    const damaged = Buffer.from(png);
    damaged[at]! ^= 0x10;
    expect(readPlainPng(damaged, shape)).toBeUndefined();
  }
});

test('unpacks no more bytes than the image has', () => {
  const bomb = assemble([
    ['IHDR', header()],
    ['IDAT', deflateSync(Buffer.alloc(10_000_000))],
    ['IEND', Buffer.alloc(0)],
  ]);
  expect(readPlainPng(bomb, shape)).toBeUndefined();
});
