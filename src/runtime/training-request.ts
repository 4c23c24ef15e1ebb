/** Request to the process that trains a detector, from one that only scores: a file beside the model versions. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeAtomically } from '../system/atomic-write';
import { errorCode } from '../system/file-system';

export interface TrainingRequests {
  /** Requests a training because records no longer match `version`. Only the newest request is kept. */
  request(version: string): Promise<void>;
  /** Removes the request; returns the version that it wants replaced, or undefined if there is none. */
  take(): Promise<string | undefined>;
}

export function createTrainingRequests(storePath: string, detector: string): TrainingRequests {
  const path = join(storePath, detector, 'training-request.json');
  return {
    async request(version) {
      await mkdir(dirname(path), { recursive: true });
      await writeAtomically(path, JSON.stringify({ version }));
    },
    async take() {
      const taken = `${path}.${randomUUID()}.tmp`;
      try {
        await rename(path, taken);
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      }
      try {
        const { version } = JSON.parse(await readFile(taken, 'utf8')) as { version?: unknown };
        return typeof version === 'string' ? version : undefined;
      } finally {
        await rm(taken, { force: true });
      }
    },
  };
}
