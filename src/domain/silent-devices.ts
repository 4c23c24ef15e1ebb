/** Events of devices that stop sending while others of their partition continue. */
import type { AnomalyEvent, EventEnding } from './anomaly-event';
import type { DeviceLinks } from './recency';
import { createRollCall, type Device, type RollCallSnapshot } from './roll-call';

/** Devices that were forgotten, as they were. */
export type ForgottenDevices = readonly (readonly [key: string, device: Device])[];

/** How silences are assessed, by the model version in use. */
export interface SilenceRules {
  detector: string;
  modelVersion: string;
  /** Surprise from which a device is silent. */
  threshold: number;
  /** Shortest silence with this surprise, in intervals of the device. */
  shortest: number;
  /** Surprise of a silence of this many intervals. */
  surpriseAt(length: number): number;
}

/** Devices that fell silent, or froze, within this many of their intervals are one event. */
export const togetherWithin = 3;

/** Silent devices that are one event. */
interface Group {
  event: AnomalyEvent;
  /** Interval of its first device, ms. */
  interval: number;
  /** The event opens at the first roll call from this time on: by then all devices of a failed gateway are silent. */
  opensFrom: number;
  opened: boolean;
  heldBack: boolean;
  /** All of its devices, in the order in which they fell silent; `keys` of the event where it is reported. */
  keys: Set<string>;
  /** Those that are still silent. */
  silent: Set<string>;
  /** Its devices whose silence was accepted. */
  forgotten: [key: string, device: Device][];
}

export interface SilentDevicesSnapshot {
  rollCall: RollCallSnapshot;
  groups: readonly (Omit<Group, 'keys' | 'silent' | 'forgotten'> & {
    silent: readonly string[];
    /** Absent in the state of older versions. */
    forgotten?: ForgottenDevices;
  })[];
  version: string;
  nextReview: number;
}

export interface SilencePolicy {
  maxDevices: number;
  /** A device that is silent for this many of its intervals is forgotten, and its event closes; 0 = never. */
  acceptAfter: number;
}

const none: readonly AnomalyEvent[] = [];

/**
 * @param admit charges the alarm budget for an event with this margin, in decades; false = it is spent
 * @param onAccepted receives each event whose devices were forgotten
 */
