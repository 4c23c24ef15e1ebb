/**
 * One message for the silent devices of several processes. Each process reads the events of the others through the store.
 * Before it reports events, it claims them for each sink:
 *
 *     <store>/<detector>/notified/<sink>/<number>.json     the process that reports these events, now and at their end
 *
 * Only one process can create the file with a number, and it has read all earlier ones, so an event is in one message only.
 * Numbers ascend, and the newest file is never removed. The events of a process that has ended are claimed again. No decision
 * depends on a clock.
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
  /** Whether another process runs. */
  isAlive(name: string): boolean;
  /** Reads the state of the other processes. Never rejects. */
  refresh(): Promise<void>;
  /** Publishes the events reported by this process to the others at once. Never rejects. */
  share(): Promise<void>;
  /** Unmuted events of silent devices, of all processes. */
  silences(): readonly AnomalyEvent[];
  /** The newest report of an event, by any process. */
  reported(id: string): AnomalyEvent | undefined;
}

/** Events that this process reports. */
export interface Claim {
  /** Number of the claim's file; undefined if the store has failed. */
  number: number | undefined;
  /** Id of the message of a process that has ended, which this claim repeats. */
  as: string | undefined;
  events: readonly AnomalyEvent[];
}

export interface Claims {
  /**
   * Claims events together with those of other processes that belong to them. Never rejects: if the store fails, an event is
   * reported twice rather than never.
   * @returns undefined if other processes report all of them
   */
  claim(own: readonly AnomalyEvent[]): Promise<Claim | undefined>;
  /** Ends a claim. @returns whether it still belonged to this process. Never rejects */
  release(claim: Claim): Promise<boolean>;
  reported: Fleet['reported'];
  share(): void;
}

/** Claims of a process that shares its store with no other one. */
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
  /**
   * Numbers of the claims of this run. Those of an earlier run with the same name count as claims of a process that has ended.
   */
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
      // A message of a process that has ended is repeated unchanged.
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
        log.warn(
          'silent devices cannot be reported together with other processes: each process sends its own message',
          {
            err,
          },
        );
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

/**
 * Adds to `events` the `inherited` events and those of `free` that belong to any event of the list, directly or through others.
 */
export function addTogether(
  events: AnomalyEvent[],
  free: readonly AnomalyEvent[],
  inherited: ReadonlySet<string>,
): void {
  const left = new Map(free.map((one) => [one.id, one]));
  // The list grows during the loop.
  for (const event of events) {
    left.delete(event.id);
    for (const one of left.values())
      if (inherited.has(one.id) || areTogether(event, one)) {
        left.delete(one.id);
        events.push(one);
      }
  }
}

/** Whether each event began before the other one opened. This needs no time scale, and is the same after a restart. */
export function areTogether(one: AnomalyEvent, other: AnomalyEvent): boolean {
  return one.start <= other.openedAt && other.start <= one.openedAt;
}

/** The event that began first, among the open ones if there are any. */
export function firstOf(events: readonly AnomalyEvent[]): AnomalyEvent {
  const open = events.filter(({ status }) => status === 'open');
  return (open.length > 0 ? open : events).reduce((a, b) =>
    b.start < a.start || (b.start === a.start && b.id < a.id) ? b : a,
  );
}
