/** Recorded images, in the order of an idx file, or of the names in a folder. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isIdxPath } from '../../domain/recording';
import { readIdxImages } from './idx';

/** Interval of recorded images, which have no times, ms. */
export const imageTickMs = 1000;

/** Whether a path is an idx file of images, or a folder of PNG and JPEG files. */
export async function holdsImages(path: string): Promise<boolean> {
  return isIdxPath(path) || ((await stat(path).catch(() => undefined))?.isDirectory() ?? false);
}

export const isImageName = (name: string): boolean => /\.(png|jpe?g)$/i.test(name);

/** The names of the image files in a folder, in their order. @throws Error naming a folder without any */
async function imageNames(path: string): Promise<string[]> {
  const names = (await readdir(path)).filter(isImageName).sort();
  if (names.length === 0) throw new Error(`${path} is a folder without PNG and JPEG files`);
  return names;
}

export async function countRecordedImages(path: string): Promise<number> {
  return isIdxPath(path) ? (await readIdxImages(path)).images.length : (await imageNames(path)).length;
}

/**
 * The bytes of the images from `first` to `end`. The key is the name of the file or folder without its ending: images have no
 * device of their own.
 * @throws Error naming the file that cannot be read, or the folder without images
 */
export async function* readRecordedImages(
  path: string,
  first = 0,
  end = Infinity,
): AsyncGenerator<{ key: string; bytes: Buffer }> {
  const key = basename(path).replace(/[.-]idx3(-ubyte)?(\.gz)?$/, '');
  if (isIdxPath(path)) {
    for (const bytes of (await readIdxImages(path)).images.slice(first, end)) yield { key, bytes };
    return;
  }
  for (const name of (await imageNames(path)).slice(first, end))
    yield { key, bytes: await readFile(join(path, name)) };
}
