/**
 * The versions of a detector, one folder each. A version is complete and synced before it gets its name, and never changes
 * after that.
 */
import { dirname, join } from 'node:path';
import { ModelVersionError } from '../errors';
import { privateFolder, syncDirectory, writeSynced } from '../system/atomic-write';
import {
  entriesOf,
  errorCode,
  readRegularFile,
  refuseAbove,
  succeeds,
  type FileSystem,
} from '../system/file-system';
import { incomingName, removeTemporaries } from '../system/temporary-names';
import {
  bundleSchemaVersion,
  describeFiles,
  manifestName,
  maxManifestBytes,
  parseManifest,
  sha256,
  type BundleFiles,
  type Manifest,
} from './bundle';
import { formatVersion, isVersionName, maxVersionsPerMillisecond, versionCreatedAt } from './version-name';

export interface VersionFoldersOptions {
  /** Folder that contains the folders of the versions. */
  versions: string;
  detector: string;
  /** Unix ms. */
  clock: () => number;
  fs: FileSystem;
}

export function createVersionFolders({ versions, detector, clock, fs }: VersionFoldersOptions) {
  async function makeDirectories(): Promise<void> {
    if ((await fs.mkdir(versions, { recursive: true, mode: privateFolder })) === undefined) return;
    const root = dirname(versions);
    await syncDirectory(fs, root);
    await syncDirectory(fs, dirname(root));
  }

  /** Writes all files under a temporary name and renames them at the end. Leaves no files after a failure. */
  async function write(files: BundleFiles, writtenBy: Manifest['writtenBy']): Promise<string> {
    await makeDirectories();
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
        // Safe against races, because a rename cannot replace a folder that is not empty.
        const renamed = fs.rename(incoming, join(versions, version));
        if (await succeeds(renamed, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return version;
      }
      throw new Error(`every version name of ${formatVersion(time, 0)} is in use`);
    } catch (error) {
      // If this fails as well (the disk is full or broken), removeTemporaries() tries again later.
      await fs.rm(incoming, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
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

  async function readVersionFile(
    version: string,
    name: string,
    accept: (bytes: number) => void,
  ): Promise<Uint8Array> {
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

  /** Names of the versions, the newest first. */
  async function names(): Promise<string[]> {
    const entries = await entriesOf(fs, versions);
    return entries
      .filter((entry) => entry.isDirectory() && isVersionName(entry.name))
      .map((entry) => entry.name)
      .sort()
      .reverse();
  }

  /** Renames the folder first, so that an interrupted removal leaves no incomplete version. */
  async function remove(version: string): Promise<void> {
    const hidden = join(versions, incomingName(version));
    await fs.rename(join(versions, version), hidden);
    await fs.rm(hidden, { recursive: true, force: true });
  }

  return {
    write,
    /** Makes the names of versions durable on the disk. */
    sync: () => syncDirectory(fs, versions),
    read,
    folderOf,
    names,
    remove,
    /** Deletes files of interrupted publications. */
    removeTemporaries: () => removeTemporaries(fs, versions, clock()),
  };
}
