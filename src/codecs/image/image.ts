/**
 * Image records: PNG, JPEG or raw bytes, as the whole message or in base64 within JSON, converted to one size and colour.
 * The bytes are untrusted: the first bytes decide on the format, a header with too many pixels is rejected before anything
 * is unpacked, and so is an image that cannot be decoded completely.
 */
import { imageBytes, type ImageFormat, type ImageShape } from '../../domain/image';
import { DecodeError } from '../../errors';
import type { Message } from '../../sources/source';
import { runConcurrently } from '../../system/concurrency';
import type { JsonObject } from '../../system/json';
import { decodeRows, toRejection, type DecodeBatch, type EnvelopeFields, type RecordContext } from '../codec';
import { bytesOf, createEnvelopeReader, createEnvelopeWriter, createPath, parseObject } from '../envelope';
import { readPlainPng } from './plain-png';
import { loadSharp } from './sharp';

export interface ImageFields extends EnvelopeFields {
  /** Path of the image in a JSON record, in base64; empty = the message is the image, without JSON. */
  image: string;
}

/** Images that are decoded in parallel, on the threads of libuv. */
const decodedAtOnce = 4;

/** The decoder of images; if the message is the image, only `fields.image` is used. */
export function createImageDecoder(context: RecordContext<ImageFields>, image: ImageFormat): DecodeBatch {
  const { fields, schema, limits } = context;
  const inJson = fields.image !== '';
  const around = inJson ? fields : { ...fields, key: '', timestamp: '' };
  const readEnvelope = createEnvelopeReader(around);
  const writeEnvelope = createEnvelopeWriter(around.key, context);
  const readImage = createPath(fields.image);

  async function decode({ value }: Message): Promise<{ record: JsonObject; pixels: Uint8Array }> {
    const whole = bytesOf(value, limits.maxBytes);
    const record = inJson ? parseObject(whole) : {};
    const bytes = inJson ? parseBase64(readImage(record), fields.image) : whole;
    return { record, pixels: image.format === 'raw' ? checkSize(bytes, image) : await unpack(bytes, image) };
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
      batch.values.set(outcome.pixels, row * size);
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

/** @throws DecodeError for an image that is neither PNG nor JPEG, is damaged, or has too many pixels */
async function unpack(bytes: Buffer, image: ImageFormat): Promise<Uint8Array> {
  const { width, height, colour, fit, maxPixels } = image;
  if (!isPng(bytes) && !isJpeg(bytes))
    throw new DecodeError('not_an_image', 'the first bytes are those of neither PNG nor JPEG');
  const plain = isPng(bytes) && width * height <= maxPixels ? readPlainPng(bytes, image) : undefined;
  if (plain !== undefined) return plain;
  const sharp = await loadSharp();
  try {
    return await sharp(bytes, { limitInputPixels: maxPixels, failOn: 'warning', autoOrient: true })
      .flatten()
      .resize(width, height, { fit })
      .toColourspace(colour === 'grey' ? 'b-w' : 'srgb')
      .raw()
      .toBuffer();
  } catch (error) {
    const [text = ''] = (error as Error).message.split('\n', 1);
    if (text.includes('exceeds pixel limit'))
      throw new DecodeError('too_many_pixels', `more pixels than record.image.maxPixels (${maxPixels})`);
    throw new DecodeError('damaged_image', text);
  }
}

function isPng(bytes: Buffer): boolean {
  return bytes.subarray(0, 8).equals(Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a));
}

function isJpeg(bytes: Buffer): boolean {
  return bytes.subarray(0, 3).equals(Buffer.of(0xff, 0xd8, 0xff));
}