export function createSilentDevices(
  { maxDevices, acceptAfter }: SilencePolicy,
  admit: (event: AnomalyEvent, margin: number) => boolean,
  onAccepted: (event: AnomalyEvent, forgotten: ForgottenDevices) => void,
  beginning?: SilentDevicesSnapshot,
) {
  const rollCall = createRollCall(maxDevices, beginning?.rollCall);
  let groups: Group[] = (beginning?.groups ?? []).map((one) => ({
    ...one,
    event: { ...one.event },
    keys: new Set(one.event.keys),
    silent: new Set(one.silent),
    forgotten: (one.forgotten ?? []).map(([key, device]) => [key, device]),
  }));
  let version = beginning?.version ?? '';
  /** Time of the roll call before which no device can fall silent, and no event open. */
  let nextReview = beginning?.nextReview ?? Infinity;

  const groupOf = new Map(groups.flatMap((group) => [...group.silent].map((key) => [key, group] as const)));

  function snapshot({ event, keys, heldBack }: Group): AnomalyEvent {
    return { ...event, status: heldBack ? 'held_back' : 'open', keys: [...keys] };
  }

  function over(group: Group, closedBy: EventEnding, end: number): AnomalyEvent[] {
    group.event.end = end;
    groups = groups.filter((one) => one !== group);
    const { opened, heldBack, forgotten } = group;
    if ((opened || heldBack) && forgotten.length > 0) onAccepted(snapshot(group), forgotten);
    if (opened) return [{ ...snapshot(group), status: 'closed', closedBy }];
    return heldBack ? [{ ...snapshot(group), closedBy }] : [];
  }

  /** The device is no longer silent, or no longer expected. */
  function leave(key: string, closedBy: EventEnding, end: number): readonly AnomalyEvent[] {
    // The usual case: this runs for every record.
    if (groupOf.size === 0) return none;
    const group = groupOf.get(key);
    if (group === undefined) return none;
    groupOf.delete(key);
    group.silent.delete(key);
    return group.silent.size === 0 ? over(group, closedBy, end) : none;
  }

  function forget(key: string): void {
    const device = rollCall.forget(key);
    if (device !== undefined) groupOf.get(key)?.forgotten.push([key, device]);
  }

  function raise({ event }: Group, surprise: number, timestamp: number): void {
    if (surprise <= event.peakSurprise) return;
    event.peakSurprise = surprise;
    event.peakAt = timestamp;
  }

  function join(key: string, device: Device, rules: SilenceRules): Group {
    const { time, interval } = device;
    let group = groups.find(({ event }) => Math.abs(event.start - time) <= togetherWithin * interval);
    if (group === undefined) {
      group = {
        event: newEvent(key, time, rules),
        interval,
        opensFrom: rollCall.now + interval,
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
  }

  function tryOpen(group: Group, timestamp: number, { threshold }: SilenceRules): AnomalyEvent[] {
    const { event } = group;
    if (group.opened || rollCall.now < group.opensFrom) return [];
    if (!group.heldBack) event.openedAt = timestamp;
    group.heldBack = !admit(event, event.peakSurprise - threshold);
    if (group.heldBack) return [];
    group.opened = true;
    event.openedAt = timestamp;
    return [snapshot(group)];
  }

  /** Looks at all devices; costs time in proportion to them. */
  function review(timestamp: number, rules: SilenceRules): AnomalyEvent[] {
    const events: AnomalyEvent[] = [];
    nextReview = Infinity;
    for (const [key, device] of rollCall.known()) {
      const { heardAt, interval, missed } = device;
      const length = rollCall.silenceOf(device);
      let group = groupOf.get(key);
      if (group === undefined && length < rules.shortest) {
        nextReview = Math.min(nextReview, heardAt + rules.shortest * interval);
        continue;
      }
      const isAcceptable = acceptAfter > 0 && missed !== true;
      if (isAcceptable && length >= acceptAfter) {
        forget(key);
        continue;
      }
      group ??= join(key, device, rules);
      group.event.end = timestamp;
      raise(group, rules.surpriseAt(length), timestamp);
      if (isAcceptable) nextReview = Math.min(nextReview, heardAt + acceptAfter * interval);
    }
    for (const key of [...groupOf.keys()])
      if (rollCall.get(key) === undefined) events.push(...leave(key, 'accepted', timestamp));
    for (const group of groups) {
      events.push(...tryOpen(group, timestamp, rules));
      if (!group.opened) nextReview = Math.min(nextReview, rollCall.now + group.interval);
    }
    return events;
  }

  return {
    /**
     * Call for each record. Returns the events that it closes, as the device sends again, and those that open.
     * @param rules undefined = silences are not assessed
     * @param clock newest event time of the partition, Unix ms
     * @param links keeps the item of the device
     */
    hear(
      key: string,
      timestamp: number,
      clock: number,
      rules: SilenceRules | undefined,
      links?: DeviceLinks,
    ): readonly AnomalyEvent[] {
      const length = rollCall.hear(key, timestamp, links);
      const group = groupOf.size === 0 ? undefined : groupOf.get(key);
      if (group !== undefined && length !== undefined && rules !== undefined)
        raise(group, rules.surpriseAt(length), clock);
      const back = leave(key, 'resumed', clock);
      if (rules === undefined) return back;
      if (rules.modelVersion !== version) {
        version = rules.modelVersion;
        nextReview = -Infinity;
      }
      const device = rollCall.get(key);
      if (device !== undefined && rollCall.isKnown(device))
        nextReview = Math.min(nextReview, device.heardAt + rules.shortest * device.interval);
      if (rollCall.now < nextReview) return back;
      const found = review(clock, rules);
      return found.length === 0 ? back : [...back, ...found];
    },
    /** The events that are not over, as they are so far; those held back, too. */
    current: (): readonly AnomalyEvent[] =>
      groups.filter(({ opened, heldBack }) => opened || heldBack).map(snapshot),
    /** Forgets the devices of an event. Returns it, if there is one. */
    accept(id: string, clock: number): readonly AnomalyEvent[] {
      const group = groups.find(({ event }) => event.id === id);
      return [...(group?.silent ?? [])].flatMap((key) => {
        forget(key);
        return leave(key, 'accepted', clock);
      });
    },
    /** Devices that were forgotten are missed until they send again; their event opens again, and is not accepted by itself. */
    remember(forgotten: ForgottenDevices): void {
      for (const [key, device] of forgotten) rollCall.remember(key, device);
      nextReview = rollCall.now;
    },
    /** Ends all events at the end of the input. */
    closeAll(clock: number): AnomalyEvent[] {
      groupOf.clear();
      return groups.flatMap((group) => over(group, 'end', clock));
    },
    /** The open events, as they are so far. */
    openEvents: (): readonly AnomalyEvent[] => groups.filter(({ opened }) => opened).map(snapshot),
    /** Of a device, ms; undefined if it is not known. */
    intervalOf(key: string): number | undefined {
      const device = rollCall.get(key);
      return device !== undefined && rollCall.isKnown(device) ? device.interval : undefined;
    },
    /** Number of open events. */
    get open() {
      return groups.filter(({ opened }) => opened).length;
    },
    snapshot: (): SilentDevicesSnapshot => ({
      rollCall: rollCall.snapshot(),
      groups: groups.map(({ keys, ...one }) => ({
        ...one,
        event: { ...one.event, keys: [...keys] },
        silent: [...one.silent],
        forgotten: [...one.forgotten],
      })),
      version,
      nextReview,
    }),
  };
}

function newEvent(
  key: string,
  start: number,
  { detector, modelVersion, threshold }: SilenceRules,
): AnomalyEvent {
  return {
    id: `${detector}/${key}/${new Date(start).toISOString()}/silent`,
    detector,
    key,
    kind: 'silent',
    keys: [key],
    status: 'open',
    start,
    end: start,
    openedAt: start,
    anomalousRecords: 0,
    peakSurprise: 0,
    peakAt: start,
    threshold,
    contributions: [],
    limits: [],
    modelVersion,
  };
}
