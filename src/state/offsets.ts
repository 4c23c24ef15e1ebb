/**
 * Committed offsets of a source whose transport keeps none, in files next to the states of its partitions:
 *
 *     <directory>/<detector>/partitions/<topic>-<partition>.offset
 *
 * A file contains the first offset that is not handled yet, as decimal text. It is replaced in one atomic step.
 */
import nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import type { OffsetStore } from '../sources/source';
import { privateFolder, writeAtomically } from '../system/atomic-write';
import { readRegularFile, unlessMissing, type FileSystem } from '../system/file-system';

interface OffsetStoreOptions {
  /** Folder of the store. It has one folder per detector, with its model versions. */
  directory: string;
  detector: string;
  topic: string;
  fs?: FileSystem;
}

export function createOffsetStore({
  directory,
  detector,
  topic,
  fs = nodeFs,
}: OffsetStoreOptions): OffsetStore {
  const folder = join(directory, detector, 'partitions');
  const pathOf = (partition: number): string => join(folder, `${topic}-${partition}.offset`);
  return {
    async load(partition) {
      const path = pathOf(partition);
      const bytes = await unlessMissing(readRegularFile(fs, path, () => undefined));
      if (bytes === undefined) return undefined;
      const text = Buffer.from(bytes).toString('latin1');
      if (!/^\d{1,19}\n?$/.test(text))
        throw new Error(
          `${path} is damaged: it must hold one whole number. Correct it, or delete it to begin at the present time`,
        );
      return BigInt(text.trim());
    },
    async save(partition, offset) {
      await fs.mkdir(folder, { recursive: true, mode: privateFolder });
      await writeAtomically(pathOf(partition), `${offset}\n`, { fs });
    },
  };
}
