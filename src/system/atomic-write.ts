/** Files that survive a power failure: they are written under a temporary name, synced, and renamed. */
import nodeFs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode, succeeds, type FileSystem } from './file-system';
import { incomingName } from './temporary-names';

/** Mode of files in the store: values of records and names of devices may be confidential. */
export const privateFile = 0o600;
export const privateFolder = 0o700;

/**
 * Replaces a file in one step: readers see the old content or the new one, even after a crash. If it fails, the old file
 * remains.
 * @param options `folder`: folder of the temporary file, on the same file system
 */
export async function writeAtomically(
  path: string,
  bytes: Uint8Array | string,
  { fs = nodeFs, folder = dirname(path) }: { fs?: FileSystem; folder?: string } = {},
): Promise<void> {
  const incoming = join(folder, incomingName(basename(path)));
  try {
    await writeSynced(fs, incoming, bytes);
    await fs.rename(incoming, path);
    await syncDirectory(fs, dirname(path));
  } catch (error) {
    await fs.rm(incoming, { force: true }).catch(() => undefined);
    // The message must not contain the temporary name: it differs each time, so repeated problems would not be recognised.
    const failure = error as Error;
    failure.message = failure.message.replaceAll(incoming, path);
    throw failure;
  }
}

/**
 * Creates a file with its whole content in one step. If several processes do so, one succeeds; false = the file exists already.
 */
export async function createAtomically(path: string, text: string): Promise<boolean> {
  const incoming = join(dirname(path), incomingName(basename(path)));
  try {
    await writeSynced(nodeFs, incoming, text);
    // A link fails if the file exists, and no reader sees a part of the content.
    return await succeeds(nodeFs.link(incoming, path), 'EEXIST');
  } finally {
    await nodeFs.rm(incoming, { force: true });
  }
}

/**
 * Appends to a file, which is created if it does not exist. Resolves once the text is on the disk. A text that does not fit is
 * removed completely.
 */
export async function appendWhole(path: string, text: string, fs: FileSystem = nodeFs): Promise<void> {
  const file = await fs.open(path, 'a', privateFile);
  try {
    const { size } = await file.stat();
    try {
      await file.appendFile(text);
      await file.sync();
    } catch (error) {
      // On a full disk, a partial line would make the file unreadable. Text that another process has appended stays.
      if ((await file.stat()).size < size + Buffer.byteLength(text))
        await file.truncate(size).catch(() => undefined);
      throw error;
    }
  } finally {
    await file.close();
  }
}

/** Writes a file, replacing its content in place, and returns once it is on the disk. */
export async function writeSynced(fs: FileSystem, path: string, bytes: Uint8Array | string): Promise<void> {
  const file = await fs.open(path, 'w', privateFile);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes entries that were created, renamed or removed in a directory permanent. */
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
