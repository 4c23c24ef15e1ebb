/**
 * Devices that freeze together, such as those of one gateway: one event lists all of them and is charged once to the alarm
 * budget. Each device gathers its own anomalous records, and its event becomes a part of the joint one.
 */
import type { AnomalyEvent, EventEnding } from './anomaly-event';
import type { Detection } from './detection';
import { togetherWithin } from './silent-groups';

/** Whether every channel of a device repeats its value for longer than its history makes likely. */
export function isFrozen({ statistics, contributions }: Detection): boolean {
  return (
    (statistics['runs'] ?? 0) > 0 &&
    contributions.length > 0 &&
    contributions.every(({ actual, repeats }) => repeats > 0 || Number.isNaN(actual))
  );
}

interface Group {
  /** Id of the event of the first device; the joint event has its id and its start. */
  id: string;
  start: number;
  /** Keys of the devices, in the order in which they froze. */
  keys: string[];
  /** Devices whose own event is not over. */
  members: Set<string>;
  /** The events of single devices that are over, merged; undefined while there are none. */
  over: AnomalyEvent | undefined;
  /** Largest margin of a device, decades. */
  margin: number;
  /** Event time of the partition from which the event may open. Until then, the other devices of a gateway can join. */
  opensFrom: number;
  openedAt: number;
  opened: boolean;
  heldBack: boolean;
}

export interface FrozenDevicesSnapshot {
  groups: readonly (Omit<Group, 'members'> & { members: readonly string[] })[];
}

export type FrozenDevices = ReturnType<typeof createFrozenDevices>;

/**
 * @param eventOf the present state of a device's event that is not over
 * @param admit charges the alarm budget for an event with this margin, in decades; false = it is spent
 */
export function createFrozenDevices(
  eventOf: (key: string) => AnomalyEvent,
  admit: (event: AnomalyEvent, margin: number) => boolean,
  beginning?: FrozenDevicesSnapshot,
) {
  let groups: Group[] = (beginning?.groups ?? []).map((group) => ({
    ...group,
    keys: [...group.keys],
    members: new Set(group.members),
  }));

  const groupOf = (key: string): Group | undefined => groups.find(({ members }) => members.has(key));

  function snapshot(group: Group): AnomalyEvent {
    const { id, start, keys, over, openedAt, heldBack } = group;
    const events = [...(over === undefined ? [] : [over]), ...[...group.members].map(eventOf)];
    const first = events.find(({ key }) => key === keys[0])!;
    return {
      ...events.reduce(merged, first),
      id,
      start,
      openedAt,
      anomalousRecords: events.reduce((sum, { anomalousRecords }) => sum + anomalousRecords, 0),
      status: heldBack ? 'held_back' : 'open',
      ...(keys.length > 1 && { keys: [...keys] }),
    };
  }

  function open(group: Group): AnomalyEvent[] {
    const event = snapshot(group);
    group.heldBack = !admit(event, group.margin);
    if (group.heldBack) return [];
    group.opened = true;
    return [snapshot(group)];
  }

  return {
    /** Begins an event for the device, or adds the device to an event that began within a few of its intervals. */
    join({ id, key, start }: AnomalyEvent, interval: number, clock: number): void {
      const group = groups.find((one) => Math.abs(one.start - start) <= togetherWithin * interval);
      if (group === undefined)
        groups.push({
          id,
          start,
          keys: [key],
          members: new Set([key]),
          over: undefined,
          margin: -Infinity,
          opensFrom: clock + interval,
          openedAt: NaN,
          opened: false,
          heldBack: false,
        });
      else {
        group.members.add(key);
        if (!group.keys.includes(key)) group.keys.push(key);
        group.start = Math.min(group.start, start);
      }
    },
    /** Call when a device of a group has another anomalous record. Returns the event if it opens. */
    tryOpen(key: string, margin: number, timestamp: number, clock: number): AnomalyEvent[] {
      const group = groupOf(key)!;
      group.margin = Math.max(group.margin, margin);
      if (group.opened || clock < group.opensFrom) return [];
      if (!group.heldBack) group.openedAt = timestamp;
      const opened = open(group);
      if (opened.length === 0) return [];
      group.openedAt = timestamp;
      return [snapshot(group)];
    },
    /** Call when the event of a device is over. Returns the joint event if it is over, too. */
    leave(event: AnomalyEvent, closedBy: EventEnding): AnomalyEvent[] {
      const group = groupOf(event.key)!;
      group.members.delete(event.key);
      group.over = group.over === undefined ? event : joined(group.over, event, group.keys[0]!);
      if (group.members.size > 0) return [];
      groups = groups.filter((one) => one !== group);
      if (Number.isNaN(group.openedAt)) group.openedAt = event.end;
      // The group ends before the other devices of a gateway could have joined it.
      const opened = group.opened || group.heldBack ? [] : open(group);
      const closed = snapshot(group);
      return [...opened, { ...closed, ...(group.opened && { status: 'closed' }), closedBy }];
    },
    isOpen: (key: string): boolean => groupOf(key)?.opened === true,
    /** The devices of an event that are not over. */
    members: (id: string): readonly string[] => [...(groups.find((one) => one.id === id)?.members ?? [])],
    /** Events that are not over, in their present state, those held back included. */
    current: (): readonly AnomalyEvent[] =>
      groups.filter(({ opened, heldBack }) => opened || heldBack).map(snapshot),
    openEvents: (): readonly AnomalyEvent[] => groups.filter(({ opened }) => opened).map(snapshot),
    /** Number of open events. */
    get open() {
      return groups.filter(({ opened }) => opened).length;
    },
    snapshot: (): FrozenDevicesSnapshot => ({
      groups: groups.map((group) => ({ ...group, keys: [...group.keys], members: [...group.members] })),
    }),
  };
}

/** The first event, with the times and the peak of both. */
function merged(event: AnomalyEvent, other: AnomalyEvent): AnomalyEvent {
  const isHigher = other.peakSurprise > event.peakSurprise;
  return {
    ...event,
    start: Math.min(event.start, other.start),
    end: Math.max(event.end, other.end),
    ...(isHigher && { peakSurprise: other.peakSurprise, peakAt: other.peakAt }),
  };
}

/** Merges two events. The channels are those of the first device if it is one of the two. */
function joined(over: AnomalyEvent, event: AnomalyEvent, first: string): AnomalyEvent {
  const base = event.key === first ? event : over;
  return {
    ...merged(base, base === event ? over : event),
    anomalousRecords: over.anomalousRecords + event.anomalousRecords,
  };
}
