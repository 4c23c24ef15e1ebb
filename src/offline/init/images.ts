/** Proposes a detector for a folder of images, and counts the images that each target would have flagged. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { loadSharp } from '../../codecs/image/sharp';
import { rowsByKey } from '../../domain/rows-by-key';
import type { Logger } from '../../logger';
import { folderWithin, imagePaths, isImageName, listFolders } from '../../sources/file/image-files';
import { runConcurrently } from '../../system/concurrency';
import { firstLineOf, messageOf } from '../../system/error-text';
import { commented, marked, renderYaml } from './commented-yaml';
import { historyShare, targetValue, type Target } from './detector-file';
import { UnusableSampleError } from './inference/unusable';
import { loadText } from './load-text';
import { decodeSample, imageTargets, priceOrProblem, refuseRejected } from './prices';
import { readMessages } from './read-messages';
import { priceLines, renderFacts } from './report';
import { count } from '../wording';

export interface ImageFolder {
  path: string;
  /** Number of PNG and JPEG files. */
  images: number;
  /** Number of images that the model is tested on: the first ones in the order of their names. */
  read: number;
  /** Width that images are scaled to, in pixels. */
  width: number;
  height: number;
  /** Most frequent size. */
  usual: Size;
  colour: 'grey' | 'rgb';
  /** Whether the images have different shapes. */
  isMixed: boolean;
  /** Whether the subfolders are taken for products, which become a condition. */
  hasProducts: boolean;
  notes: readonly string[];
}

interface Size {
  width: number;
  height: number;
}

/** Maximum number of images whose size and colour are examined, evenly spread. */
const maxProbed = 200;
const probedAtOnce = 4;
const maxRead = 2000;
const maxBytes = 256 * 1024 * 1024;
/** Longest side that images are scaled to. */
const longestSide = 224;
/** If images would be scaled below this, tiles are proposed, as defects of some pixels would vanish. */
const tiledBelow = 0.5;
/** Cells of the gradients have 4 × 4 pixels, and an image must have several of them. */
const leastSide = 8;
/** Largest ratio of two aspect ratios that count as equal. */
const sameShape = 1.05;
/** Smallest difference of two colour values of a pixel, of 255, for which an image counts as coloured. */
const minColour = 16;
/** Side to which an image is scaled to examine its colours. */
const colourSide = 64;

export const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (one) => one.isDirectory(),
    () => false,
  );

/** @throws UnusableSampleError that describes what the folder contains instead of images */
export async function lookAtFolder(path: string, maxRecords: number): Promise<ImageFolder> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  const files = entries.filter((one) => !one.isDirectory()).length;
  if (!entries.some((one) => !one.isDirectory() && isImageName(one.name)))
    throw new UnusableSampleError('the folder has no PNG and JPEG files');
  const inOrder = await imagePaths(path, false).catch((cause: unknown) => {
    throw new UnusableSampleError(messageOf(cause));
  });
  const hasProducts = areProducts(rowsByKey(inOrder.map(folderWithin)), inOrder.length);
  const names = hasProducts ? await imagePaths(path, true) : inOrder;
  const images = entries
    .filter((one) => !one.isDirectory() && isImageName(one.name))
    .map(({ parentPath, name }) => relative(path, join(parentPath, name)));
  const unread = images.filter((one) => !inOrder.includes(one));
  const others = files - images.length;
  const { sizes, hasColour, problems } = await probe(path, names);
  const [usual] = sizes;
  if (usual === undefined)
    throw new UnusableSampleError(`none of ${count(names.length, 'image')} can be read: ${problems[0]!}`);
  if (Math.min(usual.width, usual.height) < leastSide)
    throw new UnusableSampleError(
      `images of ${sizeText(usual)} pixels are too small: each side needs at least ${leastSide}`,
    );
  const shapes = sizes.map(({ width, height }) => width / height);
  const isMixed = Math.max(...shapes) > sameShape * Math.min(...shapes);
  const smallest = sizes.reduce((a, b) => (b.width * b.height < a.width * a.height ? b : a));
  const scale = Math.min(1, longestSide / Math.max(usual.width, usual.height));
  const width = Math.max(leastSide, Math.round(usual.width * scale));
  const height = Math.max(leastSide, Math.round(usual.height * scale));
  return {
    path,
    images: names.length,
    read: await countWithin(path, names.slice(0, Math.min(maxRead, maxRecords))),
    width,
    height,
    usual,
    colour: hasColour ? 'rgb' : 'grey',
    isMixed,
    hasProducts,
    notes: [
      ...(others === 0 ? [] : [`${count(others, 'other file')} of the folder: not read`]),
      ...(unread.length === 0 ? [] : [`images in folders within are not read: ${listFolders(unread)}`]),
      ...(folderWithin(inOrder[0]!) === undefined
        ? []
        : [
            hasProducts
              ? `the folders within are taken for products: ${listFolders(inOrder)}`
              : `the images are those of folders within: ${listFolders(inOrder)}`,
          ]),
      ...(scale > tiledBelow
        ? []
        : [
            `the images are scaled to ${width} × ${height}: to see small defects, set record.image.tile (docs/images.md)`,
          ]),
      ...(sizes.length === 1
        ? []
        : [
            `the images have ${sizes.length} different sizes, such as ${sizeText(usual)} and ${sizeText(smallest === usual ? sizes[1]! : smallest)}`,
          ]),
    ],
  };
}

