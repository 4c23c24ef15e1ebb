/**
 * The claims of the processes of a sink, one file each. The number of a file is never used twice, and a file never changes.
 */
import nodeFs, { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createAtomically, privateFolder } from '../../system/atomic-write';
import { entriesOf, unlessMissing } from '../../system/file-system';
import { removeTemporaries } from '../../system/temporary-names';

export interface StoredClaim {
  process: string;
  /** Id of the message. */
  as: string;
  /** Ids of the events. */
  events: readonly string[];
}

export type ClaimEntry = readonly [number: number, claim: StoredClaim];

export function createClaimFiles(folder: string) {
  /** Claims that have been read, by number. */
  let known = new Map<number, StoredClaim>();
  let prepared = false;
  const pathOf = (number: number): string => join(folder, `${number}.json`);

  /** All claims, ascending by number. */
  async function read(): Promise<readonly ClaimEntry[]> {
    if (!prepared) {
      await nodeFs.mkdir(folder, { recursive: true, mode: privateFolder });
      await removeTemporaries(nodeFs, folder, Date.now());
      prepared = true;
    }
    const numbers = (await entriesOf(nodeFs, folder))
      .flatMap(({ name }) => /^(\d+)\.json$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
    const found = new Map<number, StoredClaim>();
    for (const number of numbers) {
      const stored = known.get(number) ?? (await readOne(number));
      if (stored !== undefined) found.set(number, stored);
    }
    known = found;
    return [...found];
  }

  /** Undefined if the claim has been removed. A damaged file claims nothing. */
  async function readOne(number: number): Promise<StoredClaim | undefined> {
    const text = await unlessMissing(readFile(pathOf(number), 'utf8'));
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as StoredClaim;
    } catch {
      return { process: '', as: '', events: [] };
    }
  }

  return {
    read,
    /** Creates the file with a number; false if another process has created it. */
    add: (number: number, claim: StoredClaim): Promise<boolean> =>
      createAtomically(pathOf(number), JSON.stringify(claim)),
    remove: (number: number): Promise<void> => rm(pathOf(number), { force: true }),
  };
}
