/**
 * Image records: PNG, JPEG or raw bytes, as the whole message or in base64 within JSON, converted to one size and colour. The
 * bytes are untrusted: the first bytes determine the format, a header with too many pixels is rejected before decoding, and so
 * is an image that cannot be decoded completely.
 */
import { frameOf, imageBytes, type Frame, type ImageFormat, type ImageShape } from '../../domain/image';
import { DecodeError } from '../../errors';
import type { Message } from '../../sources/source';
import { runConcurrently } from '../../system/concurrency';
import { firstLineOf } from '../../system/error-text';
import type { JsonObject } from '../../system/json';
import { decodeRows, toRejection, type DecodeBatch, type EnvelopeFields, type RecordContext } from '../codec';
import { bytesOf, createEnvelopeReader, createEnvelopeWriter, createPath, parseObject } from '../envelope';
import { withCorrectHeaders } from './jpeg-headers';
import { readPlainPng } from './plain-png';
import { normalised } from './normalise';
import { loadSharp } from './sharp';

export interface ImageFields extends EnvelopeFields {
  /** Path of the image in a JSON record, in base64; empty = the message is the image, without JSON. */
  image: string;
}

/** Pixels of one image; those of more than 8 bits are scaled to bytes later, in the order of the messages. */
type Pixels = Uint8Array | Uint16Array;

interface Unpacked {
  pixels: Pixels;
  /** Their place in the original, for an image that came in another size. */
  frame?: Frame | undefined;
}

/** Images that are decoded in parallel, on the threads of libuv. */
const decodedAtOnce = 4;

/** Receives notes about the images, such as a change of their scale. */
export type ImageLog = (message: string, fields: Record<string, unknown>) => void;

/** Creates the decoder of images. If the message is the image, only `fields.image` is used. */
export function createImageDecoder(
  context: RecordContext<ImageFields>,
  image: ImageFormat,
  log: ImageLog = () => undefined,
): DecodeBatch {
  const { fields, schema, limits } = context;
  const inJson = fields.image !== '';
  const around = inJson ? fields : { ...fields, key: '', timestamp: '' };
  const readEnvelope = createEnvelopeReader(around);
  const writeEnvelope = createEnvelopeWriter(around.key, context);
  const readImage = createPath(fields.image);
  const toBytes = createDepthScale(image.bits ?? 0, log);

  async function decode({ value }: Message): Promise<Unpacked & { record: JsonObject }> {
    const whole = bytesOf(value, limits.maxBytes);
    const record = inJson ? parseObject(whole) : {};
    const bytes = inJson ? parseBase64(readImage(record), fields.image) : whole;
    return {
      record,
      ...(image.format === 'raw' ? { pixels: checkSize(bytes, image) } : await unpack(bytes, image)),
    };
  }

  return async (messages, now) => {
    const decoded = await runConcurrently(messages, decodedAtOnce, (message) =>
      decode(message).catch(toRejection),
    );
    const size = imageBytes(image);
    return decodeRows(schema, messages, (message, i, batch, row) => {
      const outcome = decoded[i]!;
      if (outcome instanceof DecodeError) throw outcome;
      writeEnvelope(readEnvelope(message, outcome.record), batch, row, now);
      batch.values.set(normalised(toBytes(outcome.pixels), image.normalise), row * size);
      if (outcome.frame !== undefined) batch.frames?.set(row, outcome.frame);
    });
  };
}

function parseBase64(value: unknown, field: string): Buffer {
  if (typeof value !== 'string' || value === '')
    throw new DecodeError('missing_image', `no image in "${field}"`);
  const bytes = Buffer.from(value, 'base64');
  const padding = value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0;
  // Buffer.from skips invalid characters, which would change the image.
  if (bytes.length !== (value.length / 4) * 3 - padding)
    throw new DecodeError('not_base64', `"${field}" is not base64`);
  return bytes;
}

function checkSize(bytes: Uint8Array, image: ImageShape): Uint8Array {
  const { width, height, colour } = image;
  const expected = imageBytes(image);
  if (bytes.length === expected) return bytes;
  throw new DecodeError(
    'wrong_image_size',
    `a raw image of ${width} × ${height} pixels in ${colour} has ${expected} bytes, this one ${bytes.length}`,
  );
}

