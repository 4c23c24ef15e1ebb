/** Files that outlive a power cut: written beside, synced, renamed into place. */
import { constants } from 'node:fs';
import type nodeFs from 'node:fs/promises';
import { dirname } from 'node:path';

/** The calls of node:fs/promises that the store makes; tests hand in some that fail. */
export type FileSystem = Pick<typeof nodeFs, 'open' | 'mkdir' | 'rename' | 'readdir' | 'lstat' | 'rm'>;

/** The `code` of a system error (`ENOENT`), or undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** Writes a file, replacing what was there, and returns once it is on the disk. */
export async function writeSynced(fs: FileSystem, path: string, bytes: Uint8Array | string): Promise<void> {
  const file = await fs.open(path, 'w');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes names that were created, renamed or removed in a directory permanent. */
export async function syncDirectory(fs: FileSystem, path: string): Promise<void> {
  const directory = await fs.open(path, 'r');
  try {
    await directory.sync();
  } catch (error) {
    // Some network file systems cannot sync a directory and need not: their renames are synchronous.
    if (errorCode(error) !== 'EINVAL') throw error;
  } finally {
    await directory.close();
  }
}

/** Replaces `target` by `written` (a file or a folder on the same file system) in one step, for good. */
export async function renameSynced(fs: FileSystem, written: string, target: string): Promise<void> {
  await fs.rename(written, target);
  await syncDirectory(fs, dirname(target));
}

/**
 * Reads a regular file; a symbolic link, pipe or folder in its place is an error. `accept` sees the size first,
 * and may throw before anything is read.
 */
export async function readRegularFile(
  fs: FileSystem,
  path: string,
  accept: (bytes: number) => void,
): Promise<Uint8Array> {
  // Without O_NONBLOCK, opening a pipe would wait for a writer that never comes.
  const file = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error(`${path} is not a regular file`);
    accept(stat.size);
    return await file.readFile();
  } finally {
    await file.close();
  }
}