const sizeText = ({ width, height }: Size): string => `${width} × ${height}`;

const mostProducts = 16;
/** Least number of images of a product; fewer are too few to learn it. */
const leastOfProduct = 20;

/** Whether all images are in a few subfolders with enough images each, whose names are not those of days or batches. */
function areProducts(folders: ReadonlyMap<string, readonly number[]>, images: number): boolean {
  const counts = [...folders.values()].map((rows) => rows.length);
  return (
    folders.size > 1 &&
    folders.size <= mostProducts &&
    Math.min(...counts) >= leastOfProduct &&
    counts.reduce((sum, one) => sum + one, 0) === images &&
    [...folders.keys()].every((name) => /^\p{L}/u.test(name))
  );
}

/** Sizes that occur, the most frequent first. */
async function probe(path: string, names: readonly string[]) {
  const step = Math.max(1, names.length / maxProbed);
  const some = Array.from(
    { length: Math.min(maxProbed, names.length) },
    (_, i) => names[Math.floor(i * step)]!,
  );
  const sharp = await loadSharp();
  const sizes = new Map<string, Size & { images: number }>();
  const problems: string[] = [];
  let hasColour = false;
  await runConcurrently(some, probedAtOnce, async (name) => {
    try {
      const image = sharp(await readFile(join(path, name)), { autoOrient: true });
      const { autoOrient: size, channels } = await image.metadata();
      if (!hasColour && channels >= 3) {
        const pixels = await image
          .flatten()
          .resize(colourSide, colourSide, { fit: 'fill' })
          .toColourspace('srgb')
          .raw()
          .toBuffer();
        hasColour ||= isColoured(pixels);
      }
      const known = sizes.get(sizeText(size));
      sizes.set(sizeText(size), { ...size, images: (known?.images ?? 0) + 1 });
    } catch (error) {
      problems.push(`${name}: ${firstLineOf(error)}`);
    }
  });
  return {
    sizes: [...sizes.values()].sort((a, b) => b.images - a.images),
    hasColour,
    problems: problems.sort(),
  };
}

function isColoured(rgb: Uint8Array): boolean {
  for (let i = 0; i + 2 < rgb.length; i += 3) {
    const [r, g, b] = [rgb[i]!, rgb[i + 1]!, rgb[i + 2]!];
    if (Math.max(r, g, b) - Math.min(r, g, b) >= minColour) return true;
  }
  return false;
}

/** Number of files, from the first on, that together are no larger than the limit; at least one. */
async function countWithin(path: string, names: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const [i, name] of names.entries()) {
    bytes += (await stat(join(path, name))).size;
    if (bytes > maxBytes) return Math.max(1, i);
  }
  return names.length;
}

export interface ImageParts {
  name: string;
  env: Readonly<Record<string, string | undefined>>;
  log: Logger;
  now: () => number;
  onTraining: () => void;
}

