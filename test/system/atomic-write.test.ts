import nodeFs, { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appendWhole, createAtomically, writeAtomically } from '../../src/system/atomic-write';
import type { FileSystem } from '../../src/system/file-system';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'vaemon-atomic-'))));
afterEach(() => rm(folder, { recursive: true }));

test('replaces a file and leaves no other one', async () => {
  const path = join(folder, 'state.json');
  await writeFile(path, 'old');
  await writeAtomically(path, 'new');
  expect(await readFile(path, 'utf8')).toBe('new');
  expect(await readdir(folder)).toEqual(['state.json']);
});

test('a failed rename leaves the old file and no temporary one', async () => {
  const path = join(folder, 'state.json');
  await writeFile(path, 'old');
  const fs: FileSystem = { ...nodeFs, rename: () => Promise.reject(new Error('disk full')) };
  await expect(writeAtomically(path, 'new', { fs })).rejects.toThrow('disk full');
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(folder)).toEqual(['state.json']);
});

test('a failure names the file and not its temporary one, so that it is the same each time', async () => {
  const path = join(folder, 'absent', 'state.json');
  const failure = () =>
    writeAtomically(path, 'new').then(
      () => '',
      (error: unknown) => (error as Error).message,
    );
  expect(await failure()).toBe(`ENOENT: no such file or directory, open '${path}'`);
  expect(await failure()).toBe(await failure());
});

test('a name of the longest length that file systems allow still has a temporary one', async () => {
  const path = join(folder, 'a'.repeat(255));
  await writeAtomically(path, 'new');
  expect(await readFile(path, 'utf8')).toBe('new');
});

test('of several that create a file at once one succeeds, and nothing else is left', async () => {
  const path = join(folder, 'claim.json');
  const texts = Array.from({ length: 10 }, (_, i) => `text ${i}`);
  const created = await Promise.all(texts.map((text) => createAtomically(path, text)));
  expect(created.filter((succeeded) => succeeded)).toHaveLength(1);
  expect(await readFile(path, 'utf8')).toBe(texts[created.indexOf(true)]);
  expect(await readdir(folder)).toEqual(['claim.json']);
});

describe('what is added to a file', () => {
  /** A disk on which half of the text fits. @param meanwhile what another process adds then */
  const fullDisk = (meanwhile: string): FileSystem => ({
    ...nodeFs,
    async open(...parts) {
      const file = await nodeFs.open(...parts);
      file.appendFile = async (text) => {
        await file.write(String(text).slice(0, String(text).length / 2));
        await appendFile(join(folder, 'labels.csv'), meanwhile);
        throw new Error('disk full');
      };
      return file;
    },
  });

  test('is there wholly or not at all', async () => {
    const path = join(folder, 'labels.csv');
    await appendWhole(path, 'first\n');
    await expect(appendWhole(path, 'second\n', fullDisk(''))).rejects.toThrow('disk full');
    expect(await readFile(path, 'utf8')).toBe('first\n');
    await appendWhole(path, 'third\n');
    expect(await readFile(path, 'utf8')).toBe('first\nthird\n');
  });

  test('takes nothing from what another process has added', async () => {
    const path = join(folder, 'labels.csv');
    await expect(appendWhole(path, 'one\n', fullDisk('\na longer line\n'))).rejects.toThrow('disk full');
    expect(await readFile(path, 'utf8')).toContain('a longer line');
  });
});
