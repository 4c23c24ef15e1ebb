/** Stretches that no training may learn from: events and what surrounds them. Kept on disk, for the next training. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Interval } from '../training/dataset';

export interface Quarantine {
  /** A stretch of event time of one key, Unix ms; the margin is added on both sides. */
  add(key: string, from: number, to: number): void;
  /** Writes what has been added, whole or not at all. */
  save(): Promise<void>;
}

/** Stretches kept; the oldest go first. */
const maxIntervals = 10_000;

/** Where the daemon keeps a detector's quarantine, below the folder of the store. */
export function quarantinePath(storePath: string, detector: string): string {
  return join(storePath, detector, 'quarantine.json');
}

/** Goes on from what the file holds; one that is damaged counts as empty, and the next save replaces it. */
export async function openQuarantine(path: string, marginMs: number): Promise<Quarantine> {
  const stored = await readQuarantine(path).catch(() => undefined);
  let intervals = stored ?? [];
  let changed = stored === undefined;
  return {
    add(key, from, to) {
      intervals.push({ key, from: from - marginMs, to: to + marginMs });
      intervals = intervals.slice(-maxIntervals);
      changed = true;
    },
    async save() {
      if (!changed) return;
      changed = false;
      try {
        await mkdir(dirname(path), { recursive: true });
        const beside = `${path}.${process.pid}.tmp`;
        await writeFile(beside, JSON.stringify(intervals));
        await rename(beside, path);
      } catch (error) {
        changed = true;
        throw error;
      }
    },
  };
}

/** What a training leaves out. Empty when there is no such file. */
export async function readQuarantine(path: string): Promise<Interval[]> {
  try {
    const intervals: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!Array.isArray(intervals)) throw new Error('not a list');
    return intervals as Interval[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Error(`cannot read ${path}`, { cause: error });
  }
}
