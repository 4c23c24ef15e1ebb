/** Files that survive a power cut: written under a temporary name, synced, renamed into place. */
import nodeFs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode, succeeds, type FileSystem } from './file-system';
import { incomingName } from './temporary-names';

/** Modes of what the store contains: values of records and names of devices may be confidential. */
export const privateFile = 0o600;
export const privateFolder = 0o700;

/**
 * Replaces a file in one step: readers see the old content or the new, also after a crash. A failure leaves the old one.
 * @param options `folder`: that of the temporary file, on the same file system
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
    // Each temporary name is another one: with it, no problem would look like the one before.
    const failure = error as Error;
    failure.message = failure.message.replaceAll(incoming, path);
    throw failure;
  }
}

/** Creates a file with its whole content in one step. Of several processes one succeeds; false = there is one already. */
export async function createAtomically(path: string, text: string): Promise<boolean> {
  const incoming = join(dirname(path), incomingName(basename(path)));
  try {
    await writeSynced(nodeFs, incoming, text);
    // Fails where there is one, and no reader finds a part of it.
    return await succeeds(nodeFs.link(incoming, path), 'EEXIST');
  } finally {
    await nodeFs.rm(incoming, { force: true });
  }
}

/** Adds to a file, which is created if there is none; returns once it is on the disk. Of what does not fit, nothing is left. */
export async function appendWhole(path: string, text: string, fs: FileSystem = nodeFs): Promise<void> {
  const file = await fs.open(path, 'a', privateFile);
  try {
    const { size } = await file.stat();
    try {
      await file.appendFile(text);
      await file.sync();
    } catch (error) {
      // On a full disk, a part of a line would make the file unreadable. What another process has added stays.
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
