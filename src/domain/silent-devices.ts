/** Events of devices that stop sending while others of their partition continue. */
import type { AnomalyEvent } from './anomaly-event';
import type { DeviceLinks } from './recency';
import { createRollCall, type RollCallSnapshot } from './roll-call';
import { createSilentGroups, raise, type ForgottenDevices, type GroupSnapshot } from './silent-groups';

/** How silences are assessed, by the model version in use. */
export interface SilenceRules {
  detector: string;
  modelVersion: string;
  /** Surprise from which a device counts as silent. */
  threshold: number;
  /** Shortest silence that reaches the threshold, in intervals of the device. */
  shortest: number;
  /** Surprise of a silence of this many intervals. */
  surpriseAt(length: number): number;
}

export interface SilentDevicesSnapshot {
  rollCall: RollCallSnapshot;
  groups: readonly GroupSnapshot[];
  version: string;
  nextReview: number;
}

export interface SilencePolicy {
  maxDevices: number;
  /** A device that is silent for this many of its intervals is forgotten, and its event closes; 0 = never. */
  acceptAfter: number;
}

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
  const groups = createSilentGroups(admit, onAccepted, beginning?.groups);
  let version = beginning?.version ?? '';
  /** Time of the roll call before which no device can fall silent and no event can open. */
  let nextReview = beginning?.nextReview ?? Infinity;

  function forget(key: string): void {
    const device = rollCall.forget(key);
    if (device !== undefined) groups.of(key)?.forgotten.push([key, device]);
  }

  /** Checks all devices; takes time proportional to their number. */
  function review(timestamp: number, rules: SilenceRules): AnomalyEvent[] {
    const events: AnomalyEvent[] = [];
    nextReview = Infinity;
    for (const [key, device] of rollCall.known()) {
      const { heardAt, interval, missed } = device;
      const length = rollCall.silenceOf(device);
      let group = groups.of(key);
      if (group === undefined && length < rules.shortest) {
        nextReview = Math.min(nextReview, heardAt + rules.shortest * interval);
        continue;
      }
      const isAcceptable = acceptAfter > 0 && missed !== true;
      if (isAcceptable && length >= acceptAfter) {
        forget(key);
        continue;
      }
      group ??= groups.join(device, newEvent(key, device.time, rules), rollCall.now);
      group.event.end = timestamp;
      raise(group, rules.surpriseAt(length), timestamp);
      if (isAcceptable) nextReview = Math.min(nextReview, heardAt + acceptAfter * interval);
    }
    for (const key of groups.silent())
      if (rollCall.get(key) === undefined) events.push(...groups.leave(key, 'accepted', timestamp));
    for (const group of groups.all()) {
      events.push(...groups.tryOpen(group, timestamp, rollCall.now, rules.threshold));
      if (!group.opened) nextReview = Math.min(nextReview, rollCall.now + group.interval);
    }
    return events;
  }

  return {
    /**
     * Call for each record. Returns the events that open, and those that close because the device sends again.
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
      const group = groups.of(key);
      if (group !== undefined && length !== undefined && rules !== undefined)
        raise(group, rules.surpriseAt(length), clock);
      const back = groups.leave(key, 'resumed', clock);
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
    /** Events that are not over, in their present state, those held back included. */
    current: groups.current,
    /** Accepts an event and forgets its devices. Returns the event, if it exists. */
    accept(id: string, clock: number): readonly AnomalyEvent[] {
      const group = groups.all().find(({ event }) => event.id === id);
      return [...(group?.silent ?? [])].flatMap((key) => {
        forget(key);
        return groups.leave(key, 'accepted', clock);
      });
    },
    /** Undoes the acceptance of silent devices: their event opens again, and is not accepted automatically. */
    remember(forgotten: ForgottenDevices): void {
      for (const [key, device] of forgotten) rollCall.remember(key, device);
      nextReview = rollCall.now;
    },
    /** Ends all events at the end of the input. */
    closeAll: (clock: number): AnomalyEvent[] => groups.closeAll(clock),
    /** The open events in their present state. */
    openEvents: groups.openEvents,
    /** Interval between records of a device, ms; undefined if it is not known. */
    intervalOf(key: string): number | undefined {
      const device = rollCall.get(key);
      return device !== undefined && rollCall.isKnown(device) ? device.interval : undefined;
    },
    /** Number of open events. */
    get open() {
      return groups.all().filter(({ opened }) => opened).length;
    },
    snapshot: (): SilentDevicesSnapshot => ({
      rollCall: rollCall.snapshot(),
      groups: groups.snapshot(),
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
