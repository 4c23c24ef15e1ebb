/**
 * Model versions in a directory.
 *
 *     <directory>/<detector>/current                          name of the current version
 *     <directory>/<detector>/pinned                           name of the version that stays current, if a person wants that
 *     <directory>/<detector>/versions/<version>/manifest.json and the files it names
 *
 * A version is complete and synced before it gets its name, and the pointer moves afterwards: readers see the old version
 * or the new one, also after a power cut or a killed process.
 */
import nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { LeaseError, ModelVersionError } from '../errors';
import { privateFolder, syncDirectory, writeAtomically, writeSynced } from '../system/atomic-write';
import { messageOf } from '../system/error-text';
import {
  entriesOf,
  errorCode,
  readRegularFile,
  succeeds,
  unlessMissing,
  type FileSystem,
} from '../system/file-system';
import { incomingName, removeTemporaries } from '../system/temporary-names';
import {
  bundleSchemaVersion,
  describeFiles,
  isBundleFileName,
  manifestName,
  maxManifestBytes,
  parseManifest,
  sha256,
  type BundleFiles,
  type Manifest,
} from './bundle';
import { formatVersion, isVersionName, maxVersionsPerMillisecond, versionCreatedAt } from './version-name';

export interface ModelStoreOptions {
  /** Has one folder per detector; created if it does not exist. */
  directory: string;
  /** Letters, digits, `.`, `_` and `-`. */
  detector: string;
  /** Folder of the lease (lease.ts) from which the pointer is renamed; if it is gone, the pointer stays. */
  lease?: () => string | undefined;
  /** Unix ms. */
  clock?: () => number;
  fs?: FileSystem;
}