/** Bits in use by cameras that write 16-bit files, unless a value needs more. */
const usualBits = 12;

/**
 * Scales values of 16-bit files to bytes by the number of bits in use; rounds down, like libvips.
 * @param bits 0 = 12 until a value needs more, then 16
 */
function createDepthScale(bits: number, log: ImageLog): (pixels: Pixels) => Uint8Array {
  let used: number | undefined = bits === 0 ? undefined : bits;
  return (pixels) => {
    if (pixels instanceof Uint8Array) return pixels;
    const most = pixels.reduce((max, value) => Math.max(max, value), 0);
    if (bits !== 0 && most >= 2 ** bits)
      throw new DecodeError(
        'out_of_range',
        `a pixel has the value ${most}, but record.image.bits is ${bits}`,
      );
    if (used === undefined || most >= 2 ** used) {
      const needed = most < 2 ** usualBits ? usualBits : 16;
      log('values of 16-bit images are scaled by the bits that they use', {
        bits: needed,
        ...(used !== undefined && { before: used }),
        largestValue: most,
        setting: 'record.image.bits',
      });
      used = needed;
    }
    const shift = used - 8;
    return Uint8Array.from(pixels, (value) => value >> shift);
  };
}

/** @throws DecodeError for an image that is neither PNG nor JPEG, is damaged, or has too many pixels */
async function unpack(bytes: Buffer, image: ImageFormat): Promise<Unpacked> {
  const { width, height, maxPixels } = image;
  if (!isPng(bytes) && !isJpeg(bytes))
    throw new DecodeError('not_an_image', 'the first bytes are those of neither PNG nor JPEG');
  const plain = isPng(bytes) && width * height <= maxPixels ? readPlainPng(bytes, image) : undefined;
  if (plain !== undefined) return { pixels: plain };
  try {
    return await unpackStrictly(bytes, image);
  } catch (error) {
    const corrected = isJpeg(bytes) ? withCorrectHeaders(bytes) : undefined;
    const unpacked = corrected && (await unpackStrictly(corrected, image).catch(() => undefined));
    if (unpacked !== undefined) return unpacked;
    const text = firstLineOf(error);
    if (text.includes('exceeds pixel limit'))
      throw new DecodeError('too_many_pixels', `more pixels than record.image.maxPixels (${maxPixels})`);
    throw new DecodeError('damaged_image', text);
  }
}

/** @throws Error of sharp, also for a warning, as damaged pixels cause only a warning */
async function unpackStrictly(bytes: Buffer, image: ImageFormat): Promise<Unpacked> {
  const { width, height, colour, fit, maxPixels } = image;
  const sharp = await loadSharp();
  const file = sharp(bytes, { limitInputPixels: maxPixels, failOn: 'warning', autoOrient: true });
  const scaled = file.flatten().resize(width, height, { fit });
  const { autoOrient: upright } = await file.metadata();
  const frame = frameOf(image, { width: upright.width, height: upright.height });
  if (!isDeepPng(bytes)) {
    const pixels = await scaled
      .toColourspace(colour === 'grey' ? 'b-w' : 'srgb')
      .raw()
      .toBuffer();
    return { pixels, frame };
  }
  const deep = await scaled
    .toColourspace(colour === 'grey' ? 'grey16' : 'rgb16')
    .raw({ depth: 'ushort' })
    .toBuffer();
  return { pixels: new Uint16Array(deep.buffer, deep.byteOffset, deep.length / 2), frame };
}

function isPng(bytes: Buffer): boolean {
  return bytes.subarray(0, 8).equals(Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a));
}

/** Whether a PNG has 16 bits per value, as its header states. */
function isDeepPng(bytes: Buffer): boolean {
  return isPng(bytes) && bytes[24] === 16;
}

function isJpeg(bytes: Buffer): boolean {
  return bytes.subarray(0, 3).equals(Buffer.of(0xff, 0xd8, 0xff));
}
