/**
 * One message for the devices of a gateway. Devices of one partition that fall silent together are one event; those of several
 * partitions are an event in each. Events of silent devices wait a short time for the others, as alerts do in Alertmanager
 * (`group_wait`), and those that belong together are sent as one event, and once more when all of them are over.
 */
import type { AnomalyEvent } from '../../domain/anomaly-event';
import type { Timing } from './timing';

/** How long the event of silent devices waits for others, ms. */
export const groupWaitMs = 30_000;
/** Events that were sent and are not known to be over; the oldest of more are forgotten. */
const maxKnown = 10_000;

interface Group {
  /** By id, as they were reported last. */
  members: Map<string, AnomalyEvent>;
  /** Id of the event that was sent for all of them; undefined while it waits. */
  sentAs: string | undefined;
}

export interface GroupsOptions {
  notify: (event: AnomalyEvent) => void;
  timing: Timing;
}

export function createGroups({ notify, timing }: GroupsOptions) {
  const waiting = new Set<Group>();
  const groupOf = new Map<string, Group>();
  const stopping = new AbortController();

  function join(event: AnomalyEvent): void {
    let group = [...waiting].find(({ members }) =>
      [...members.values()].some((one) => areTogether(one, event)),
    );
    if (group === undefined) {
      const added: Group = { members: new Map(), sentAs: undefined };
      group = added;
      waiting.add(added);
      void timing.pause(groupWaitMs, stopping.signal).then(() => send(added));
    }
    group.members.set(event.id, event);
    groupOf.set(event.id, group);
    if (groupOf.size > maxKnown) groupOf.delete(groupOf.keys().next().value!);
  }

  function send(group: Group): void {
    if (!waiting.delete(group)) return;
    const event = merge(group);
    group.sentAs = event.id;
    notify({ ...event, status: 'open' });
    endIfOver(group);
  }

  function endIfOver(group: Group): void {
    const members = [...group.members.values()];
    if (group.sentAs === undefined || members.some(({ status }) => status === 'open')) return;
    for (const { id } of members) groupOf.delete(id);
    notify(merge(group));
  }

  return {
    /** An event opened, or closed. */
    add(event: AnomalyEvent): void {
      const group = groupOf.get(event.id);
      if (group !== undefined) {
        group.members.set(event.id, event);
        endIfOver(group);
      } else if (event.kind === 'silent' && event.status === 'open') join(event);
      else notify(event);
    },
    /** Sends those that wait. */
    close(): void {
      stopping.abort();
      for (const group of waiting) send(group);
    },
  };
}

/** Each began before the other one opened: this needs no time scale, and is the same after a restart. */
function areTogether(one: AnomalyEvent, other: AnomalyEvent): boolean {
  return one.start <= other.openedAt && other.start <= one.openedAt;
}

/** All members as one event, under the id of the first one. */
function merge({ members, sentAs }: Group): AnomalyEvent {
  const all = [...members.values()].sort((a, b) => a.start - b.start || (a.id < b.id ? -1 : 1));
  const first = all.find(({ id }) => id === sentAs) ?? all[0]!;
  if (all.length === 1) return first;
  const most = all.reduce((a, b) => (b.peakSurprise > a.peakSurprise ? b : a));
  const last = all.reduce((a, b) => (b.end > a.end ? b : a));
  const { closedBy } = last;
  return {
    ...first,
    ...(closedBy !== undefined && { closedBy }),
    keys: [...new Set(all.flatMap(({ key, keys = [key] }) => keys))],
    end: last.end,
    openedAt: Math.min(...all.map(({ openedAt }) => openedAt)),
    peakSurprise: most.peakSurprise,
    peakAt: most.peakAt,
  };
}