/** Limit for versions of any age: a training every minute must not fill the disk. */
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
  const versions = join(root, 'versions');
  const pointer = join(root, 'current');
  const pin = join(root, 'pinned');

  /**
   * Writes a new version under a temporary name, syncs it, renames it into place, and moves the pointer. Readers never see an
   * incomplete version. Returns the name of the version.
   * @param options `onTrial`: the pointer stays
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
      await makeDirectories();
      const version = await writeVersion(files, writtenBy);
      try {
        await syncDirectory(fs, versions);
        if (!onTrial && (await pinned()) === undefined) await movePointer(version);
      } catch (error) {
        // If only the sync failed, the pointer has moved, and the version must stay.
        if ((await current().catch(() => undefined)) !== version)
          await remove(version).catch(() => undefined);
        throw error;
      }
      return version;
    } catch (cause) {
      throw cause instanceof LeaseError ? cause : publishError(root, cause);
    }
  }

  async function makeDirectories(): Promise<void> {
    if ((await fs.mkdir(versions, { recursive: true, mode: privateFolder })) === undefined) return;
    await syncDirectory(fs, root);
    await syncDirectory(fs, directory);
  }

  /** Writes all files under a temporary name and renames them at the end. Leaves no files after a failure. */
  async function writeVersion(files: BundleFiles, writtenBy: Manifest['writtenBy']): Promise<string> {
    const time = clock();
    const incoming = join(versions, incomingName(formatVersion(time, 0)));
    try {
      await fs.mkdir(incoming, { mode: privateFolder });
      for (const [name, bytes] of files) await writeSynced(fs, join(incoming, name), bytes);
      for (let ordinal = 0; ordinal < maxVersionsPerMillisecond; ordinal++) {
        const version = formatVersion(time, ordinal);
        const manifest: Manifest = {
          schemaVersion: bundleSchemaVersion,
          version,
          detector,
          createdAt: versionCreatedAt(version),
          writtenBy,
          files: describeFiles(files),
        };
        await writeSynced(fs, join(incoming, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
        await syncDirectory(fs, incoming);
        // Free of races, because a rename cannot replace a folder that is not empty.
        const renamed = fs.rename(incoming, join(versions, version));
        if (await succeeds(renamed, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return version;
      }
      throw new Error(`every version name of ${formatVersion(time, 0)} is in use`);
    } catch (error) {
      // If this fails, too (the disk is full or broken), prune() tries again later.
      await fs.rm(incoming, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
  }

  async function movePointer(version: string): Promise<void> {
    const fence = lease();
    try {
      await writeAtomically(pointer, `${version}\n`, { fs, folder: fence ?? root });
    } catch (error) {
      if (fence === undefined || errorCode(error) !== 'ENOENT') throw error;
      const message = `version ${version} was not published: another process took over the lease ${fence}`;
      throw new LeaseError(message, { cause: error });
    }
  }

  /** Name of the current version, if any was published. */
  async function current(): Promise<string | undefined> {
    const bytes = await unlessMissing(readRegularFile(fs, pointer, refuseAbove(256, pointer))).catch(
      (cause: unknown) => {
        throw new ModelVersionError('current', 'unreadable', `cannot read ${pointer}`, { cause });
      },
    );
    if (bytes === undefined) return undefined;
    const version = new TextDecoder().decode(bytes).trim();
    if (isVersionName(version)) return version;
    throw new ModelVersionError(
      'current',
      'unreadable',
      `${pointer} contains no version name (${JSON.stringify(version)}); write the name of a version in ${versions} into it`,
    );
  }

  /** Name of the version that stays the current one whatever is published, if any. */
  async function pinned(): Promise<string | undefined> {
    const bytes = await unlessMissing(readRegularFile(fs, pin, refuseAbove(256, pin)));
    const version = new TextDecoder().decode(bytes).trim();
    return isVersionName(version) ? version : undefined;
  }

  /** Makes a version the current one and keeps it that, until `unpin`. */
  async function pinTo(version: string): Promise<void> {
    await folderOf(version);
    await writeAtomically(pin, `${version}\n`, { fs });
    await movePointer(version);
  }

  /** Reads and verifies a version. Rejects with a ModelVersionError if a file is missing, altered or of another schema. */
  async function read(version: string): Promise<{ manifest: Manifest; files: BundleFiles }> {
    const folder = await folderOf(version);
    const listed = await readVersionFile(version, manifestName, refuseAbove(maxManifestBytes, manifestName));
    const manifest = parseManifest(version, detector, listed);
    const files = new Map<string, Uint8Array>();
    for (const [name, expected] of Object.entries(manifest.files)) {
      const damaged = (message: string) =>
        new ModelVersionError(version, 'checksum', `${join(folder, name)} is damaged: ${message}`);
      const bytes = await readVersionFile(version, name, (size) => {
        if (size !== expected.bytes) throw damaged(`${size} bytes instead of ${expected.bytes}`);
      });
      if (sha256(bytes) !== expected.sha256) throw damaged('its checksum differs from the manifest');
      files.set(name, bytes);
    }
    return { manifest, files };
  }

  async function readVersionFile(version: string, name: string, accept: (bytes: number) => void) {
    const path = join(versions, version, name);
    try {
      return await readRegularFile(fs, path, accept);
    } catch (cause) {
      if (cause instanceof ModelVersionError) throw cause;
      const isMissing = errorCode(cause) === 'ENOENT';
      const message = isMissing ? `${name} is missing in ${join(versions, version)}` : `cannot read ${path}`;
      throw new ModelVersionError(version, isMissing ? 'missing_file' : 'unreadable', message, { cause });
    }
  }

  /** Path of a version; rejects with a ModelVersionError unless it is a real folder in this store. */
  async function folderOf(version: string): Promise<string> {
    if (!isVersionName(version)) {
      const message = 'not a version name; an example is 20260131T030000.123Z';
      throw new ModelVersionError(version, 'unreadable', message);
    }
    const folder = join(versions, version);
    const stat = await fs.lstat(folder).catch((cause: unknown) => {
      const missing = errorCode(cause) === 'ENOENT';
      const message = missing ? `there is no such version in ${versions}` : `cannot read ${folder}`;
      throw new ModelVersionError(version, missing ? 'missing_file' : 'unreadable', message, { cause });
    });
    // A link could lead to files outside the store, which may change.
    if (!stat.isDirectory()) throw new ModelVersionError(version, 'unreadable', `${folder} is not a folder`);
    return folder;
  }

  /** Newest first. */
  async function versionNames(): Promise<string[]> {
    const entries = await entriesOf(fs, versions);
    return entries
      .filter((entry) => entry.isDirectory() && isVersionName(entry.name))
      .map((entry) => entry.name)
      .sort()
      .reverse();
  }

  /** Newest first. */
  async function list() {
    // A damaged pointer does not hide the versions.
    const [names, now] = [await versionNames(), await current().catch(() => undefined)];
    return names.map((version) => ({
      version,
      createdAt: versionCreatedAt(version),
      current: version === now,
    }));
  }

  /**
   * Deletes all versions except the newest `keep` and the current one, and temporary files of interrupted publications. Returns the
   * deleted versions.
   * @param wanted versions that are kept, too
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
    await removeTemporaries(fs, versions, clock());
    const removed: string[] = [];
    const names = await versionNames();
    for (const [i, version] of names.entries()) {
      const successor = names[i - 1];
      const newestUntil = successor === undefined ? Infinity : Date.parse(versionCreatedAt(successor));
      const isYoung = newestSince < Infinity && newestUntil >= newestSince;
      if (i < keep || wanted.includes(version) || (isYoung && i < maxKeptVersions)) continue;
      // Read each time, because another process may make an old version the current one meanwhile.
      if (version === (await current())) continue;
      await remove(version);
      removed.push(version);
    }
    return removed;
  }

  /** Renames the folder first, so that an interrupted removal leaves no incomplete version. */
  async function remove(version: string): Promise<void> {
    const hidden = join(versions, incomingName(version));
    await fs.rename(join(versions, version), hidden);
    await fs.rm(hidden, { recursive: true, force: true });
  }

  /** Makes an existing version the current one (a rollback, or the newest is damaged). */
  async function setCurrent(version: string): Promise<void> {
    await folderOf(version);
    await movePointer(version);
  }

  return {
    publish,
    current,
    read,
    setCurrent,
    list,
    prune,
    pinned,
    pin: pinTo,
    /** The next version that is published becomes the current one. */
    unpin: () => fs.rm(pin, { force: true }),
  };
}

function refuseAbove(maxBytes: number, what: string): (bytes: number) => void {
  return (bytes) => {
    if (bytes > maxBytes) throw new Error(`${what} has ${bytes} bytes, more than the limit of ${maxBytes}`);
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
