/**
 * The mutes of a detector. Each is a file that is written once, so that processes sharing the store can add and remove mutes
 * concurrently:
 *
 *     <store>/<detector>/mutes/<id>.json
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AnomalyEvent } from '../domain/event';
import { isInForce, isMuted, type Mute } from '../domain/mute';
import { privateFolder, writeAtomically } from '../system/atomic-write';
import { messageOf } from '../system/error-text';
import { unlessMissing } from '../system/file-system';

/** Maximum number of mutes; each event that opens is compared with all of them. */
export const mostMutes = 1000;
/** Time for which an expired mute is still listed, ms. */
const keptMs = 86_400_000;

export type Mutes = Awaited<ReturnType<typeof openMutes>>;

export interface MutesOptions {
  directory: string;
  detector: string;
  /** The present time of the records, Unix ms. */
  now: () => number;
  /** The last report of an event; undefined if it was not reported. */
  reported: (id: string) => AnomalyEvent | undefined;
  log: { error(message: string, fields: Record<string, unknown>): unknown };
}

export async function openMutes({ directory, detector, now, reported, log }: MutesOptions) {
  const folder = join(directory, detector, 'mutes');
  const pathOf = (id: string): string => join(folder, `${id}.json`);
  let mutes: readonly Mute[] = [];
  let failure = '';

  /** Reads the changes by other processes. A damaged file is skipped. */
  async function refresh(): Promise<void> {
    const problems: string[] = [];
    try {
      const names = ((await unlessMissing(readdir(folder))) ?? []).filter((name) => isMuteFile.test(name));
      const known = new Map(mutes.map((mute) => [mute.id, mute]));
      const found: Mute[] = [];
      for (const name of names) {
        const id = name.slice(0, -'.json'.length);
        try {
          const mute = known.get(id) ?? (await read(id));
          if (mute !== undefined) found.push(mute);
        } catch (error) {
          problems.push(`${pathOf(id)}: ${messageOf(error)}`);
        }
      }
      mutes = found.sort((a, b) => (a.id < b.id ? -1 : 1));
    } catch (error) {
      problems.push(messageOf(error));
    }
    const text = problems.sort().join('; ');
    if (text !== '' && text !== failure)
      log.error('mutes are unreadable: they are not in force', { reason: text });
    failure = text;
  }

  /** Undefined if another process has removed it. */
  async function read(id: string): Promise<Mute | undefined> {
    const text = await unlessMissing(readFile(pathOf(id), 'utf8'));
    if (text === undefined) return undefined;
    const mute = { ...(JSON.parse(text) as Mute), id };
    // Fails now for a mute whose windows cannot be computed; otherwise each event would fail.
    isInForce(mute, now());
    return mute;
  }

  await refresh();
  return {
    refresh,
    list: (): readonly Mute[] => mutes,
    /** @throws Error if the mute cannot be saved; it is then not in force */
    async add(mute: Omit<Mute, 'id'>): Promise<Mute> {
      const added = { id: newId(), ...mute };
      await mkdir(folder, { recursive: true, mode: privateFolder });
      await writeAtomically(pathOf(added.id), `${JSON.stringify(added, null, 2)}\n`);
      await refresh();
      const expired = mutes.filter(({ until }) => until !== null && until <= now() - keptMs);
      for (const { id } of expired) await rm(pathOf(id), { force: true });
      mutes = mutes.filter((one) => !expired.includes(one));
      return added;
    },
    /** Returns whether the mute existed. */
    async remove(id: string): Promise<boolean> {
      await refresh();
      if (!mutes.some((mute) => mute.id === id)) return false;
      await rm(pathOf(id), { force: true });
      mutes = mutes.filter((mute) => mute.id !== id);
      return true;
    },
    /** Marks the events that are muted. An event keeps the mark from its opening, so that every alarm is also resolved. */
    mark(events: readonly AnomalyEvent[]): readonly AnomalyEvent[] {
      if (events.length === 0) return events;
      return events.map((event) => {
        const known = reported(event.id);
        // A recording that is replayed again yields the same event.
        const isNew = known === undefined || (event.status === 'open' && known.status !== 'open');
        const muted = isNew ? mutes.length > 0 && isMuted(mutes, event, now()) : known.muted === true;
        return muted ? { ...event, muted } : event;
      });
    },
  };
}

let newest = 0;

/** Ids sort by their time of creation (UUID version 7, RFC 9562, section 5.7). */
function newId(): string {
  newest = Math.max(Date.now(), newest + 1);
  const time = newest.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

const isMuteFile = /^[0-9a-f-]{36}\.json$/;
