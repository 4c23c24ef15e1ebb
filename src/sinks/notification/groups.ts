/**
 * One message for the devices of a gateway. Devices of one partition that fall silent together are one event; those of several
 * partitions are an event in each. Events of silent devices wait a short time for the others, as alerts do in Alertmanager
 * (`group_wait`), and those that belong together are sent as one event, and once more when all of them are over. Of several
 * processes one sends it (claims.ts).
 */
import type { AnomalyEvent } from '../../domain/anomaly-event';
import { areTogether, firstOf, type Claim, type Claims } from './claims';
import { createBell, type Timing } from './timing';

/** How long the event of silent devices waits for others, ms. Events whose message another process sends are looked at as often. */
export const groupWaitMs = 30_000;
/** Events that are not known to be over; the oldest of more are forgotten. */
const maxKnown = 10_000;

interface Group {
  /** By id, as they were reported last. */
  members: Map<string, AnomalyEvent>;
  /** Rung when one of them changes. */
  bell: ReturnType<typeof createBell>;
}

export interface GroupsOptions {
  notify: (event: AnomalyEvent) => void;
  claims: Claims;
  timing: Timing;
}

export function createGroups({ notify, claims, timing }: GroupsOptions) {
  /** Groups of which this process has sent no message. */
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
        // Some may have changed meanwhile.
        const events = claim.events.map((event) => members.get(event.id) ?? event);
        for (const { id } of events) members.delete(id);
        send({ ...claim, events });
      }
      // Another process reports the others, and of their end, as long as it is at work.
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
      // Those of other partitions, and of partitions that have moved.
      for (const { id } of open()) {
        const reported = claims.reported(id);
        if (reported !== undefined && members.has(id)) members.set(id, reported);
      }
    }
    for (const id of members.keys()) groupOf.delete(id);
    if ((await claims.release(claim)) && members.size > 0) notify(merge(group, sentAs));
  }

  return {
    /** An event opened, or closed. */
    add(event: AnomalyEvent): void {
      const group = groupOf.get(event.id);
      if (group !== undefined) {
        group.members.set(event.id, event);
        group.bell.ring();
      } else if (event.kind === 'silent' && event.status === 'open') join(event);
      else notify(event);
    },
    /** Sends those that wait. */
    async close(): Promise<void> {
      stopping.abort();
      for (const { bell } of groupOf.values()) bell.ring();
      while (atWork.size > 0) await Promise.all(atWork);
    },
  };
}

/** All members as one event, under the id `sentAs` if one has that, else under that of the first one. */
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
    // Devices that are back already are not part of the event that opens.
    keys: [...new Set((open.length > 0 ? open : all).flatMap(({ key, keys = [key] }) => keys))],
    end: last.end,
    openedAt: Math.min(...all.map(({ openedAt }) => openedAt)),
    peakSurprise: most.peakSurprise,
    peakAt: most.peakAt,
  };
}
