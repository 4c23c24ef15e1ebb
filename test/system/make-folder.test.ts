import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '../../src/system/file-system';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaemon-folder-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('a folder is created with those above it, once', async () => {
  const path = join(folder, 'a', 'b', 'c');
  await makeFolder(path, 0o700);
  await makeFolder(path, 0o700);
  expect((await stat(join(folder, 'a'))).mode & 0o777).toBe(0o700);
});

test('several processes may create the same folders at once', async () => {
  const path = join(folder, 'a', 'b', 'c');
  await Promise.all(Array.from({ length: 20 }, () => makeFolder(path)));
  expect((await stat(path)).isDirectory()).toBe(true);
});

test('where no folder can be, the error comes at once', async () => {
  await writeFile(join(folder, 'file'), '');
  await symlink(join(folder, 'nowhere', 'x'), join(folder, 'dangling'));
  for (const path of [
    '/proc/nowhere/x',
    join(folder, 'file', 'x'),
    join(folder, 'file'),
    join(folder, 'dangling', 'x'),
  ])
    await expect(makeFolder(path)).rejects.toThrow(/ENOENT|ENOTDIR|EEXIST/);
});
