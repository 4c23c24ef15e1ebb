/**
 * Memory for many items of one size, cut from large buffers. Separate arrays would lie far apart in memory, and thousands of
 * them slow each garbage collection down.
 */

/** A buffer as numbers of each kind. */
export interface Slab {
  readonly float64: Float64Array;
  readonly float32: Float32Array;
  readonly bytes: Uint8Array;
}

/** Items begin at a cache line. */
const lineBytes = 64;
/** Size of a buffer, unless one item is larger. */
const slabBytes = 1 << 20;

/**
 * @param size of an item, bytes
 * @returns a function that allocates the memory of the next item, filled with 0; `at` is its first byte, a multiple of 64. The
 * memory is freed with all other items of its slab
 */
export function createSlabs(size: number): () => { slab: Slab; at: number } {
  const stride = Math.ceil(size / lineBytes) * lineBytes;
  const items = Math.max(1, Math.floor(slabBytes / Math.max(1, stride)));
  let slab: Slab | undefined;
  let used = 0;
  return () => {
    if (slab === undefined || used === items) {
      const buffer = new ArrayBuffer(items * stride);
      slab = {
        float64: new Float64Array(buffer),
        float32: new Float32Array(buffer),
        bytes: new Uint8Array(buffer),
      };
      used = 0;
    }
    return { slab, at: stride * used++ };
  };
}
