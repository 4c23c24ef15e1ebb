/**
 * The largest size that packed data can decompress to, computed from the headers of its frames and blocks alone: the libraries
 * that decompress LZ4 and zstd have no limit. Formats: LZ4 frame 1.6.4; zstd, RFC 8878. Data in another format cause a
 * RangeError.
 */

const lz4Magic = 0x184d2204;
const zstdMagic = 0xfd2fb528;
/** Skippable frames of both formats have the magic numbers 0x184D2A50 to 0x184D2A5F. */
const isSkippable = (magic: number): boolean => magic >>> 4 === 0x184d2a5;

/** A byte of an LZ4 block decompresses to at most this many bytes. */
const lz4Expansion = 255;
/** Maximum content of a zstd block, bytes. */
const zstdBlockBytes = 128 * 1024;

/** Sums over the frames; `readFrame` returns the largest possible content of one, and the position of the next. */
function sumFrames(
  bytes: Buffer,
  magic: number,
  readFrame: (at: number) => { content: number; end: number },
): number {
  let sum = 0;
  for (let at = 0; at < bytes.length;) {
    const found = bytes.readUInt32LE(at);
    if (found !== magic && !isSkippable(found)) throw new RangeError('not a frame of this format');
    if (found === magic) {
      const { content, end } = readFrame(at + 4);
      sum += content;
      at = end;
    } else at += 8 + bytes.readUInt32LE(at + 4);
    if (at > bytes.length) throw new RangeError('a frame ends after the batch');
  }
  return sum;
}

/** Bytes that one or several LZ4 frames can decompress to. */
export function largestLz4Content(bytes: Buffer): number {
  return sumFrames(bytes, lz4Magic, (start) => {
    const flags = bytes.readUInt8(start);
    const [hasBlockChecksums, hasSize, hasChecksum, hasDictionary] = [0x10, 0x08, 0x04, 0x01].map(
      (flag) => (flags & flag) !== 0,
    );
    // 4: 64 KiB, 5: 256 KiB, 6: 1 MiB, 7: 4 MiB.
    const blockBytes = 4 ** ((bytes.readUInt8(start + 1) >> 4) & 7) * 256;
    let at = start + 2 + (hasSize ? 8 : 0) + (hasDictionary ? 4 : 0) + 1;
    let content = 0;
    for (;;) {
      const header = bytes.readUInt32LE(at);
      at += 4;
      if (header === 0) return { content, end: at + (hasChecksum ? 4 : 0) };
      const packed = header & 0x7fffffff;
      const isPlain = header > 0x7fffffff;
      content += isPlain ? packed : Math.min(blockBytes, lz4Expansion * packed);
      at += packed + (hasBlockChecksums ? 4 : 0);
    }
  });
}

/** Bytes that one or several zstd frames can decompress to. */
export function largestZstdContent(bytes: Buffer): number {
  return sumFrames(bytes, zstdMagic, (start) => {
    const descriptor = bytes.readUInt8(start);
    const isSingleSegment = (descriptor & 0x20) !== 0;
    const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
    let at = start + 1 + (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
    let content = 0;
    for (let isLast = false; !isLast;) {
      const header = bytes.readUIntLE(at, 3);
      isLast = (header & 1) !== 0;
      const type = (header >> 1) & 3;
      const size = header >> 3;
      // Block types: 0 = plain; 1 = one byte, repeated; 2 = compressed.
      if (type === 3) throw new RangeError('a block has a reserved type');
      content += type === 2 ? zstdBlockBytes : size;
      at += 3 + (type === 1 ? 1 : size);
    }
    const hasChecksum = (descriptor & 0x04) !== 0;
    return { content, end: at + (hasChecksum ? 4 : 0) };
  });
}
