/** Rows of numbers whose final count is not known. */
import { createValues, type Values } from '../domain/record';

export interface GrowingRows {
  /** Appends a row of `from`. */
  push(from: Values, row: number): void;
  /** Keeps only the first rows. */
  truncate(rows: number): void;
  /** Copies a row. The memory of earlier rows may be freed: each row is taken once, in order. */
  take(row: number, into: Values, at: number): void;
}

/**
 * @param width values of a row
 * @param pixels whether values are bytes; a row may then have millions
 */
export function createGrowingRows(width: number, pixels: boolean): GrowingRows {
  return pixels ? growingPixels(width) : growingNumbers(width);
}

/** Rows in an array that doubles when it is full; a plain array of numbers grows more slowly. */
function growingNumbers(width: number): GrowingRows {
  // Starts small, as most devices of a large fleet may have only one or two records.
  let data = createValues(width, false);
  let used = 0;
  return {
    push(from, row) {
      if (used + width > data.length) {
        const larger = createValues(2 * data.length, false);
        larger.set(data);
        data = larger;
      }
      for (let i = 0; i < width; i++) data[used + i] = from[row * width + i]!;
      used += width;
    },
    truncate(rows) {
      used = rows * width;
    },
    take(row, into, at) {
      for (let i = 0; i < width; i++) into[at + i] = data[row * width + i]!;
    },
  };
}

/** Maximum number of bytes and of rows in a part; a part has at least one row. There may be many devices with few images. */
const [bytesOfPart, rowsOfPart] = [1 << 24, 256];

/** An array buffer that shrinks in place (ES2024, since Node 20). */
type Shrinking = ArrayBuffer & { resize(bytes: number): void };
const ShrinkingBuffer = ArrayBuffer as unknown as new (
  bytes: number,
  of: { maxByteLength: number },
) => Shrinking;

/**
 * Rows in parts, each of which is freed as soon as its rows are taken, so that the history is not in memory twice during the
 * copy. An unused array would stay in memory until the next garbage collection, which copying does not cause.
 */
function growingPixels(width: number): GrowingRows {
  const perPart = Math.max(1, Math.min(rowsOfPart, Math.floor(bytesOfPart / width)));
  const parts: Shrinking[] = [];
  let used = 0;
  let given = 0;
  const partOf = (row: number): Uint8Array => new Uint8Array(parts[Math.floor(row / perPart)]!);
  const release = (part: number): void => parts[part]!.resize(0);
  return {
    push(from, row) {
      if (used === parts.length * perPart) {
        const bytes = perPart * width;
        parts.push(new ShrinkingBuffer(bytes, { maxByteLength: bytes }));
      }
      partOf(used).set(from.subarray(row * width, (row + 1) * width), (used % perPart) * width);
      used++;
    },
    truncate(rows) {
      used = rows;
      const kept = Math.ceil(rows / perPart);
      for (let part = kept; part < parts.length; part++) release(part);
      parts.length = kept;
    },
    take(row, into, at) {
      for (const before = Math.floor(row / perPart); given < before; given++) release(given);
      const from = (row % perPart) * width;
      into.set(partOf(row).subarray(from, from + width), at);
    },
  };
}
