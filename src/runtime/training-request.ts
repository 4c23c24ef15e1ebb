/** Asks whoever trains for a detector, in another process, to do so: a file beside the model versions. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeAtomically } from '../system/atomic-write';
import { errorCode } from '../system/file-system';

export interface TrainingRequests {
  /** Asks for a training because `version` does not fit any more. One request at a time is kept, the newest. */
  ask(version: string): Promise<void>;
  /** The version that someone has asked to be replaced, if so, and forgets it. */
  take(): Promise<string | undefined>;
}

export function createTrainingRequests(storePath: string, detector: string): TrainingRequests {
  const path = join(storePath, detector, 'training-request.json');
  return {
    async ask(version) {
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
