/** Folders of images, with folders within them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createFileHistory, defaultColumns } from '../../../src/sources/file/file';
import { imagePaths } from '../../../src/sources/file/image-files';
import type { Message } from '../../../src/sources/source';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'vaemon-folders-'))));
afterEach(() => rm(folder, { recursive: true }));

async function write(...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), `bytes of ${name}`);
  }
}

async function read(folders?: string[]) {
  const readHistory = createFileHistory(
    { path: folder, columns: { ...defaultColumns, ...(folders && { folders }) } },
    Infinity,
  );
  const all: Message[] = [];
  for await (const batch of readHistory({ from: undefined, to: undefined, maxRecords: 1000 }))
    all.push(...batch);
  return all;
}

const messages = async (folders?: string[]) => (await read(folders)).map(({ value }) => value!.toString());

test('images of folders a day come day by day; other files and hidden folders do not', async () => {
  await write(
    '2026-11-02/b.png',
    '2026-11-02/a.JPG',
    '2026-11-01/z.jpeg',
    '.thumbs/a.png',
    '2026-11-02/notes.txt',
  );
  expect(await messages()).toEqual([
    'bytes of 2026-11-01/z.jpeg',
    'bytes of 2026-11-02/a.JPG',
    'bytes of 2026-11-02/b.png',
  ]);
});

test('a folder with images of its own has these alone', async () => {
  await write('a.png', 'bad/b.png');
  expect(await messages()).toEqual(['bytes of a.png']);
});

test('folders of good and bad images are refused: all would be learned from', async () => {
  await write('OK/a.png', 'nok/b.png', 'nok/c.png');
  await expect(messages()).rejects.toThrow(
    /folders within \(OK: 1, nok: 2\): name the one with the good images/,
  );
});

test('folders that stand for conditions come evenly mixed, each image with its own', async () => {
  const numbers = [0, 1, 2, 3];
  await write(...numbers.map((i) => `bolt/left/${i}.png`), 'nut/right/0.png', 'nut/right/1.png');
  const records = (await messages(['product', 'camera'])).map(
    (text) => JSON.parse(text) as { image: string; conditions: { product: string; camera: string } },
  );
  expect(records.map(({ conditions }) => conditions.product)).toEqual([
    'bolt',
    'nut',
    'bolt',
    'bolt',
    'nut',
    'bolt',
  ]);
  expect(records[1]!.conditions).toEqual({ product: 'nut', camera: 'right' });
  expect(Buffer.from(records[1]!.image, 'base64').toString()).toBe('bytes of nut/right/0.png');
});

test('an image above the folders of a condition has no such condition', async () => {
  await write('a.png', 'bolt/b.png');
  const records = (await messages(['product'])).map(
    (text) => (JSON.parse(text) as { conditions: object }).conditions,
  );
  expect(records).toEqual([{}, { product: 'bolt' }]);
});

test('a folder without images is named', async () => {
  await write('notes.txt');
  await expect(imagePaths(folder, false)).rejects.toThrow(`${folder} is a folder without PNG and JPEG files`);
});

test.each([[undefined], [['product']]])(
  'an image has its file within the folder, also where folders are %j',
  async (folders) => {
    await write('bolt/a.png', 'bolt/b.png');
    const origins = (await read(folders)).map(({ origin }) => origin);
    expect(origins).toMatchObject([
      { topic: folder, offset: '0', file: join('bolt', 'a.png') },
      { topic: folder, offset: '1', file: join('bolt', 'b.png') },
    ]);
  },
);
