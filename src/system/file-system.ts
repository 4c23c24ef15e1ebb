/** Reading of files and folders, and the part of node:fs/promises that tests replace. */
import { constants } from 'node:fs';
import nodeFs, { type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The calls of node:fs/promises that stores make; tests pass implementations that fail. */
export type FileSystem = Pick<typeof nodeFs, 'open' | 'mkdir' | 'rename' | 'readdir' | 'lstat' | 'rm'>;

/** The `code` of a system error (`ENOENT`), or undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** Whether the work succeeds; false if it fails with one of these codes. Other errors are thrown. */
export async function succeeds(work: Promise<unknown>, ...codes: readonly string[]): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (codes.includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}

/** The result of reading a file or folder; undefined if it does not exist. */
export async function unlessMissing<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A text that changes with each replacement of a file or folder; empty if the file does not exist. */
export async function fileState(path: string): Promise<string> {
  const found = await unlessMissing(nodeFs.stat(path, { bigint: true }));
  return found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`;
}

/** The entries of a folder; empty if it does not exist. */
export async function entriesOf(fs: FileSystem, folder: string) {
  return (await unlessMissing(fs.readdir(folder, { withFileTypes: true }))) ?? [];
}

/** Total size of the files in a folder and its subfolders, bytes. A file that is removed meanwhile counts as 0. */
export async function folderBytes(fs: FileSystem, folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await entriesOf(fs, folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await folderBytes(fs, path);
    else bytes += (await unlessMissing(fs.lstat(path)))?.size ?? 0;
  }
  return bytes;
}

/**
 * Reads a regular file; a symbolic link, pipe or folder is an error. `accept` receives the size in bytes and may throw before
 * anything is read.
 */
export async function readRegularFile(
  fs: FileSystem,
  path: string,
  accept: (bytes: number) => void,
): Promise<Uint8Array> {
  return withRegularFile(fs, path, (file, size) => {
    accept(size);
    return file.readFile();
  });
}

/** As `readRegularFile`, but at most the first `bytes` bytes of the file. */
export function readStart(fs: FileSystem, path: string, bytes: number): Promise<Uint8Array> {
  return withRegularFile(fs, path, async (file) => {
    const buffer = new Uint8Array(bytes);
    const { bytesRead } = await file.read(buffer, 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  });
}

async function withRegularFile<T>(
  fs: FileSystem,
  path: string,
  read: (file: FileHandle, size: number) => Promise<T>,
): Promise<T> {
  // Without O_NONBLOCK, opening a pipe would wait for a writer that never comes.
  const file = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error(`${path} is not a regular file`);
    return await read(file, stat.size);
  } finally {
    await file.close();
  }
}

/**
 * Creates a folder and its parents. `mkdir` of Node.js with `recursive` does not return if a folder exists that cannot contain
 * another one, such as below /proc.
 * @throws Error of the operating system
 */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  try {
    await nodeFs.mkdir(path, { mode });
  } catch (error) {
    if (errorCode(error) === 'EEXIST' && (await nodeFs.stat(path)).isDirectory()) return;
    if (errorCode(error) !== 'ENOENT') throw error;
    if ((await unlessMissing(nodeFs.stat(dirname(path)))) === undefined)
      await makeFolder(dirname(path), mode);
    // Another process may have created it meanwhile.
    await succeeds(nodeFs.mkdir(path, { mode }), 'EEXIST');
  }
}

/** For `readRegularFile`: throws an error that names `what` if a file is larger. */
export function refuseAbove(maxBytes: number, what: string): (bytes: number) => void {
  return (bytes) => {
    if (bytes > maxBytes) throw new Error(`${what} has ${bytes} bytes, more than the limit of ${maxBytes}`);
  };
}
