/**
 * One message for the silent devices of several processes. Each sees the events of the others through the store, and claims those that it
 * is about to report, for each sink:
 *
 *     <store>/<detector>/notified/<sink>/<number>.json     the process that reports these events, now and at their end
 *
 * Only one process can create the file with a number, and it has read all before it: so an event is in one message. Numbers
 * ascend, and the newest file is never removed. The events of a process that is gone are claimed again. No clock decides.
 */
import { join } from 'node:path';
import type { AnomalyEvent } from '../../domain/anomaly-event';
import type { Logger } from '../../logger';
import { messageOf } from '../../system/error-text';
import { createClaimFiles, type ClaimEntry, type StoredClaim } from './claim-files';

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

export interface ClaimsOptions {
  sink: string;
  fleet: Fleet;
  passes: (event: AnomalyEvent) => boolean;
  log: Pick<Logger, 'warn'>;
}

export function createClaims({ sink, fleet, passes, log }: ClaimsOptions): Claims {
  const files = createClaimFiles(join(fleet.folder, 'notified', sink));
  /** Numbers of this life of the process; those of an earlier one count as another process's that is gone. */
  const ours = new Set<number>();
  const over = new Set<number>();
  let failure = '';

  const isHeld = (number: number, { process }: StoredClaim): boolean =>
    ours.has(number) || (process !== fleet.name && fleet.isAlive(process));

  async function tidy(stored: readonly ClaimEntry[]): Promise<void> {
    for (const [number, one] of stored)
      if (over.delete(number) || !isHeld(number, one)) await files.remove(number);
  }

  async function claim(own: readonly AnomalyEvent[]): Promise<Claim | undefined> {
    await fleet.refresh();
    for (;;) {
      const stored = await files.read();
      const held = idsOf(stored.filter((entry) => isHeld(...entry)));
      const events = own.filter(({ id }) => !held.has(id));
      if (events.length === 0) return undefined;
      // A message of a process that is gone is repeated as it was.
      const abandoned = stored
        .filter((entry) => !isHeld(...entry))
        .filter(([, one]) => one.events.some((id) => events.some((event) => event.id === id)));
      const free = fleet.silences().filter((one) => !held.has(one.id) && passes(one));
      addTogether(events, free, idsOf(abandoned));
      const number = (stored.at(-1)?.[0] ?? 0) + 1;
      const as = abandoned.at(-1)?.[1].as;
      const content: StoredClaim = {
        process: fleet.name,
        as: as ?? firstOf(events).id,
        events: events.map(({ id }) => id),
      };
      if (!(await files.add(number, content))) continue;
      ours.add(number);
      await tidy(stored).catch(() => undefined);
      return { number, as, events };
    }
  }

  async function release({ number, events }: Claim): Promise<boolean> {
    if (number === undefined) return true;
    ours.delete(number);
    over.add(number);
    const stored = await files.read();
    const ids = new Set(events.map(({ id }) => id));
    const newest = stored.at(-1)?.[0] ?? 0;
    if (number < newest && over.delete(number)) await files.remove(number);
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

function idsOf(entries: readonly ClaimEntry[]): Set<string> {
  return new Set(entries.flatMap(([, one]) => one.events));
}

/** Adds to `events` those of `free` that belong to one of them, or to one that belongs to them, and the `inherited` ones. */
export function addTogether(
  events: AnomalyEvent[],
  free: readonly AnomalyEvent[],
  inherited: ReadonlySet<string>,
): void {
  const left = new Map(free.map((one) => [one.id, one]));
  // Grows while it is read.
  for (const event of events) {
    left.delete(event.id);
    for (const one of left.values())
      if (inherited.has(one.id) || areTogether(event, one)) {
        left.delete(one.id);
        events.push(one);
      }
  }
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
