/**
 * One message for the devices of a gateway. Devices of one partition that fall silent together are one event, but those of
 * several partitions are one event per partition. So events of silent devices wait a short time for others, like alerts in
 * Alertmanager (`group_wait`). Those that belong together are sent as one event, and once more when all of them are over. If
 * there are several processes, one of them sends it (claims.ts).
 */
import type { AnomalyEvent } from '../../domain/anomaly-event';
import { areTogether, firstOf, type Claim, type Claims } from './claims';
import { createBell, type Timing } from './timing';

/**
 * Time for which the event of silent devices waits for others, ms. Also the interval of checks on events whose message another
 * process sends.
 */
export const groupWaitMs = 30_000;
/** Maximum number of events that are not known to be over; the oldest are dropped first. */
const maxKnown = 10_000;

interface Group {
  /** The newest report of each event, by id. */
  members: Map<string, AnomalyEvent>;
  /** Rung when a member changes. */
  bell: ReturnType<typeof createBell>;
}

export interface GroupsOptions {
  notify: (event: AnomalyEvent) => void;
  claims: Claims;
  timing: Timing;
}

export function createGroups({ notify, claims, timing }: GroupsOptions) {
  /** Groups for which this process has sent no message yet. */
  const waiting = new Set<Group>();
  const groupOf = new Map<string, Group>();
  const atWork = new Set<Promise<void>>();
  const stopping = new AbortController();

  function start(work: Promise<void>): void {
    atWork.add(work);
    void work.finally(() => atWork.delete(work));
  }

  function put(event: AnomalyEvent, group: Group): void {
    group.members.set(event.id, event);
    groupOf.set(event.id, group);
    if (groupOf.size <= maxKnown) return;
    const [oldest, its] = groupOf.entries().next().value!;
    groupOf.delete(oldest);
    its.members.delete(oldest);
    its.bell.ring();
  }

  function join(event: AnomalyEvent): void {
    const known = [...waiting].find(({ members }) =>
      [...members.values()].some((one) => areTogether(one, event)),
    );
    const group = known ?? { members: new Map<string, AnomalyEvent>(), bell: createBell(timing) };
    put(event, group);
    claims.share();
    if (known !== undefined) return;
    waiting.add(group);
    start(waitForTurn(group));
  }

  async function waitForTurn(group: Group): Promise<void> {
    const { members } = group;
    while (waiting.has(group)) {
      await timing.pause(groupWaitMs, stopping.signal);
      const claim = members.size === 0 ? undefined : await claims.claim([...members.values()]);
      if (claim !== undefined) {
        // Some events may have changed during the claim.
        const events = claim.events.map((event) => members.get(event.id) ?? event);
        for (const { id } of events) members.delete(id);
        send({ ...claim, events });
      }
      // Another process reports the remaining events and their end, as long as it runs.
      for (const { id, status } of [...members.values()])
        if (status !== 'open') {
          members.delete(id);
          groupOf.delete(id);
        }
      if (members.size === 0 || stopping.signal.aborted) waiting.delete(group);
    }
  }

  function send(claim: Claim): void {
    const group: Group = { members: new Map(), bell: createBell(timing) };
    for (const event of claim.events) put(event, group);
    const event = merge(group, claim.as);
    notify({ ...event, status: 'open' });
    start(waitForEnd(group, claim, event.id));
  }

  async function waitForEnd(group: Group, claim: Claim, sentAs: string): Promise<void> {
    const { members, bell } = group;
    const open = (): AnomalyEvent[] => [...members.values()].filter(({ status }) => status === 'open');
    while (open().length > 0) {
      if (stopping.signal.aborted) return;
      await bell.wait(groupWaitMs);
      // Events of other partitions, and of partitions that have moved here.
      for (const { id } of open()) {
        const reported = claims.reported(id);
        if (reported !== undefined && members.has(id)) members.set(id, reported);
      }
    }
    for (const id of members.keys()) groupOf.delete(id);
    if ((await claims.release(claim)) && members.size > 0) notify(merge(group, sentAs));
  }

  return {
    /** Call when an event opens or closes. */
    add(event: AnomalyEvent): void {
      const group = groupOf.get(event.id);
      if (group !== undefined) {
        group.members.set(event.id, event);
        group.bell.ring();
      } else if (event.kind === 'silent' && event.status === 'open') join(event);
      else notify(event);
    },
    /** Sends the groups that wait. */
    async close(): Promise<void> {
      stopping.abort();
      for (const { bell } of groupOf.values()) bell.ring();
      while (atWork.size > 0) await Promise.all(atWork);
    },
  };
}

/** Merges all members into one event. Its id is `sentAs` if a member has that id, otherwise the id of the first member. */
function merge({ members }: Group, sentAs: string | undefined): AnomalyEvent {
  const all = [...members.values()];
  const first = all.find(({ id }) => id === sentAs) ?? firstOf(all);
  if (all.length === 1) return first;
  const most = all.reduce((a, b) => (b.peakSurprise > a.peakSurprise ? b : a));
  const last = all.reduce((a, b) => (b.end > a.end ? b : a));
  const open = all.filter(({ status }) => status === 'open');
  const { closedBy } = last;
  return {
    ...first,
    ...(closedBy !== undefined && { closedBy }),
    // Devices that send again already are not part of the event that opens.
    keys: [...new Set((open.length > 0 ? open : all).flatMap(({ key, keys = [key] }) => keys))],
    end: last.end,
    openedAt: Math.min(...all.map(({ openedAt }) => openedAt)),
    peakSurprise: most.peakSurprise,
    peakAt: most.peakAt,
  };
}