/** @throws UnusableSampleError if too few of the images can be read for a training */
export async function proposeImages(folder: ImageFolder, { name, env, log, now, onTraining }: ImageParts) {
  const file = { name, folder, target: imageTargets[0]!, priceLines: [] };
  const settings = await loadText(renderImages(file), env);
  const { minRecords } = settings.training;
  if (folder.images < minRecords)
    throw new UnusableSampleError(
      `${count(folder.images, 'image')}, but a detector needs at least ${minRecords}`,
    );
  const decoded = await decodeSample(settings, await readMessages(settings, folder.read, log), now());
  refuseRejected(decoded);
  const { messages, rejectedRecords, rejected } = decoded;
  if (messages.length < minRecords)
    throw new UnusableSampleError(
      `${count(messages.length, 'image')} can be read of ${messages.length + rejectedRecords}, but a detector needs at least ${minRecords}: ${Object.values(rejected)[0]?.example ?? ''}`,
    );
  onTraining();
  const prices = await priceOrProblem(settings, messages, {
    isTimed: false,
    share: 1,
    targets: imageTargets,
  });
  return {
    usual: file.target,
    decoded,
    prices,
    render: (target: Target) =>
      renderImages({ ...file, target, priceLines: priceLines(prices), least: minRecords }),
  };
}

interface ImageFile {
  name: string;
  folder: ImageFolder;
  target: Target;
  priceLines: readonly string[];
  /** Least number of images that a training needs. */
  least?: number;
}

function renderImages({ name, folder, target, priceLines, least = 1 }: ImageFile): string {
  const { path, images, width, height, usual, colour, isMixed, hasProducts, notes } = folder;
  const factor = Math.max(usual.width, usual.height) / Math.max(width, height);
  const aboutSize = [
    'Images are scaled to this size.',
    ...marked([`details of less than ${Math.ceil(factor)} pixels may vanish`]),
  ];
  return renderYaml({
    detector: commented(name, [
      `Proposed by \`vaemon init\` from ${count(images, 'image')} of ${path}, most of ${sizeText(usual)} pixels.`,
      'Lines with CHECK: are guesses. docs/images.md describes detectors of pictures.',
    ]),
    preset: commented('image', ['Defaults for images, measured in docs/models.md.']),
    source: {
      kind: 'file',
      file: {
        path: commented(path, marked(notes)),
        columns: hasProducts ? { folders: ['product'] } : undefined,
        historyRecords: commented(Math.max(least, Math.floor(historyShare * images)), [
          'The first model is trained on these images, in the order of their names; those after them are scored.',
          ...marked(['nearly all of them must be good ones']),
        ]),
      },
    },
    fields: commented(hasProducts ? { key: '', timestamp: '', image: 'image' } : undefined, [
      'Images and their products come as JSON.',
    ]),
    model: commented(hasProducts ? { kind: 'cvae' } : undefined, [
      'A good image of one product is odd as another one.',
    ]),
    record: {
      kind: 'image',
      conditions: hasProducts ? { product: { kind: 'category' } } : undefined,
      image: {
        width: commented(width, factor > 1 ? aboutSize : []),
        height,
        colour,
        fit: commented(
          isMixed ? 'contain' : undefined,
          marked(['the images have different shapes: black borders keep that of each']),
        ),
      },
    },
    calibration: {
      falseAlarmTarget: commented(targetValue(target), [
        'Share of good images that may be flagged.',
        ...priceLines,
      ]),
    },
    events: {
      budget: commented(target.budget, ['Images of a folder have no times by which alarms can be limited.']),
    },
  });
}

/** Describes the contents of the folder. */
export function describeFolder({
  path,
  images,
  read,
  width,
  height,
  usual,
  colour,
  notes,
}: ImageFolder): string {
  return renderFacts(path, [
    ['images', `${count(images, 'image')}${read < images ? `, the first ${read} are tried` : ''}`],
    ['size', `${sizeText(usual)} pixels, scaled to ${sizeText({ width, height })}`],
    ['colour', colour],
    ...notes.map((note) => ['check', note] as const),
  ]);
}
