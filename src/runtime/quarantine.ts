/** Intervals that no training may learn from: events and the time around them. The file is kept for the next training. */
import { mkdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Logger } from '../logger';
import { privateFolder, writeAtomically } from '../system/atomic-write';
import { errorCode } from '../system/file-system';
import type { Interval } from '../training/exclusion';

/** An event with its end so far; times are Unix ms. */
interface CurrentEvent {
  key: string;
  /** Devices, if there are several. */
  keys?: readonly string[];
  start: number;
  end: number;
}

/** The interval that an event excludes from training: the event, and `marginMs` on both sides. */
export function quarantined({ key, start, end }: CurrentEvent, marginMs: number): Interval {
  return { key, from: start - marginMs, to: end + marginMs };
}

/** Maximum number of intervals; the oldest are dropped first. */
const maxIntervals = 10_000;

/** Path of a detector's quarantine in the folder of the store. */
export function quarantinePath(storePath: string, detector: string): string {
  return join(storePath, detector, 'quarantine.json');
}

/**
 * The quarantine of a detector.
 * @param isColdStart a cold start adds nothing: records that are new to it are not anomalous, and the configured model must
 * learn from them
 */
export async function openQuarantine(
  path: string,
  marginMs: number,
  isColdStart: () => boolean,
  log: Pick<Logger, 'error'>,
) {
  const quarantine = await Quarantine.open(path, marginMs, (err) =>
    log.error('quarantine is unreadable: the next trainings learn from earlier events; a copy is kept', {
      copy: `${path}.damaged`,
      err,
    }),
  );
  return {
    path,
    add(key: string, start: number, end: number): void {
      if (!isColdStart()) quarantine.add(key, start, end);
    },
    save: (current: readonly CurrentEvent[]): Promise<void> => quarantine.save(isColdStart() ? [] : current),
  };
}

/** Several processes may share a file. Each adds its own intervals, and checks at its next save that they are still in it. */
export class Quarantine {
  /** Intervals added by this process, by key and start. */
  private readonly own = new Map<string, Interval>();
  private known: readonly Interval[];
  private changed: boolean;
  /** Whether the file was written, but another process that had read it before may have overwritten it. */
  private unconfirmed = false;

  private constructor(
    private readonly path: string,
    private readonly marginMs: number,
    stored: readonly Interval[] | undefined,
  ) {
    this.known = stored ?? [];
    this.changed = stored === undefined;
  }

  /**
   * Opens the file and continues its content. A damaged file is renamed to `<path>.damaged` and counts as empty.
   * @param onDamage called with the reason
   */
  static async open(
    path: string,
    marginMs: number,
    onDamage: (err: unknown) => void = () => undefined,
  ): Promise<Quarantine> {
    const stored = await readQuarantine(path).catch(async (err: unknown) => {
      onDamage(err);
      await rename(path, `${path}.damaged`).catch(() => undefined);
      return undefined;
    });
    return new Quarantine(path, marginMs, stored);
  }

  /** Adds an interval of event time of one key, Unix ms, extended by the margin on both sides. */
  add(key: string, start: number, end: number): void {
    const interval = quarantined({ key, start, end }, this.marginMs);
    const id = idOf(interval);
    const before = this.own.get(id);
    if (before !== undefined && before.to >= interval.to) return;
    this.own.delete(id);
    this.own.set(id, interval);
    const [oldest] = this.own.keys();
    if (this.own.size > maxIntervals && oldest !== undefined) this.own.delete(oldest);
    this.changed = true;
  }

  /** Writes the file atomically: everything added, and the events that are not over. */
  async save(current: readonly CurrentEvent[]): Promise<void> {
    for (const { key, keys = [key], start, end } of current)
      for (const one of keys) this.add(one, start, end);
    if (!this.changed && !this.unconfirmed) return;
    const onDisk = await readIfExists(this.path).catch(() => this.known);
    if (!this.changed && (onDisk === undefined || containsAll(onDisk, this.own))) {
      this.unconfirmed = false;
      return;
    }
    this.changed = false;
    try {
      this.known = union(onDisk ?? this.known, this.own).slice(-maxIntervals);
      await mkdir(dirname(this.path), { recursive: true, mode: privateFolder });
      await writeAtomically(this.path, JSON.stringify(this.known));
      this.unconfirmed = true;
    } catch (error) {
      this.changed = true;
      throw error;
    }
  }
}

const idOf = ({ key, from }: Pick<Interval, 'key' | 'from'>): string => `${from} ${key}`;

/** An open event is added repeatedly with a later end: the longest one is used. */
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
