/** Images as cameras deliver them: what is learned from few, equal and mislabelled ones, and what is found of other cameras. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { runCli } from '../../src/cli/cli';
import type { Detection } from '../../src/domain/detection';
import { createRandom, tf } from '../../src/tensor';
import { removeFolders, writeFolder } from '../config/folder';
import { captureContext } from './capture';

const side = 16;
/** Enough for a training. */
const count = 100;

/** A lit part: a dark stem with a bright head above it, somewhere in the middle. */
function part(seed: number): Buffer {
  const random = createRandom(seed);
  const [dx, dy, light] = [random.uniform() - 0.5, random.uniform() - 0.5, 150 + 40 * random.uniform()];
  return Buffer.from(
    Array.from({ length: side * side }, (_, i) => {
      const [x, y] = [(i % side) - 7.5 - dx, Math.floor(i / side) - 7.5 - dy];
      const isHead = y < -1 && Math.hypot(x, y + 3) < 4;
      const isStem = y >= -1 && y < 6 && Math.abs(x) < 1.5;
      return Math.round((isHead ? light : isStem ? light / 2 : 20) + 10 * random.uniform());
    }),
  );
}

const upsideDown = (image: Buffer): Buffer => Buffer.from(image).reverse();
const png = (image: Buffer): Promise<Buffer> =>
  sharp(image, { raw: { width: side, height: side, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toBuffer();

let folder: string;

beforeAll(async () => {
  folder = await writeFolder({});
});
afterEach(() => expect(tf.memory().numTensors).toBe(0));
afterAll(removeFolders);

async function vaemon(...argv: string[]): Promise<{ out: string; err: string; code: number }> {
  const captured = captureContext({ VAEMON_STORE_PATH: join(folder, 'models') });
  await runCli(argv, captured.context);
  return { out: captured.stdout(), err: captured.stderr(), code: captured.exitCode() };
}

async function write(name: string, images: readonly Buffer[]): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  for (const [i, bytes] of images.entries())
    await writeFile(join(path, `${String(i).padStart(4, '0')}.png`), bytes);
  return path;
}

/** A detector that has learned from these images. */
async function trainedOn(
  name: string,
  images: readonly Buffer[],
  shape = `width: ${side}, height: ${side}`,
): Promise<string> {
  const path = await write(name, images);
  const config = join(folder, `${name}.yaml`);
  await writeFile(
    config,
    `detector: ${name}
preset: image
record: { kind: image, image: { ${shape} } }
source: { kind: file, file: { path: ${path}, historyRecords: ${images.length} } }
`,
  );
  expect(await vaemon('train', config)).toMatchObject({ code: 0 });
  return config;
}

/** The detections of images, in their order. */
async function detections(config: string, name: string, images: readonly Buffer[]): Promise<Detection[]> {
  const path = await write(name, images);
  const found: Detection[] = [];
  for (const i of images.keys()) {
    const run = await vaemon('explain', config, path, '-i', String(i), '--json');
    expect(run).toMatchObject({ code: 0 });
    found.push(JSON.parse(run.out) as Detection);
  }
  return found;
}

const many = (from: number, length: number): Promise<Buffer[]> =>
  Promise.all(Array.from({ length }, (_, i) => png(part(from + i))));
const surprises = (of: readonly Detection[]): number[] => of.map(({ surprise }) => surprise);
const smallest = (of: readonly Detection[]): number => Math.min(...surprises(of));

test('a hundred images are enough to find an upside-down camera, one colour, and an empty place', async () => {
  const config = await trainedOn('hundred', await many(1, count));
  const normal = await detections(config, 'hundred-normal', await many(1000, 8));
  const odd = await detections(config, 'hundred-odd', [
    await png(upsideDown(part(2000))),
    await png(Buffer.alloc(side * side, 0)),
    await png(Buffer.alloc(side * side, 200)),
    // The part is missing.
    await png(Buffer.from(part(2001).map((_, i) => 20 + (i % 7)))),
  ]);
  expect(odd.map(({ anomalous }) => anomalous)).toEqual([true, true, true, true]);
  expect(smallest(odd)).toBeGreaterThan([...surprises(normal)].sort((a, b) => a - b)[4]!);

  // The same parts by a camera with ninefold pixels: regions are named in them.
  const large = (image: Buffer): Promise<Buffer> =>
    sharp(image, { raw: { width: side, height: side, channels: 1 } })
      .resize(3 * side, 3 * side, { kernel: 'nearest' })
      .png()
      .toBuffer();
  const [upright, turned] = await detections(config, 'hundred-large', [
    await large(part(3000)),
    await large(upsideDown(part(3000))),
  ]);
  expect(upright!.surprise).toBeLessThan(turned!.surprise);
  expect(turned!.anomalous).toBe(true);
  for (const { region } of turned!.contributions) {
    expect(region!.x + region!.width).toBeLessThanOrEqual(3 * side);
    expect([region!.x % 3, region!.y % 3, region!.width % 3, region!.height % 3]).toEqual([0, 0, 0, 0]);
  }
}, 120_000);

test('one bad image in a hundred among those to learn from is found nevertheless', async () => {
  const images = await many(1, 3 * count);
  for (const i of [50, 150, 250]) images[i] = await png(upsideDown(part(5000 + i)));
  const config = await trainedOn('mislabelled', images);
  const odd = await Promise.all([6000, 6001, 6002].map((seed) => png(upsideDown(part(seed)))));
  const found = await detections(config, 'mislabelled-odd', odd);
  const normal = await detections(config, 'mislabelled-normal', await many(7000, 8));
  expect(smallest(found)).toBeGreaterThan(Math.max(...surprises(normal)));
}, 120_000);

test('identical images are learned, and another one is found', async () => {
  const same = await png(part(1));
  const config = await trainedOn('identical', new Array<Buffer>(count).fill(same));
  const [known, other] = await detections(config, 'identical-test', [same, await png(upsideDown(part(1)))]);
  expect(known!.anomalous).toBe(false);
  expect(other!.anomalous).toBe(true);
}, 120_000);

test('a weaker lamp is normal with evened-out light', async () => {
  const dim = await png(Buffer.from(part(8000).map((value) => value * 0.6)));
  const [given] = await detections(await trainedOn('given', await many(1, count)), 'given-dim', [dim]);
  const config = await trainedOn(
    'even',
    await many(1, count),
    `width: ${side}, height: ${side}, normalise: contrast`,
  );
  const [even] = await detections(config, 'even-dim', [dim]);
  expect(even!.surprise).toBeLessThan(given!.surprise);
  expect(even!.anomalous).toBe(false);
}, 120_000);

describe('with tiles', () => {
  /** As cameras have it: smaller than a tile, than the image, as large, larger, of another shape, and in colour. */
  const sizes = [
    [24, 24, 'b-w'],
    [40, 40, 'srgb'],
    [64, 48, 'b-w'],
    [90, 120, 'srgb'],
  ] as const;

  /** Fine waves from left to right, as at 64 × 48 pixels; from top to bottom in a square in the middle of an odd one. */
  function surface(seed: number, isOdd = false): Promise<Buffer> {
    const random = createRandom(seed);
    const phase = 6 * random.uniform();
    const pixels = Buffer.from(
      Array.from({ length: 64 * 48 }, (_, i) => {
        const [x, y] = [i % 64, Math.floor(i / 64)];
        const along = isOdd && Math.hypot(x - 32, y - 24) < 9 ? y : x;
        return Math.round(128 + 70 * Math.sin(0.5 * along + phase) + 8 * random.normal());
      }),
    );
    const [width, height, space] = sizes[seed % sizes.length]!;
    return sharp(pixels, { raw: { width: 64, height: 48, channels: 1 } })
      .resize(width, height, { fit: 'fill' })
      .toColourspace(space)
      .png()
      .toBuffer();
  }
  const surfaces = (from: number, length: number, isOdd = false): Promise<Buffer[]> =>
    Promise.all(Array.from({ length }, (_, i) => surface(from + i, isOdd)));

  test('images of all sizes, grey and in colour, are read together, and regions are in pixels of each', async () => {
    const config = await trainedOn('mixed', await surfaces(0, 100), 'width: 64, height: 48, tile: 32');
    const normal = await detections(config, 'mixed-normal', await surfaces(1000, 4));
    const odd = await detections(config, 'mixed-odd', await surfaces(2000, 4, true));
    expect(smallest(odd)).toBeGreaterThan([...surprises(normal)].sort((a, b) => a - b)[2]!);
    for (const [i, { contributions }] of odd.entries()) {
      const [width, height] = sizes[i % sizes.length]!;
      const { region } = contributions[0]!;
      expect(region!.x + region!.width).toBeLessThanOrEqual(width);
      expect(region!.y + region!.height).toBeLessThanOrEqual(height);
      expect(Math.abs(region!.x + region!.width / 2 - width / 2)).toBeLessThan(width / 4);
      expect(Math.abs(region!.y + region!.height / 2 - height / 2)).toBeLessThan(height / 4);
    }
  }, 240_000);
});
