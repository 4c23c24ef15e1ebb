/**
 * One message for the silent devices of several processes. Each sees the events of the others through the store, and claims those that it
 * is about to report, for each sink:
 *
 *     <store>/<detector>/notified/<sink>/<number>.json     the process that reports these events, now and at their end
 *
 * Only one process can create the file with a number, and it has read all before it: so an event is in one message. Numbers
 * ascend, and the newest file is never removed. The events of a process that is gone are claimed again. No clock decides.
 */
import nodeFs, { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AnomalyEvent } from '../../domain/anomaly-event';
import type { Logger } from '../../logger';
import { createAtomically, privateFolder } from '../../system/atomic-write';
import { messageOf } from '../../system/error-text';
import { entriesOf, unlessMissing } from '../../system/file-system';
import { removeTemporaries } from '../../system/temporary-names';

/** The processes that score a detector and share its store. */
export interface Fleet {
  /** Folder of the detector in the store. */
  folder: string;
  /** Name of this process. */
  name: string;
  /** Whether another process is at work. */
  isAlive(name: string): boolean;
  /** Reads what the others have written. Never rejects. */
  refresh(): Promise<void>;
  /** Lets the others know at once what this process has reported. Never rejects. */
  share(): Promise<void>;
  /** Events of silent devices, of all processes, that are not muted. */
  silences(): readonly AnomalyEvent[];
  /** An event as it was reported last, by any process. */
  reported(id: string): AnomalyEvent | undefined;
}

/** Events that this process reports. */
export interface Claim {
  /** Undefined where the store has failed. */
  number: number | undefined;
  /** Id of the message of a process that is gone, which it repeats. */
  as: string | undefined;
  events: readonly AnomalyEvent[];
}

export interface Claims {
  /**
   * Claims events together with those of other processes that belong to them. Never rejects: where the store fails, an event is reported
   * twice rather than never.
   * @returns undefined if other processes report all of them
   */
  claim(own: readonly AnomalyEvent[]): Promise<Claim | undefined>;
  /** Ends a claim. @returns whether it was still this process's own. Never rejects */
  release(claim: Claim): Promise<boolean>;
  reported: Fleet['reported'];
  share(): void;
}

/** A process that shares its store with no other one. */
export const alone: Claims = {
  claim: (events) => Promise.resolve({ number: undefined, as: undefined, events }),
  release: () => Promise.resolve(true),
  reported: () => undefined,
  share: () => undefined,
};

/** Content of a file. */
interface Stored {
  process: string;
  /** Id of the message. */
  as: string;
  /** Ids of the events. */
  events: readonly string[];
}

export interface ClaimsOptions {
  sink: string;
  fleet: Fleet;
  passes: (event: AnomalyEvent) => boolean;
  log: Pick<Logger, 'warn'>;
}

