/** Decompresses files whose name ends in `.gz`. */
import { createGunzip, type Gunzip } from 'node:zlib';

/** The error of zlib as text for a file; errors other than that it is not gzip, such as a truncated file, stay as they are. */
export function unpackingError(error: Error): Error {
  return error.message === 'incorrect header check'
    ? new Error('the file is not gzip, although its name ends in .gz', { cause: error })
    : error;
}

/** As `createGunzip`, with the error of `unpackingError`. */
export function createUnpacker(): Gunzip {
  const unpacker = createGunzip();
  const destroy = unpacker._destroy.bind(unpacker);
  unpacker._destroy = (error, done) => destroy(error && unpackingError(error), done);
  return unpacker;
}
