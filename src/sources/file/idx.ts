/**
 * Reads the idx format of MNIST: a magic number that ends with the number of dimensions, the size of each dimension, then
 * bytes.
 */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip, type InputType, type ZlibOptions } from 'node:zlib';
import { unpackingError } from './gzip';

export interface IdxImages {
  width: number;
  height: number;
  /** Images of width × height bytes, row by row. */
  images: readonly Buffer[];
}

/** @throws Error with the name of a file that cannot be read or has no images of bytes */
export async function readIdxImages(path: string): Promise<IdxImages> {
  const { sizes, data } = parseIdx(await readPlain(path), path, 3);
  const [count = 0, height = 0, width = 0] = sizes;
  const size = height * width;
  if (count === 0 || size === 0) throw new Error(`${path} has no images`);
  return {
    width,
    height,
    images: Array.from({ length: count }, (_, i) => data.subarray(i * size, (i + 1) * size)),
  };
}

/** Whether the bytes are an idx file with one dimension, such as labels. */
export function isIdxLabels(bytes: Buffer): boolean {
  return bytes.subarray(0, 4).equals(Buffer.of(0, 0, unsignedByte, 1));
}

/** @throws Error with the name of the file if it is damaged */
export function parseIdxLabels(bytes: Buffer, path: string): Buffer {
  return parseIdx(bytes, path, 1).data;
}

/** Maximum size of a decompressed file, bytes. */
const maxPlainBytes = 1024 ** 3;

/** The content of a file, decompressed if its name ends in `.gz`. */
export async function readPlain(path: string): Promise<Buffer> {
  try {
    const bytes = await readFile(path);
    return path.endsWith('.gz')
      ? await promisify<InputType, ZlibOptions, Buffer>(gunzip)(bytes, { maxOutputLength: maxPlainBytes })
      : bytes;
  } catch (cause) {
    throw new Error(`cannot read ${path}: ${unpackingError(cause as Error).message}`, { cause });
  }
}

const unsignedByte = 8;

/** The size of each dimension, and the unsigned bytes, row by row. */
function parseIdx(bytes: Buffer, path: string, dimensions: number) {
  const head = 4 + 4 * dimensions;
  if (bytes.length < head || !bytes.subarray(0, 4).equals(Buffer.of(0, 0, unsignedByte, dimensions)))
    throw new Error(`${path} is no idx file of bytes in ${dimensions} dimensions`);
  const sizes = Array.from({ length: dimensions }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  const expected = head + sizes.reduce((product, size) => product * size, 1);
  if (bytes.length !== expected)
    throw new Error(`${path} must have ${expected} bytes for ${sizes.join(' × ')}, but has ${bytes.length}`);
  return { sizes, data: bytes.subarray(head) };
}
