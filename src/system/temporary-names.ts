/** Temporary names of unfinished files and folders, and how to recognise abandoned ones. */
import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { entriesOf, errorCode, type FileSystem } from './file-system';

/** Age from which an unfinished file of another machine counts as abandoned, ms. */
export const temporaryMaxAgeMs = 60 * 60 * 1000;

const pattern = /^\.incoming-.+-([0-9a-f]{8})-(\d+)-[0-9a-f]{12}$/;
/** Hash of the host name: several machines may share a volume, and process ids are unique only per machine. */
export const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** A unique hidden name for a file or folder that is later renamed or removed. */
export function incomingName(what: string): string {
  // The length is limited, as file systems allow 255 bytes.
  return `.incoming-${what.slice(0, 100)}-${machine}-${String(process.pid)}-${randomBytes(6).toString('hex')}`;
}

/** Whether a temporary name is abandoned: its process on this machine has ended, or it is older than an hour. */
function isTemporary(name: string, ageMs: number): boolean {
  const [, writer, pid] = pattern.exec(name) ?? [];
  if (writer === undefined) return false;
  return ageMs > temporaryMaxAgeMs || (writer === machine && !isRunning(Number(pid)));
}

/** Removes abandoned files from a folder, if it exists. `now` in Unix ms. */
export async function removeTemporaries(fs: FileSystem, folder: string, now: number): Promise<void> {
  for (const { name } of await entriesOf(fs, folder)) {
    const path = join(folder, name);
    const stat = await fs.lstat(path).catch(() => undefined);
    if (stat === undefined || !isTemporary(name, now - stat.mtimeMs)) continue;
    await fs.rm(path, { recursive: true, force: true });
  }
}

/** Whether a process of this machine runs. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM means that it runs under another user.
    return errorCode(error) !== 'ESRCH';
  }
}
