/** Recorded images, in the order of an idx file, or by their names in a folder. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { isIdxPath } from '../../domain/recording';
import { rowsByKey } from '../../domain/rows-by-key';
import { readIdxImages } from './idx';

/** Interval of recorded images, which have no times, ms. */
export const imageTickMs = 1000;

/** Whether a path is an idx file of images, or a folder of PNG and JPEG files. */
export async function holdsImages(path: string): Promise<boolean> {
  return isIdxPath(path) || ((await stat(path).catch(() => undefined))?.isDirectory() ?? false);
}

export const isImageName = (name: string): boolean => /\.(png|jpe?g)$/i.test(name);

/** Usual names of folders that separate good images from bad ones. */
const verdicts =
  /^(n?ok|ng|n?io|good|bad|pass(ed)?|fail(ed|ures?)?|reject(s|ed)?|scrap|broken|defect\w*|fault\w*|anomal\w*|normal)$/i;

/** The uppermost subfolder that contains an image; undefined for an image in the folder itself. */
export const folderWithin = (image: string): string | undefined =>
  image.includes(sep) ? image.split(sep)[0] : undefined;

/**
 * Paths of the images of a folder, in their order: its own or, if it has none, those of its subfolders. If subfolders are
 * conditions, their images are interleaved evenly, so that the first images, which training uses, come from all of them.
 * @throws Error with the name of a folder that has no images, or whose subfolders separate good images from bad ones
 */
export async function imagePaths(path: string, areConditions: boolean): Promise<string[]> {
  const all = (await readdir(path, { recursive: true })).filter((one) => isImageName(one) && !isHidden(one));
  if (all.length === 0) throw new Error(`${path} is a folder without PNG and JPEG files`);
  all.sort();
  const own = all.filter((one) => folderWithin(one) === undefined);
  if (own.length > 0 && !areConditions) return own;
  if (!areConditions && all.some((one) => verdicts.test(folderWithin(one)!)))
    throw new Error(
      `the images of ${path} are in folders within (${listFolders(all)}): name the one with the good images`,
    );
  if (!areConditions) return all;
  const places = [...rowsByKey(all.map((one) => dirname(one)))].flatMap(([, rows]) =>
    rows.map((row, i) => ({ row, place: (i + 0.5) / rows.length })),
  );
  return places.sort((a, b) => a.place - b.place || a.row - b.row).map(({ row }) => all[row]!);
}

/** Some of the subfolders with their numbers of images: `bolt: 120, nut: 80`. */
export function listFolders(images: readonly string[]): string {
  const listed = [...rowsByKey(images.map(folderWithin))].map(([name, { length }]) => `${name}: ${length}`);
  return listed.slice(0, 5).join(', ') + (listed.length > 5 ? ', …' : '');
}

/** Whether a part of a path begins with a dot, as in folders of thumbnails. */
const isHidden = (path: string): boolean => path.split(sep).some((part) => part.startsWith('.'));

/** Conditions of an image by name: the subfolders that contain it, the uppermost first. */
const conditionsOf = (path: string, folders: readonly string[]): Record<string, string> => {
  const parts = dirname(path).split(sep);
  return Object.fromEntries(
    folders.flatMap((name, i) => (parts[i] === undefined || parts[i] === '.' ? [] : [[name, parts[i]]])),
  );
};

export async function countRecordedImages(path: string, folders: readonly string[] = []): Promise<number> {
  return isIdxPath(path)
    ? (await readIdxImages(path)).images.length
    : (await imagePaths(path, folders.length > 0)).length;
}

/**
 * The images from `first` to `end`. Images have no device, so their key is the name of the file or folder without its
 * extension.
 * @param folders names of the conditions that subfolders stand for, the uppermost first
 * @returns the bytes of each image, and the path of its file within a folder; with `folders`, JSON with `image`, in base64, and
 * `conditions`
 * @throws Error with the name of the file that cannot be read, or of the folder without images
 */
export async function* readRecordedImages(
  path: string,
  folders: readonly string[] = [],
  first = 0,
  end = Infinity,
): AsyncGenerator<{ key: string; bytes: Buffer; file?: string }> {
  const key = basename(path).replace(/[.-]idx3(-ubyte)?(\.gz)?$/, '');
  if (isIdxPath(path)) {
    for (const bytes of (await readIdxImages(path)).images.slice(first, end)) yield { key, bytes };
    return;
  }
  for (const name of (await imagePaths(path, folders.length > 0)).slice(first, end)) {
    const bytes = await readFile(join(path, name));
    if (folders.length === 0) yield { key, bytes, file: name };
    else {
      const record = { image: bytes.toString('base64'), conditions: conditionsOf(name, folders) };
      yield { key, bytes: Buffer.from(JSON.stringify(record)), file: name };
    }
  }
}
