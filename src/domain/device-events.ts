/**
 * Turns the anomalous records of a device into its event, which opens, closes or is accepted, or which belongs to an event of
 * several devices.
 */
import type { AnomalyEvent, EventEnding } from './anomaly-event';
import type { Detection } from './detection';
import type { EventBudget, PartitionClock } from './event-budget';
import type { EventBar, EventPolicy } from './event-policy';
import type { FrozenDevices } from './frozen-devices';
import { aboveBar, isEvent, isSteady, snapshotOf, type Gathering } from './gathering';
import type { PastEvents } from './past-events';
import { advance, beginSuspicion, type RecordFacts, type Suspicion } from './suspicion';
import type { Suppressed, Suspicions } from './suspicions';

/** Devices whose newest anomalous records are a new normal, and the event time of the last one, Unix ms. */
export type AcceptedDevices = readonly { key: string; records: number; at: number }[];

const none: readonly AnomalyEvent[] = [];

export interface EventParts {
  clock: PartitionClock;
  budget: EventBudget;
  past: PastEvents;
  suspicions: Suspicions;
  suppressed: Suppressed;
  frozen: FrozenDevices;
  /** Interval between records of a device, ms; undefined if it is not known. */
  intervalOf: (key: string) => number | undefined;
}

export function createDeviceEvents(
  policy: EventPolicy,
  { clock, budget, past, suspicions, suppressed, frozen, intervalOf }: EventParts,
) {
  /** Gatherings by their open event: the most surprising events are found without a search through all suspicions. */
  const open = new Map<AnomalyEvent, Gathering>();
  for (const gathering of suspicions.own()) if (gathering.opened) open.set(gathering.event, gathering);

  /** Drops the suspicion of a key; returns its event, closed, if one was open. */
  function end(
    key: string,
    suspicion: Suspicion,
    closedBy: EventEnding,
    at: number,
  ): readonly AnomalyEvent[] {
    suspicions.delete(key);
    const { gathering } = suspicion;
    if (gathering === undefined || !isEvent(gathering)) return none;
    const isOpen = gathering.isPart === true ? frozen.isOpen(key) : gathering.opened;
    if (isOpen && policy.suppressForMs > 0) suppressed.set(key, at + policy.suppressForMs);
    return close(gathering, closedBy);
  }

  function close(gathering: Gathering, closedBy: EventEnding): readonly AnomalyEvent[] {
    const { event, mark = [], opened } = gathering;
    past.note(event, closedBy === 'accepted' ? { modelVersion: event.modelVersion, mark } : undefined);
    if (gathering.isPart === true) return past.noteGroups(frozen.leave(snapshotOf(gathering), closedBy));
    open.delete(event);
    return [{ ...snapshotOf(gathering), ...(opened && { status: 'closed' }), closedBy }];
  }

  function accept(suspicion: Suspicion, gathering: Gathering): readonly AnomalyEvent[] {
    suspicion.accepted = gathering.event.peakSurprise;
    suspicion.gathering = undefined;
    return close(gathering, 'accepted');
  }

  /** Ends the events of devices that have sent no record for too long. */
  function endSilent(): readonly AnomalyEvent[] {
    const silent = suspicions.silent(clock.now);
    const closed =
      silent.length === 0
        ? none
        : silent.flatMap(([key, one]) => end(key, one, 'silence', one.newest + policy.silenceMs));
    suppressed.expire(clock.now);
    return closed;
  }

  function follow(
    heard: RecordFacts,
    detection: Detection | undefined,
    bar: EventBar,
    mark: () => readonly number[],
  ): readonly AnomalyEvent[] {
    const { key, timestamp } = heard;
    if (suppressed.covers(heard, detection !== undefined)) return none;
    const suspicion = suspicions.get(key) ?? (detection && beginSuspicion(timestamp, clock.now));
    if (suspicion === undefined) return none;
    suspicions.putLast(key, suspicion);
    const step = advance(suspicion, heard, detection, clock.now, mark, policy);
    if (step === 'waiting') return none;
    if (step !== 'gathered') return end(key, suspicion, step, timestamp);
    const gathering = suspicion.gathering!;
    const opened = gathering.opened ? none : tryOpen(gathering, timestamp, bar);
    return isSteady(gathering, policy.acceptAfter) ? [...opened, ...accept(suspicion, gathering)] : opened;
  }

  function tryOpen(gathering: Gathering, timestamp: number, bar: EventBar): readonly AnomalyEvent[] {
    const { event, margin } = gathering;
    const above = aboveBar(gathering, bar, policy);
    if (above < 0) return none;
    if (isPartOfOthers(gathering)) return frozen.tryOpen(event.key, above, timestamp, clock.now);
    if (!gathering.heldBack) event.openedAt = timestamp;
    // An event with a violated limit opens whatever the budget is.
    gathering.heldBack = margin < Infinity && !budget.admit(event, above);
    if (gathering.heldBack) return none;
    gathering.opened = true;
    event.openedAt = timestamp;
    open.set(event, gathering);
    return [snapshotOf(gathering)];
  }

  /** Whether the device is one of several that may have frozen together. */
  function isPartOfOthers(gathering: Gathering): boolean {
    const { event, margin, heldBack, frozenRecords } = gathering;
    if (gathering.isPart === true) return true;
    if (!clock.shared || heldBack || margin === Infinity || frozenRecords !== event.anomalousRecords)
      return false;
    const interval = intervalOf(event.key);
    if (interval === undefined) return false;
    frozen.join(event, interval, clock.now);
    return (gathering.isPart = true);
  }

  return {
    /**
     * Call for each record, in order within a key, after the clock has advanced.
     * @param detection of the record, if it is anomalous
     * @returns the events that open or close, also those of keys that have fallen silent
     */
    observe(
      heard: RecordFacts,
      detection: Detection | undefined,
      bar: EventBar,
      mark: () => readonly number[],
    ): readonly AnomalyEvent[] {
      const silent = endSilent();
      const own = follow(heard, detection, bar, mark);
      return silent.length === 0 ? own : [...silent, ...own];
    },
    /** As `observe`, for a normal record of a key that has neither a suspicion nor a suppressed event. */
    endSilent,
    /** Accepts the event of a device if one of `channels` leads it. */
    settle(key: string, channels: readonly string[]): readonly AnomalyEvent[] {
      const suspicion = suspicions.get(key);
      const gathering = suspicion?.gathering;
      if (gathering === undefined || !isEvent(gathering) || gathering.margin === Infinity) return none;
      const [lead] = gathering.channels.contributions();
      return lead !== undefined && channels.includes(lead.channel) ? accept(suspicion!, gathering) : none;
    },
    /** Accepts an event, which may be that of several devices. */
    accept(id: string): { events: readonly AnomalyEvent[]; accepted: AcceptedDevices } {
      const members = frozen.members(id);
      const events: AnomalyEvent[] = [];
      const accepted = [...suspicions].flatMap(([key, suspicion]) => {
        const { gathering } = suspicion;
        if (gathering === undefined || !isEvent(gathering)) return [];
        const { event } = gathering;
        if (event.id !== id && !members.includes(key)) return [];
        events.push(...accept(suspicion, gathering));
        return [{ key, records: event.anomalousRecords, at: event.end }];
      });
      return { events, accepted };
    },
    /** Ends all events at the end of the input. */
    closeAll(): AnomalyEvent[] {
      const closed = [...suspicions].flatMap(([key, suspicion]) =>
        end(key, suspicion, 'end', suspicion.newest),
      );
      suppressed.clear();
      return closed;
    },
    /** The open events of single devices, which later records change. */
    open: open as ReadonlyMap<AnomalyEvent, Gathering>,
  };
}
