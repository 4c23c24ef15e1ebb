/** The pointer to the current version of a detector: a file with its name, and another file if a person has pinned it. */
import { join } from 'node:path';
import { LeaseError, ModelVersionError } from '../errors';
import { writeAtomically } from '../system/atomic-write';
import {
  errorCode,
  readRegularFile,
  refuseAbove,
  unlessMissing,
  type FileSystem,
} from '../system/file-system';
import { isVersionName } from './version-name';

/** Maximum size of a file with the name of a version, bytes. */
const mostBytes = 256;

export interface VersionPointerOptions {
  /** Folder of the detector. */
  root: string;
  /** Folder of the lease from which the pointer is renamed. If it no longer exists, the pointer does not move. */
  lease: () => string | undefined;
  fs: FileSystem;
}

export function createVersionPointer({ root, lease, fs }: VersionPointerOptions) {
  const pointer = join(root, 'current');
  const pin = join(root, 'pinned');

  async function move(version: string): Promise<void> {
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
    const bytes = await unlessMissing(readRegularFile(fs, pointer, refuseAbove(mostBytes, pointer))).catch(
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
      `${pointer} contains no version name (${JSON.stringify(version)}); write the name of a version in ${join(root, 'versions')} into it`,
    );
  }

  /** Name of the pinned version, which stays current whatever is published; undefined if none is. */
  async function pinned(): Promise<string | undefined> {
    const bytes = await unlessMissing(readRegularFile(fs, pin, refuseAbove(mostBytes, pin)));
    const version = new TextDecoder().decode(bytes).trim();
    return isVersionName(version) ? version : undefined;
  }

  return {
    current,
    /** Makes a version the current one. */
    move,
    pinned,
    /** Makes a version the current one, until `unpin` is called. */
    async pin(version: string): Promise<void> {
      await writeAtomically(pin, `${version}\n`, { fs });
      await move(version);
    },
    /** Unpins: the next version that is published becomes the current one. */
    unpin: () => fs.rm(pin, { force: true }),
  };
}
