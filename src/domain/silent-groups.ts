/** Devices that fell silent together are one event, which opens once and closes when none of them is silent any longer. */
import type { AnomalyEvent, EventEnding } from './anomaly-event';
import type { Device } from './roll-call';

/** Devices that were forgotten, in the state before that. */
export type ForgottenDevices = readonly (readonly [key: string, device: Device])[];

/** Devices that fell silent, or froze, within this many of their intervals are one event. */
export const togetherWithin = 3;

/** Silent devices that share an event. */
export interface Group {
  event: AnomalyEvent;
  /** Interval of its first device, ms. */
  interval: number;
  /** The event opens at the first roll call from this time on. By then all devices of a failed gateway are silent. */
  opensFrom: number;
  opened: boolean;
  heldBack: boolean;
  /** All devices of the group, in the order in which they fell silent; the event gets them as `keys` when it is reported. */
  keys: Set<string>;
  /** Devices that are still silent. */
  silent: Set<string>;
  /** Devices whose silence was accepted. */
  forgotten: [key: string, device: Device][];
}

export type GroupSnapshot = Omit<Group, 'keys' | 'silent' | 'forgotten'> & {
  silent: readonly string[];
  /** Absent in the state of older versions. */
  forgotten?: ForgottenDevices;
};

const none: readonly AnomalyEvent[] = [];

/**
 * @param admit charges the alarm budget for an event with this margin, in decades; false = it is spent
 * @param onAccepted receives each event whose devices were forgotten
 */
export function createSilentGroups(
  admit: (event: AnomalyEvent, margin: number) => boolean,
  onAccepted: (event: AnomalyEvent, forgotten: ForgottenDevices) => void,
  beginning: readonly GroupSnapshot[] = [],
) {
  let groups: Group[] = beginning.map((one) => ({
    ...one,
    event: { ...one.event },
    keys: new Set(one.event.keys),
    silent: new Set(one.silent),
    forgotten: (one.forgotten ?? []).map(([key, device]) => [key, device]),
  }));
  /** Group of each silent device. */
  const groupOf = new Map(groups.flatMap((group) => [...group.silent].map((key) => [key, group] as const)));

  function over(group: Group, closedBy: EventEnding, end: number): AnomalyEvent[] {
    group.event.end = end;
    groups = groups.filter((one) => one !== group);
    const { opened, heldBack, forgotten } = group;
    if ((opened || heldBack) && forgotten.length > 0) onAccepted(reported(group), forgotten);
    if (opened) return [{ ...reported(group), status: 'closed', closedBy }];
    return heldBack ? [{ ...reported(group), closedBy }] : [];
  }

  /** Removes a device that is no longer silent, or no longer expected. */
  function leave(key: string, closedBy: EventEnding, end: number): readonly AnomalyEvent[] {
    // Fast path for the usual case: this runs for every record.
    if (groupOf.size === 0) return none;
    const group = groupOf.get(key);
    if (group === undefined) return none;
    groupOf.delete(key);
    group.silent.delete(key);
    return group.silent.size === 0 ? over(group, closedBy, end) : none;
  }

  return {
    /** The group of a silent device. */
    of: (key: string): Group | undefined => (groupOf.size === 0 ? undefined : groupOf.get(key)),
    /** The silent devices. */
    silent: (): string[] => [...groupOf.keys()],
    /**
     * Begins an event for a silent device, or adds the device to an event of others that fell silent within a few of its
     * intervals.
     */
    join({ time, interval }: Device, event: AnomalyEvent, now: number): Group {
      const { key } = event;
      let group = groups.find((one) => Math.abs(one.event.start - time) <= togetherWithin * interval);
      if (group === undefined) {
        group = {
          event,
          interval,
          opensFrom: now + interval,
          opened: false,
          heldBack: false,
          keys: new Set(),
          silent: new Set(),
          forgotten: [],
        };
        groups.push(group);
      }
      group.keys.add(key);
      group.silent.add(key);
      groupOf.set(key, group);
      return group;
    },
    leave,
    /** Opens the event of a group, if its time has come. @param now time of the roll call */
    tryOpen(group: Group, timestamp: number, now: number, threshold: number): AnomalyEvent[] {
      const { event } = group;
      if (group.opened || now < group.opensFrom) return [];
      if (!group.heldBack) event.openedAt = timestamp;
      group.heldBack = !admit(event, event.peakSurprise - threshold);
      if (group.heldBack) return [];
      group.opened = true;
      event.openedAt = timestamp;
      return [reported(group)];
    },
    all: (): readonly Group[] => groups,
    /** Events that are not over, in their present state, those held back included. */
    current: (): readonly AnomalyEvent[] =>
      groups.filter(({ opened, heldBack }) => opened || heldBack).map(reported),
    /** The open events in their present state. */
    openEvents: (): readonly AnomalyEvent[] => groups.filter(({ opened }) => opened).map(reported),
    /** Ends all events at the end of the input. */
    closeAll(clock: number): AnomalyEvent[] {
      groupOf.clear();
      return groups.flatMap((group) => over(group, 'end', clock));
    },
    snapshot: (): GroupSnapshot[] =>
      groups.map(({ keys, ...one }) => ({
        ...one,
        event: { ...one.event, keys: [...keys] },
        silent: [...one.silent],
        forgotten: [...one.forgotten],
      })),
  };
}

/** A copy of the event, which later records do not change. */
function reported({ event, keys, heldBack }: Group): AnomalyEvent {
  return { ...event, status: heldBack ? 'held_back' : 'open', keys: [...keys] };
}

/** Raises the surprise of a group's event to that of a device's silence, if that is larger. */
export function raise({ event }: Group, surprise: number, timestamp: number): void {
  if (surprise <= event.peakSurprise) return;
  event.peakSurprise = surprise;
  event.peakAt = timestamp;
}
