import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isIdxPath } from '../../../src/domain/recording';
import { createFileHistory, createFileSource } from '../../../src/sources/file/file';
import { readIdxImages } from '../../../src/sources/file/idx';
import { readRecordLabels } from '../../../src/offline/evaluate/record-labels';
import type { Message } from '../../../src/sources/source';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaemon-idx-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, bytes: Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

function idx(sizes: readonly number[], data: readonly number[]): Buffer {
  const head = Buffer.alloc(4 + 4 * sizes.length);
  head.set([0, 0, 8, sizes.length]);
  sizes.forEach((size, i) => head.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([head, Buffer.from(data)]);
}

const twoImages = idx([2, 1, 3], [1, 2, 3, 4, 5, 6]);
const settings = (path: string) => ({
  path,
  rate: 0,
  loop: false,
  historyRecords: 1,
  columns: { key: 'key', timestamp: 'timestamp', conditions: [] },
});

test('images are read row by row, unpacked where the name says so', async () => {
  const expected = { width: 3, height: 1, images: [Buffer.of(1, 2, 3), Buffer.of(4, 5, 6)] };
  expect(await readIdxImages(await file('a.idx3', twoImages))).toEqual(expected);
  expect(await readIdxImages(await file('a.idx3.gz', gzipSync(twoImages)))).toEqual(expected);
});

test.each([
  ['short', twoImages.subarray(0, 20), /short must have 22 bytes for 2 × 1 × 3, but has 20/],
  ['labels', idx([2], [0, 1]), /labels is no idx file of bytes in 3 dimensions/],
  ['text', Buffer.from('a,b\n1,2\n'), /text is no idx file/],
  ['none', idx([0, 28, 28], []), /none has no images/],
  ['not-packed.gz', twoImages, /cannot read .*not-packed\.gz: the file is not gzip/],
  ['broken.gz', gzipSync(twoImages).subarray(0, 15), /cannot read .*broken.gz: unexpected end of file/],
])('%s is an error that names the file', async (name, bytes, message) => {
  await expect(readIdxImages(await file(name, bytes))).rejects.toThrow(message);
});

test('names that MNIST and others have are known', () => {
  const names = ['a.idx3', 'a.idx3.gz', 'train-images-idx3-ubyte', 'train-images.idx3-ubyte.gz'];
  expect(names.filter(isIdxPath)).toEqual(names);
  expect(['a.csv', 'a.idx1', 'idx3', 'a.idx3.csv'].filter(isIdxPath)).toEqual([]);
});

test('labels: what is not 0 is anomalous', async () => {
  const path = await file('labels.idx1.gz', gzipSync(idx([4], [0, 1, 0, 7])));
  expect(await readRecordLabels(path, 's')).toEqual(
    new Map([
      [
        's',
        new Map([
          [0, 0],
          [1, 1],
          [2, 0],
          [3, 1],
        ]),
      ],
    ]),
  );
});

test('the history of an idx file, and what comes live after it', async () => {
  const path = await file('camera.idx3', twoImages);
  const history: Message[] = [];
  for await (const messages of createFileHistory(
    settings(path),
    1,
  )({
    from: undefined,
    to: undefined,
    maxRecords: 10,
  }))
    history.push(...messages);
  expect(history.map(({ key, value, timestamp }) => [key?.toString(), [...value!], timestamp])).toEqual([
    ['camera', [1, 2, 3], 0],
  ]);

  const live: Message[] = [];
  await createFileSource({ ...settings(path) }).run((batch) => {
    live.push(...batch.messages);
    return Promise.resolve();
  });
  expect(live.map(({ value, timestamp, origin }) => [[...value!], timestamp, origin.offset])).toEqual([
    [[4, 5, 6], 1000, '1'],
  ]);
});

test('a loop goes on in time and in offsets', async () => {
  const path = await file('loop.idx3', twoImages);
  const seen: [number, string][] = [];
  const source = createFileSource({ ...settings(path), historyRecords: 0, loop: true });
  await source.run((batch) => {
    for (const { timestamp, origin } of batch.messages) seen.push([timestamp, origin.offset]);
    if (seen.length >= 4) void source.stop();
    return Promise.resolve();
  });
  expect(seen.slice(0, 4)).toEqual([
    [0, '0'],
    [1000, '1'],
    [2000, '2'],
    [3000, '3'],
  ]);
});

test('a folder of PNG and JPEG files is read in the order of the names; one without is an error', async () => {
  const camera = join(folder, 'camera-7');
  await mkdir(camera);
  for (const name of ['b.png', 'a.JPG', 'c.jpeg', 'notes.txt']) await writeFile(join(camera, name), name);
  const seen: string[] = [];
  await createFileSource({ ...settings(camera), historyRecords: 0 }).run((batch) => {
    for (const { key, value } of batch.messages) seen.push(`${key!.toString()}/${value!.toString()}`);
    return Promise.resolve();
  });
  expect(seen).toEqual(['camera-7/a.JPG', 'camera-7/b.png', 'camera-7/c.jpeg']);

  const empty = join(folder, 'empty');
  await mkdir(empty);
  await expect(createFileSource(settings(empty)).run(() => Promise.resolve())).rejects.toThrow(
    /empty is a folder without PNG and JPEG files/,
  );
});
