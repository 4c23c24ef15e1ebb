/**
 * Model versions in a directory.
 *
 *     <directory>/<detector>/current                          name of the current version
 *     <directory>/<detector>/pinned                           name of the version that stays current, if a person has pinned one
 *     <directory>/<detector>/versions/<version>/manifest.json and the files that it lists
 *
 * A version is complete and synced before it gets its name, and the pointer moves afterwards: readers see the old version or
 * the new one, even after a power failure or a killed process.
 */
import nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { LeaseError } from '../errors';
import { messageOf } from '../system/error-text';
import { errorCode, type FileSystem } from '../system/file-system';
import { removeTemporaries } from '../system/temporary-names';
import { isBundleFileName, type BundleFiles, type Manifest } from './bundle';
import { createVersionFolders } from './version-folders';
import { versionCreatedAt } from './version-name';
import { createVersionPointer } from './version-pointer';

export interface ModelStoreOptions {
  /** Folder of the store, with one folder per detector; created if it does not exist. */
  directory: string;
  /** Name of the detector: letters, digits, `.`, `_` and `-`. */
  detector: string;
  /** Folder of the lease (lease.ts) from which the pointer is renamed. If it no longer exists, the pointer does not move. */
  lease?: () => string | undefined;
  /** Unix ms. */
  clock?: () => number;
  fs?: FileSystem;
}

/** Maximum number of versions of any age: a training every minute must not fill the disk. */
const maxKeptVersions = 100;

export type ModelStore = ReturnType<typeof createModelStore>;

/**
 * Immutable model versions of one detector, with a pointer to the current one.
 * @throws Error if the name of the detector is not a valid name of a folder
 */
export function createModelStore({
  directory,
  detector,
  lease = () => undefined,
  clock = Date.now,
  fs = nodeFs,
}: ModelStoreOptions) {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(detector)) {
    throw new Error(
      `the name of a detector must consist of letters, digits, ".", "_" and "-" (got ${JSON.stringify(detector)})`,
    );
  }
  const root = join(directory, detector);
  const folders = createVersionFolders({ versions: join(root, 'versions'), detector, clock, fs });
  const pointer = createVersionPointer({ root, lease, fs });

  /**
   * Writes a new version under a temporary name, syncs it, renames it, and moves the pointer. Readers never see an incomplete
   * version. Returns the name of the version.
   * @param options `onTrial`: the pointer does not move
   */
  async function publish(
    files: BundleFiles,
    writtenBy: Manifest['writtenBy'],
    { onTrial = false } = {},
  ): Promise<string> {
    if (files.size === 0) throw new Error('a model version needs at least one file');
    for (const name of files.keys()) {
      if (!isBundleFileName(name))
        throw new Error(`not a valid name for a file of a bundle: ${JSON.stringify(name)}`);
    }
    try {
      const version = await folders.write(files, writtenBy);
      try {
        await folders.sync();
        if (!onTrial && (await pointer.pinned()) === undefined) await pointer.move(version);
      } catch (error) {
        // If only the sync failed, the pointer has moved already, and the version must be kept.
        if ((await pointer.current().catch(() => undefined)) !== version)
          await folders.remove(version).catch(() => undefined);
        throw error;
      }
      return version;
    } catch (cause) {
      throw cause instanceof LeaseError ? cause : publishError(root, cause);
    }
  }

  /** All versions, the newest first. */
  async function list() {
    // A damaged pointer does not hide the versions.
    const [names, now] = [await folders.names(), await pointer.current().catch(() => undefined)];
    return names.map((version) => ({
      version,
      createdAt: versionCreatedAt(version),
      current: version === now,
    }));
  }

  /**
   * Deletes all versions except the newest `keep` and the current one, and temporary files of interrupted publications. Returns
   * the deleted versions.
   * @param wanted further versions to keep
   * @param newestSince also keeps versions that were the newest at this time (Unix ms) or later, at most 100 versions in all
   */
  async function prune(
    keep: number,
    wanted: readonly string[] = [],
    newestSince = Infinity,
  ): Promise<string[]> {
    if (!Number.isSafeInteger(keep) || keep < 0) {
      throw new Error(`the number of versions to keep must be a whole number of at least 0 (got ${keep})`);
    }
    await removeTemporaries(fs, root, clock());
    await folders.removeTemporaries();
    const removed: string[] = [];
    const names = await folders.names();
    for (const [i, version] of names.entries()) {
      const successor = names[i - 1];
      const newestUntil = successor === undefined ? Infinity : Date.parse(versionCreatedAt(successor));
      const isYoung = newestSince < Infinity && newestUntil >= newestSince;
      if (i < keep || wanted.includes(version) || (isYoung && i < maxKeptVersions)) continue;
      // Read each time, because another process may make an old version the current one meanwhile.
      if (version === (await pointer.current())) continue;
      await folders.remove(version);
      removed.push(version);
    }
    return removed;
  }

  return {
    publish,
    current: pointer.current,
    read: folders.read,
    /** Makes an existing version the current one, for a rollback or if the newest is damaged. */
    async setCurrent(version: string): Promise<void> {
      await folders.folderOf(version);
      await pointer.move(version);
    },
    list,
    prune,
    pinned: pointer.pinned,
    /** Makes an existing version the current one, until `unpin` is called. */
    async pin(version: string): Promise<void> {
      await folders.folderOf(version);
      await pointer.pin(version);
    },
    /** Unpins: the next version that is published becomes the current one. */
    unpin: pointer.unpin,
  };
}

function publishError(root: string, cause: unknown): Error {
  const code = errorCode(cause);
  const advice =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? '; free some space, or keep fewer versions (training.keepVersions)'
      : code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
        ? '; the user that runs vaemon needs permission to write there'
        : '';
  return new Error(`could not publish a model version in ${root}: ${messageOf(cause)}${advice}`, { cause });
}
