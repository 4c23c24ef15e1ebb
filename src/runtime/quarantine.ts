/** Intervals that no training may learn from: events and their surroundings. Kept on disk for the next training. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeAtomically } from '../system/atomic-write';
import { errorCode } from '../system/file-system';
import type { Interval } from '../training/exclusion';

export interface Quarantine {
  /** Adds an interval of event time of one key, Unix ms, extended by the margin on both sides. */
  add(key: string, from: number, to: number): void;
  /** Writes everything added, and the events that are still open, atomically. */
  save(openEvents: readonly OpenEvent[]): Promise<void>;
}

/** An event so far; times are Unix ms. */
interface OpenEvent {
  key: string;
  start: number;
  end: number;
}

/** Intervals kept; the oldest are dropped first. */
const maxIntervals = 10_000;

/** Path of a detector's quarantine in the folder of the store. */
export function quarantinePath(storePath: string, detector: string): string {
  return join(storePath, detector, 'quarantine.json');
}

/**
 * Continues the content of the file; a damaged one counts as empty and is replaced by the next save. Several processes may share
 * a file: each adds its own intervals, and checks at its next save that they are still there.
 */
export async function openQuarantine(path: string, marginMs: number): Promise<Quarantine> {
  const stored = await readQuarantine(path).catch(() => undefined);
  /** Intervals added by this process, by key and start. */
  const own = new Map<string, Interval>();
  let known = stored ?? [];
  let changed = stored === undefined;
  /** Written, but perhaps overwritten since by another process that had read the file before. */
  let unconfirmed = false;

  function add(key: string, from: number, to: number): void {
    const id = idOf({ key, from: from - marginMs });
    const before = own.get(id);
    if (before !== undefined && before.to >= to + marginMs) return;
    own.delete(id);
    own.set(id, { key, from: from - marginMs, to: to + marginMs });
    const [oldest] = own.keys();
    if (own.size > maxIntervals && oldest !== undefined) own.delete(oldest);
    changed = true;
  }

  return {
    add,
    async save(openEvents) {
      for (const { key, start, end } of openEvents) add(key, start, end);
      if (!changed && !unconfirmed) return;
      const onDisk = await readIfExists(path).catch(() => known);
      if (!changed && (onDisk === undefined || containsAll(onDisk, own))) {
        unconfirmed = false;
        return;
      }
      changed = false;
      try {
        known = union(onDisk ?? known, own).slice(-maxIntervals);
        await mkdir(dirname(path), { recursive: true });
        await writeAtomically(path, JSON.stringify(known));
        unconfirmed = true;
      } catch (error) {
        changed = true;
        throw error;
      }
    },
  };
}

const idOf = ({ key, from }: Pick<Interval, 'key' | 'from'>): string => `${from} ${key}`;

/** An open event is added repeatedly, a little longer each time: the longest one counts. */
function union(stored: readonly Interval[], own: ReadonlyMap<string, Interval>): Interval[] {
  const all = new Map(stored.map((one) => [idOf(one), one]));
  for (const [id, one] of own) {
    const before = all.get(id);
    all.set(id, before === undefined || before.to < one.to ? one : before);
  }
  return [...all.values()];
}

function containsAll(stored: readonly Interval[], own: ReadonlyMap<string, Interval>): boolean {
  const ends = new Map(stored.map((one) => [idOf(one), one.to]));
  return stored.length >= maxIntervals || [...own].every(([id, { to }]) => (ends.get(id) ?? -Infinity) >= to);
}

/** The intervals that a training leaves out; none if the file does not exist. */
export async function readQuarantine(path: string): Promise<Interval[]> {
  return (await readIfExists(path)) ?? [];
}

async function readIfExists(path: string): Promise<Interval[] | undefined> {
  try {
    const intervals: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!Array.isArray(intervals)) throw new Error('not a list');
    return intervals as Interval[];
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new Error(`cannot read ${path}`, { cause: error });
  }
}