export function createClaims({ sink, fleet, passes, log }: ClaimsOptions): Claims {
  const folder = join(fleet.folder, 'notified', sink);
  /** Numbers of this life of the process; those of an earlier one count as another process's that is gone. */
  const ours = new Set<number>();
  const over = new Set<number>();
  /** By number: a file never changes. */
  let known = new Map<number, Stored>();
  let prepared = false;
  let failure = '';

  /** By number, ascending. */
  async function read(): Promise<[number, Stored][]> {
    if (!prepared) {
      await nodeFs.mkdir(folder, { recursive: true, mode: privateFolder });
      await removeTemporaries(nodeFs, folder, Date.now());
      prepared = true;
    }
    const numbers = (await entriesOf(nodeFs, folder))
      .flatMap(({ name }) => /^(\d+)\.json$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
    const found = new Map<number, Stored>();
    for (const number of numbers) {
      const stored = known.get(number) ?? (await readOne(number));
      if (stored !== undefined) found.set(number, stored);
    }
    known = found;
    return [...found];
  }

  const pathOf = (number: number): string => join(folder, `${number}.json`);

  /** Undefined if it has been removed. One that is damaged claims nothing. */
  async function readOne(number: number): Promise<Stored | undefined> {
    const text = await unlessMissing(readFile(pathOf(number), 'utf8'));
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as Stored;
    } catch {
      return { process: '', as: '', events: [] };
    }
  }

  const isHeld = (number: number, { process }: Stored): boolean =>
    ours.has(number) || (process !== fleet.name && fleet.isAlive(process));

  async function tidy(stored: readonly [number, Stored][]): Promise<void> {
    for (const [number, one] of stored)
      if (over.delete(number) || !isHeld(number, one)) await rm(pathOf(number), { force: true });
  }

  async function claim(own: readonly AnomalyEvent[]): Promise<Claim | undefined> {
    await fleet.refresh();
    for (;;) {
      const stored = await read();
      const held = new Set(
        stored.filter(([number, one]) => isHeld(number, one)).flatMap(([, one]) => one.events),
      );
      const events = own.filter(({ id }) => !held.has(id));
      if (events.length === 0) return undefined;
      // A message of a process that is gone is repeated as it was.
      const abandoned = stored
        .filter(([number, one]) => !isHeld(number, one))
        .filter(([, one]) => one.events.some((id) => events.some((event) => event.id === id)));
      const inherited = new Set(abandoned.flatMap(([, one]) => one.events));
      const free = new Map(
        fleet
          .silences()
          .filter((one) => !held.has(one.id) && passes(one))
          .map((one) => [one.id, one]),
      );
      // Grows while it is read: what belongs to one that belongs to them.
      for (const event of events) {
        free.delete(event.id);
        for (const one of free.values())
          if (inherited.has(one.id) || areTogether(event, one)) {
            free.delete(one.id);
            events.push(one);
          }
      }
      const number = (stored.at(-1)?.[0] ?? 0) + 1;
      const as = abandoned.at(-1)?.[1].as;
      const content: Stored = {
        process: fleet.name,
        as: as ?? firstOf(events).id,
        events: events.map(({ id }) => id),
      };
      if (!(await createAtomically(pathOf(number), JSON.stringify(content)))) continue;
      ours.add(number);
      await tidy(stored).catch(() => undefined);
      return { number, as, events };
    }
  }

  async function release({ number, events }: Claim): Promise<boolean> {
    if (number === undefined) return true;
    ours.delete(number);
    over.add(number);
    const stored = await read();
    const ids = new Set(events.map(({ id }) => id));
    const newest = stored.at(-1)?.[0] ?? 0;
    if (number < newest && over.delete(number)) await rm(pathOf(number), { force: true });
    return !stored.some(([other, one]) => other > number && one.events.some((id) => ids.has(id)));
  }

  async function orElse<T>(work: Promise<T>, otherwise: T): Promise<T> {
    try {
      const result = await work;
      failure = '';
      return result;
    } catch (err) {
      const text = messageOf(err);
      if (text !== failure)
        log.warn('silent devices cannot be reported together with other processes: each sends a message', {
          err,
        });
      failure = text;
      return otherwise;
    }
  }

  return {
    claim: (own) => orElse(claim(own), { number: undefined, as: undefined, events: own }),
    release: (claimed) => orElse(release(claimed), true),
    reported: (id) => fleet.reported(id),
    share: () => void fleet.share(),
  };
}

/** Each began before the other one opened: this needs no time scale, and is the same after a restart. */
export function areTogether(one: AnomalyEvent, other: AnomalyEvent): boolean {
  return one.start <= other.openedAt && other.start <= one.openedAt;
}

/** The event that began first, of those that are open if there are any. */
export function firstOf(events: readonly AnomalyEvent[]): AnomalyEvent {
  const open = events.filter(({ status }) => status === 'open');
  return (open.length > 0 ? open : events).reduce((a, b) =>
    b.start < a.start || (b.start === a.start && b.id < a.id) ? b : a,
  );
}
