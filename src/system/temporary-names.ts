/** Names of what is not finished yet, and how to tell that it never will be. */
import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { errorCode, type FileSystem } from './atomic-write';

/** Unfinished work of another machine is given up after this long without a change, in ms. */
export const temporaryMaxAgeMs = 60 * 60 * 1000;

const pattern = /^\.incoming-.+-([0-9a-f]{8})-(\d+)-[0-9a-f]{12}$/;
// A shared volume is seen from several machines, each with process numbers of its own.
const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** A hidden name, used by no one else, for something that will be renamed into place or removed. */
export function incomingName(what: string): string {
  return `.incoming-${what}-${machine}-${String(process.pid)}-${randomBytes(6).toString('hex')}`;
}

/** Whether no one works on it any more: its process here is gone, or it is older than an hour (`ageMs`). */
export function isTemporary(name: string, ageMs: number): boolean {
  const [, writer, pid] = pattern.exec(name) ?? [];
  if (writer === undefined) return false;
  return ageMs > temporaryMaxAgeMs || (writer === machine && !isRunning(Number(pid)));
}

/** Removes from a folder, if there is one, what no one will finish. `now` in Unix ms. */
export async function removeTemporaries(fs: FileSystem, folder: string, now: number): Promise<void> {
  for (const { name } of await entriesOf(fs, folder)) {
    const path = join(folder, name);
    const stat = await fs.lstat(path).catch(() => undefined);
    if (stat === undefined || !isTemporary(name, now - stat.mtimeMs)) continue;
    await fs.rm(path, { recursive: true, force: true });
  }
}

/** What is in a folder; nothing when there is none. */
export async function entriesOf(fs: FileSystem, folder: string) {
  try {
    return await fs.readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, under another user.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
