/** The only door to sharp, which reads and writes image files. */
import type sharpFunction from 'sharp';

type Sharp = typeof sharpFunction;

let loading: Promise<Sharp> | undefined;

/**
 * Loaded when the first image comes: who has sensors alone does not pay for it.
 * @throws Error when the package does not load on this machine
 */
export function loadSharp(): Promise<Sharp> {
  return (loading ??= load());
}

async function load(): Promise<Sharp> {
  try {
    const { default: sharp } = await import('sharp');
    // No image comes twice; and images are decoded beside each other already.
    sharp.cache(false);
    sharp.concurrency(1);
    return sharp;
  } catch (cause) {
    throw new Error('images cannot be read or written: the package sharp does not load', { cause });
  }
}
