import nodeFs, { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeAtomically } from '../../src/system/atomic-write';
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
