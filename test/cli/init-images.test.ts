/** `vaemon init` on folders of images from which no detector can be proposed: the reason, and nothing is written. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { runCli } from '../../src/cli/cli';
import { removeFolders, writeFolder } from '../config/folder';
import { captureContext } from './capture';

afterEach(removeFolders);

const png = (side: number, grey = 90): Promise<Buffer> =>
  sharp({ create: { width: side, height: side, channels: 3, background: { r: grey, g: grey, b: grey } } })
    .png()
    .toBuffer();
const some = (count: number, bytes: Buffer): Record<string, Buffer> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${String(i).padStart(3, '0')}.png`, bytes]));

test.each<[string, () => Promise<Record<string, Buffer>>, string | RegExp]>([
  ['nothing', () => Promise.resolve({}), 'the folder has no PNG and JPEG files'],
  [
    'other files',
    () => Promise.resolve({ 'a.csv': Buffer.from('a\n1\n') }),
    'the folder has no PNG and JPEG files',
  ],
  ['one image', async () => some(1, await png(16)), '1 image, but a detector needs at least 100'],
  [
    'images in folders',
    async () => ({ 'ok/a.png': await png(16), 'ok/b.JPG': await png(16), 'nok/a.png': await png(16) }),
    /the images of .*parts are in folders within \(nok: 1, ok: 2\): name the one with the good images/,
  ],
  [
    'folders of too few images',
    async () => ({ 'monday/a.png': await png(16), 'tuesday/b.png': await png(16) }),
    '2 images, but a detector needs at least 100',
  ],
  [
    'damaged images',
    async () => some(120, (await png(16)).subarray(0, 60)),
    /none of 120 images can be read: 000.png: /,
  ],
  [
    'a damaged image among too few',
    async () => ({ ...some(99, await png(16)), 'x.png': Buffer.from('not an image') }),
    '99 images can be read of 100, but a detector needs at least 100: x.png: the first bytes are those of neither PNG nor JPEG',
  ],
  ['tiny images', async () => some(120, await png(4)), 'images of 4 × 4 pixels are too small'],
])('a folder of %s', async (_, files, message) => {
  const folder = await writeFolder({});
  const images = join(folder, 'parts');
  await mkdir(images);
  for (const [name, bytes] of Object.entries(await files())) {
    await mkdir(dirname(join(images, name)), { recursive: true });
    await writeFile(join(images, name), bytes);
  }
  const captured = captureContext();
  const out = join(folder, 'out.yaml');
  await runCli(['init', '--file', images, '--out', out, '--yes'], captured.context);
  expect(captured.stderr()).toMatch(message);
  expect([captured.exitCode(), await readdir(folder)]).toEqual([1, ['parts']]);
});
