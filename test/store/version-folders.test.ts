import nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVersionFolders } from '../../src/store/version-folders';

let directory: string;
beforeEach(async () => (directory = await nodeFs.mkdtemp(join(tmpdir(), 'vaemon-folders-'))));
afterEach(() => nodeFs.rm(directory, { recursive: true, force: true }));

const time = Date.UTC(2026, 0, 31, 3, 0, 0, 123);
const files = new Map([['weights', Buffer.from('1234')]]);
const open = () =>
  createVersionFolders({
    versions: join(directory, 'pump', 'versions'),
    detector: 'pump',
    clock: () => time,
    fs: nodeFs,
  });

test('versions of one millisecond have names in the order in which they were written', async () => {
  const folders = open();
  const written = [await folders.write(files, { vaemon: '1' }), await folders.write(files, { vaemon: '1' })];
  expect(await folders.names()).toEqual([...written].reverse());
  expect(new Set(written).size).toBe(2);
});

test('a version is read as it was written, and is gone after its removal', async () => {
  const folders = open();
  const version = await folders.write(files, { vaemon: '1' });
  const { manifest, files: read } = await folders.read(version);
  expect(manifest).toMatchObject({ version, detector: 'pump', writtenBy: { vaemon: '1' } });
  expect(Buffer.from(read.get('weights')!).toString()).toBe('1234');
  await folders.remove(version);
  await expect(folders.folderOf(version)).rejects.toThrow('there is no such version');
  expect(await nodeFs.readdir(join(directory, 'pump', 'versions'))).toEqual([]);
});

test('a folder without a version name, and a link, are no version', async () => {
  const folders = open();
  const version = await folders.write(files, { vaemon: '1' });
  const versions = join(directory, 'pump', 'versions');
  await nodeFs.mkdir(join(versions, 'backup'));
  await nodeFs.rename(join(versions, version), join(directory, 'elsewhere'));
  await nodeFs.symlink(join(directory, 'elsewhere'), join(versions, version));
  expect(await folders.names()).toEqual([]);
  await expect(folders.folderOf('backup')).rejects.toThrow('not a version name');
  await expect(folders.read(version)).rejects.toThrow('is not a folder');
});
