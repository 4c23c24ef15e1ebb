/** A request from a process that only scores to the process that trains a detector: a file next to the model versions. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { privateFolder, writeAtomically } from '../system/atomic-write';
import { errorCode, fileState } from '../system/file-system';

export class TrainingRequests {
  private readonly path: string;

  constructor(storePath: string, detector: string) {
    this.path = join(storePath, detector, 'training-request.json');
  }

  /**
   * Requests a training because records no longer match `version`, or because a person wants one. Only the newest request is
   * kept.
   */
  async request(version: string, byPerson = false): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true, mode: privateFolder });
    await writeAtomically(this.path, JSON.stringify({ version, ...(byPerson && { byPerson }) }));
  }

  /** Whether there is a request. */
  async isWaiting(): Promise<boolean> {
    return (await fileState(this.path)) !== '';
  }

  /** Removes the request. Returns the version to replace; undefined if there is no request. */
  async take(): Promise<{ version: string; byPerson: boolean } | undefined> {
    const taken = `${this.path}.${randomUUID()}.tmp`;
    try {
      await rename(this.path, taken);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const request = JSON.parse(await readFile(taken, 'utf8')) as { version?: unknown; byPerson?: unknown };
      const { version, byPerson } = request;
      return typeof version === 'string' ? { version, byPerson: byPerson === true } : undefined;
    } finally {
      await rm(taken, { force: true });
    }
  }
}
