/** The mutes of a detector, in `<store>/<detector>/mutes.json`; processes that share the store share them. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AnomalyEvent } from '../domain/event';
import { isMuted, type Mute } from '../domain/mute';
import { privateFolder, writeAtomically } from '../system/atomic-write';
import { unlessMissing } from '../system/file-system';

/** Most mutes; each event that opens is compared with all of them. */
export const mostMutes = 1000;
/** Time for which an expired one is still listed, ms. */
const keptMs = 86_400_000;

export type Mutes = Awaited<ReturnType<typeof openMutes>>;

export interface MutesOptions {
  directory: string;
  detector: string;
  /** Time of the records, Unix ms. */
  now: () => number;
  /** The event as it was reported last, if it was. */
  reported: (id: string) => AnomalyEvent | undefined;
  log: { error(message: string, fields: Record<string, unknown>): unknown };
}

export async function openMutes({ directory, detector, now, reported, log }: MutesOptions) {
  const path = join(directory, detector, 'mutes.json');
  let mutes: readonly Mute[] = [];
  let text = '[]';
  let failure = '';

  /** Reads what another process may have written. A file that is damaged leaves the mutes as they are. */
  async function refresh(): Promise<void> {
    try {
      const found = (await unlessMissing(readFile(path, 'utf8'))) ?? '[]';
      if (found !== text) mutes = JSON.parse(found) as Mute[];
      text = found;
      failure = '';
    } catch (err) {
      const message = (err as Error).message;
      if (message !== failure)
        log.error('mutes are unreadable; those read before stay in force', { path, err });
      failure = message;
    }
  }

  async function save(next: readonly Mute[]): Promise<void> {
    const written = `${JSON.stringify(next, null, 2)}\n`;
    await mkdir(dirname(path), { recursive: true, mode: privateFolder });
    await writeAtomically(path, written);
    mutes = next;
    text = written;
  }

  await refresh();
  return {
    refresh,
    list: (): readonly Mute[] => mutes,
    /** @throws Error if it cannot be saved; it is then not in force */
    async add(mute: Omit<Mute, 'id'>): Promise<Mute> {
      await refresh();
      const kept = mutes.filter(({ until }) => until === null || until > now() - keptMs);
      const added = { id: randomUUID(), ...mute };
      await save([...kept, added]);
      return added;
    },
    /** Returns whether there was one. */
    async remove(id: string): Promise<boolean> {
      await refresh();
      if (!mutes.some((mute) => mute.id === id)) return false;
      await save(mutes.filter((mute) => mute.id !== id));
      return true;
    },
    /** Marks the events that are muted: one stays what it was when it opened, so that an alarm is also resolved. */
    mark(events: readonly AnomalyEvent[]): readonly AnomalyEvent[] {
      if (events.length === 0) return events;
      return events.map((event) => {
        const known = reported(event.id);
        // A recording that is replayed has the same event again.
        const isNew = known === undefined || (event.status === 'open' && known.status !== 'open');
        const muted = isNew ? mutes.length > 0 && isMuted(mutes, event, now()) : known.muted === true;
        return muted ? { ...event, muted } : event;
      });
    },
  };
}
