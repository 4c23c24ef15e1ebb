/** Stretches that no training may learn from: events and what surrounds them. Kept on disk, for the next training. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeAtomically } from '../system/atomic-write';
import { errorCode } from '../system/file-system';
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

/**
 * Goes on from what the file holds; one that is damaged counts as empty, and the next save replaces it. Several processes may
 * have the same file: each adds its own, and looks once more with its next save whether they are still in it.
 */
export async function openQuarantine(path: string, marginMs: number): Promise<Quarantine> {
  const stored = await readQuarantine(path).catch(() => undefined);
  /** What is added by this process, by key and beginning. */
  const own = new Map<string, Interval>();
  let known = stored ?? [];
  let changed = stored === undefined;
  /** Written, and perhaps overwritten since by another process that has read it before. */
  let doubtful = false;
  return {
    add(key, from, to) {
      const id = idOf({ key, from: from - marginMs });
      const before = own.get(id);
      if (before !== undefined && before.to >= to + marginMs) return;
      own.delete(id);
      own.set(id, { key, from: from - marginMs, to: to + marginMs });
      const [oldest] = own.keys();
      if (own.size > maxIntervals && oldest !== undefined) own.delete(oldest);
      changed = true;
    },
    async save() {
      if (!changed && !doubtful) return;
      const onDisk = await readFileIfAny(path).catch(() => known);
      if (!changed && (onDisk === undefined || holdsAll(onDisk, own))) {
        doubtful = false;
        return;
      }
      changed = false;
      try {
        known = union(onDisk ?? known, own).slice(-maxIntervals);
        await mkdir(dirname(path), { recursive: true });
        await writeAtomically(path, JSON.stringify(known));
        doubtful = true;
      } catch (error) {
        changed = true;
        throw error;
      }
    },
  };
}

const idOf = ({ key, from }: Pick<Interval, 'key' | 'from'>): string => `${from} ${key}`;

/** An event that goes on is added again, a little longer each time. */
function union(stored: readonly Interval[], own: ReadonlyMap<string, Interval>): Interval[] {
  const all = new Map(stored.map((one) => [idOf(one), one]));
  for (const [id, one] of own) {
    const before = all.get(id);
    all.set(id, before === undefined || before.to < one.to ? one : before);
  }
  return [...all.values()];
}

function holdsAll(stored: readonly Interval[], own: ReadonlyMap<string, Interval>): boolean {
  const ends = new Map(stored.map((one) => [idOf(one), one.to]));
  return stored.length >= maxIntervals || [...own].every(([id, { to }]) => (ends.get(id) ?? -Infinity) >= to);
}

/** What a training leaves out. Empty when there is no such file. */
export async function readQuarantine(path: string): Promise<Interval[]> {
  return (await readFileIfAny(path)) ?? [];
}

async function readFileIfAny(path: string): Promise<Interval[] | undefined> {
  try {
    const intervals: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!Array.isArray(intervals)) throw new Error('not a list');
    return intervals as Interval[];
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new Error(`cannot read ${path}`, { cause: error });
  }
}
