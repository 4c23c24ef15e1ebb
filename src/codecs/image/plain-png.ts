/**
 * Fast reader of PNG files that need no conversion: the wanted size and colour, 8 bits, not interlaced, no palette, no colour
 * profile. A libvips pipeline takes some hundred microseconds for the smallest image, this reader a tenth of that. It rejects
 * no file: all other files, including those with a wrong checksum, are left to sharp. Format: PNG (W3C, third edition).
 */
import { crc32, inflateSync } from 'node:zlib';
import { colourChannels, imageBytes, type ImageShape } from '../../domain/image';

/** The pixels, row by row, equal to those of sharp; undefined = sharp must read the file. */
export function readPlainPng(bytes: Buffer, image: ImageShape): Uint8Array | undefined {
  const data = plainData(bytes, image);
  if (data === undefined) return undefined;
  const { width, height } = image;
  const channels = colourChannels(image);
  const stride = width * channels + 1;
  let filtered: Buffer;
  try {
    // The limit stops decompression bombs; a single chunk of the right size avoids garbage collection.
    const size = stride * height;
    filtered = inflateSync(data, { maxOutputLength: size, chunkSize: Math.max(leastChunk, size) });
  } catch {
    return undefined;
  }
  if (filtered.length !== stride * height) return undefined;
  return unfilter(filtered, channels, width * channels, height, new Uint8Array(imageBytes(image)));
}

/** Smallest chunk size that zlib accepts. */
const leastChunk = 64;
const signatureBytes = 8;
/** Colour types of the format. */
const [grey, rgb] = [0, 2];
/** Chunks that do not affect pixels; all others may. */
const harmless = new Set(['tEXt', 'tIME', 'pHYs']);

/** The content of the IDAT chunks; undefined for a file that is not plain. */
function plainData(bytes: Buffer, { width, height, colour }: ImageShape): Buffer | undefined {
  const parts: Buffer[] = [];
  let at = signatureBytes;
  for (let n = 0; at + 12 <= bytes.length; n++) {
    const length = bytes.readUInt32BE(at);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) return undefined;
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end)) return undefined;
    const body = bytes.subarray(at + 8, end);
    at = end + 4;
    if (n === 0) {
      const isWanted =
        type === 'IHDR' &&
        length === 13 &&
        body.readUInt32BE(0) === width &&
        body.readUInt32BE(4) === height &&
        // 8 bits, the only defined methods of compression and filtering, and not interlaced.
        body[8] === 8 &&
        body[9] === (colour === 'grey' ? grey : rgb) &&
        body[10] === 0 &&
        body[11] === 0 &&
        body[12] === 0;
      if (!isWanted) return undefined;
    } else if (type === 'IDAT') parts.push(body);
    else if (type === 'IEND')
      return at === bytes.length && length === 0 && parts.length > 0 ? Buffer.concat(parts) : undefined;
    else if (!harmless.has(type)) return undefined;
  }
  return undefined;
}

/**
 * Undoes the filter of each row (§ 9).
 * @param filtered rows, each after the number of its filter
 * @param channels bytes of a pixel
 * @param width bytes of a row
 */
function unfilter(
  filtered: Buffer,
  channels: number,
  width: number,
  height: number,
  out: Uint8Array,
): Uint8Array | undefined {
  for (let row = 0; row < height; row++) {
    const from = row * (width + 1) + 1;
    const to = row * width;
    const filter = filtered[from - 1]!;
    if (filter > 4) return undefined;
    for (let i = 0; i < width; i++) {
      const left = i >= channels ? out[to + i - channels]! : 0;
      const above = row > 0 ? out[to + i - width]! : 0;
      const corner = row > 0 && i >= channels ? out[to + i - width - channels]! : 0;
      // The array stores the sum modulo 256.
      out[to + i] = filtered[from + i]! + prediction(filter, left, above, corner);
    }
  }
  return out;
}

function prediction(filter: number, left: number, above: number, corner: number): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return above;
    case 3:
      return (left + above) >> 1;
    case 4:
      return paeth(left, above, corner);
    default:
      return 0;
  }
}

/** The Paeth predictor: the value among the three that is nearest to left + above − corner. */
function paeth(left: number, above: number, corner: number): number {
  const estimate = left + above - corner;
  const [byLeft, byAbove, byCorner] = [
    Math.abs(estimate - left),
    Math.abs(estimate - above),
    Math.abs(estimate - corner),
  ];
  if (byLeft <= byAbove && byLeft <= byCorner) return left;
  return byAbove <= byCorner ? above : corner;
}
