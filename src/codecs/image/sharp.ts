/** The only module that imports sharp, which reads and writes image files. */
import type sharpFunction from 'sharp';

type Sharp = typeof sharpFunction;

let loading: Promise<Sharp> | undefined;

/**
 * Loads sharp, when the first image needs it.
 * @throws Error if the package does not load on this machine
 */
export function loadSharp(): Promise<Sharp> {
  return (loading ??= load());
}

async function load(): Promise<Sharp> {
  try {
    const { default: sharp } = await import('sharp');
    // A cache would be useless, as no image is decoded twice. Several images are decoded concurrently.
    sharp.cache(false);
    sharp.concurrency(1);
    return sharp;
  } catch (cause) {
    throw new Error('images cannot be read or written: the package sharp does not load', { cause });
  }
}
