/** Merges the detections of a key into events. */
import { createAlarmBudget, type AlarmBudgetSnapshot } from './alarm-budget';
import { bySurprise, type AnomalyEvent, type EventEnding } from './anomaly-event';
import type { Detection } from './detection';
import { createEventChannels, type EventChannelsSnapshot } from './event-channels';
import { createLabelFinder, type EventLabel, type LabellableEvent } from './event-labels';
import { noBar, type EventBar, type EventPolicy } from './event-policy';
import { createFrozenDevices, type FrozenDevicesSnapshot } from './frozen-devices';
import { extend, isEvent, snapshotOf, spanOf, type Gathering } from './gathering';
import { highest } from './highest';
import { meaningOf, type Label } from './label';
import { lastingMargin, noExceedances } from './lasting-evidence';
import { createPastEvents, type PastEvent } from './past-events';
import type { DeviceLinks } from './recency';
import { createSilentDevices, type SilenceRules, type SilentDevicesSnapshot } from './silent-devices';
import {
  beginSuspicion,
  copySuspicion,
  gather,
  growth,
  hearRecord,
  isAccepted,
  type RecordFacts,
  type Suspicion,
} from './suspicion';

export type { AnomalyEvent, EventEnding } from './anomaly-event';
export type { EventLabel } from './event-labels';
export { noBar, type EventBar, type EventPolicy } from './event-policy';

/** Keys in the order of their last record. */
export interface EventsSnapshot {
  clock: number;
  suspicions: readonly (readonly [key: string, suspicion: Suspicion<EventChannelsSnapshot>])[];
  suppressed: readonly (readonly [key: string, until: number])[];
  /** The first key, and whether others have followed. */
  firstKey: string | undefined;
  shared: boolean;
  /** Absent where there is no budget. */
  budget?: AlarmBudgetSnapshot | undefined;
  /** Absent where no device is watched. */
  silent?: SilentDevicesSnapshot | undefined;
  /** Absent in the state of older versions. */
  past?: readonly PastEvent[];
  frozen?: FrozenDevicesSnapshot;
}

export interface LabelEffect {
  /** Events that are over by it. */
  events: readonly AnomalyEvent[];
  /** A device whose new normal since a time, Unix ms, is none: its baseline goes back to the mark. */
  undone?: { key: string; since: number; modelVersion: string; mark: readonly number[] };
  /** Devices whose newest anomalous records are a new normal, and the event time of the last one, Unix ms. */
  accepted?: readonly { key: string; records: number; at: number }[];
}

const none: readonly AnomalyEvent[] = [];

/** Keeps the events of all keys. */
export function createEventTracker(policy: EventPolicy, beginning?: EventsSnapshot) {
  /** In the order of their last record. */
  const suspicions = new Map<string, Suspicion>(
    beginning?.suspicions.map(([key, suspicion]) => [key, copySuspicion(suspicion, createEventChannels)]),
  );
  /** By key, the event time until which no event opens, Unix ms. */
  const suppressed = new Map<string, number>(beginning?.suppressed);
  /** The newest event time of any key. Silence is measured on it from the arrival of a record, as keys may lag. */
  let clock = beginning?.clock ?? -Infinity;
  /** No suspicion was heard before this event time of the detector, Unix ms. */
  let heardSince = -Infinity;
  /** By their event: the most surprising ones are found without a look at the others' suspicions. */
  const open = new Map<AnomalyEvent, Gathering>();
  for (const { gathering } of suspicions.values())
    if (gathering?.opened === true) open.set(gathering.event, gathering);
  let suppressedRecords = 0;
  const budget =
    policy.eventsPerMs === undefined ? undefined : createAlarmBudget(policy.eventsPerMs, beginning?.budget);
  const silent =
    policy.watchedDevices === undefined
      ? undefined
      : createSilentDevices(
          { maxDevices: policy.watchedDevices, acceptAfter: policy.acceptAfter },
          admitTogether,
          (event, forgotten) => {
            const newNormal = { modelVersion: event.modelVersion, mark: [], forgotten };
            past.add({ ...spanOf(event), id: event.id, newNormal });
          },
          beginning?.silent,
        );
  const frozen = createFrozenDevices(
    (key) => snapshotOf(suspicions.get(key)!.gathering!),
    admitTogether,
    beginning?.frozen,
  );
  const past = createPastEvents(costs, beginning?.past);
  let { firstKey, shared } = beginning ?? { firstKey: undefined, shared: false };
  const findLabels = createLabelFinder(costs);

  function costs(id: string): boolean {
    return budget?.costs(id, clock) === true;
  }

  function admitTogether({ id, key }: AnomalyEvent, margin: number): boolean {
    if (budget?.admits(key, margin, clock, shared) === false) return false;
    budget?.charge(id, key, clock);
    return true;
  }

  /** Takes note of a record's key and time. */
  function meet(key: string, timestamp: number): void {
    if (timestamp > clock) clock = timestamp;
    firstKey ??= key;
    if (key !== firstKey) shared = true;
  }

  /** Drops the state of a key; returns its event, closed, if one was open. */
  function end(key: string, suspicion: Suspicion, closedBy: EventEnding, at: number): AnomalyEvent[] {
    suspicions.delete(key);
    const { gathering } = suspicion;
    if (gathering === undefined || !isEvent(gathering)) return [];
    const isOpen = gathering.isPart === true ? frozen.isOpen(key) : gathering.opened;
    if (isOpen && policy.suppressForMs > 0) suppressed.set(key, at + policy.suppressForMs);
    return over(gathering, closedBy);
  }

  function over(gathering: Gathering, closedBy: EventEnding): AnomalyEvent[] {
    const { event, mark } = gathering;
    const newNormal = closedBy === 'accepted' && { modelVersion: event.modelVersion, mark: mark ?? [] };
    if (newNormal || costs(event.id))
      past.add({ ...spanOf(event), id: event.id, ...(newNormal && { newNormal }) });
    if (gathering.isPart === true) return [...noted(frozen.leave(snapshotOf(gathering), closedBy))];
    if (!gathering.opened) return [{ ...snapshotOf(gathering), closedBy }];
    open.delete(gathering.event);
    return [{ ...snapshotOf(gathering), status: 'closed', closedBy }];
  }

  function endSilent(): readonly AnomalyEvent[] {
    // This runs for every record.
    const closed = clock - heardSince <= policy.silenceMs ? none : endSilentSuspicions();
    if (suppressed.size > 0)
      for (const [key, until] of suppressed) {
        if (until >= clock) break;
        suppressed.delete(key);
      }
    return closed;
  }

  function endSilentSuspicions(): AnomalyEvent[] {
    const closed: AnomalyEvent[] = [];
    heardSince = clock;
    for (const [key, suspicion] of suspicions) {
      if (clock - suspicion.heardAt <= policy.silenceMs) {
        heardSince = suspicion.heardAt;
        break;
      }
      closed.push(...end(key, suspicion, 'silence', suspicion.newest + policy.silenceMs));
    }
    return closed;
  }

  function isSuppressed({ key, timestamp, anomalous }: RecordFacts): boolean {
    const until = suppressed.get(key);
    if (until === undefined) return false;
    if (timestamp > until) {
      suppressed.delete(key);
      return false;
    }
    if (anomalous) suppressedRecords++;
    return true;
  }

  /** @param detection of the record, if it is anomalous */
  function observeKey(
    heard: RecordFacts,
    detection: Detection | undefined,
    bar: EventBar,
    mark: () => readonly number[],
  ): readonly AnomalyEvent[] {
    if (isSuppressed(heard)) return none;
    const quietBefore = suspicions.get(heard.key)?.quietRecords ?? 0;
    const suspicion = suspicions.get(heard.key) ?? (detection && beginSuspicion(heard.timestamp, clock));
    if (suspicion === undefined) return none;
    suspicions.delete(heard.key);
    suspicions.set(heard.key, suspicion);
    hearRecord(suspicion, heard, detection, clock);
    // A record without a value of an odd channel counts neither as anomalous nor as normal: after one normal value it does for
    // the next event, but not for the end of this one.
    const { countedAt = heard.timestamp, quietRecords, gathering, accepted: peak } = suspicion;
    const isOpen = quietRecords === 0 || gathering !== undefined || peak !== undefined;
    if (detection === undefined && quietRecords === quietBefore && isOpen) {
      const isSilent = heard.timestamp - countedAt > policy.silenceMs;
      return isSilent ? end(heard.key, suspicion, 'silence', heard.timestamp) : none;
    }
    suspicion.countedAt = heard.timestamp;
    if (isAccepted(suspicion, detection, policy.closeAfter)) return none;
    suspicion.accepted = undefined;
    if (suspicion.gathering === undefined) {
      const gathered = gather(suspicion, detection, mark, policy);
      if (gathered === undefined) {
        if (suspicion.recent.length === 0) suspicions.delete(heard.key);
        return none;
      }
      suspicion.gathering = gathered;
    } else if (detection !== undefined) extend(suspicion.gathering, detection);
    else if (suspicion.quietRecords >= policy.closeAfter)
      return end(heard.key, suspicion, 'quiet', heard.timestamp);
    const opened = tryOpen(suspicion.gathering, heard, bar);
    if (detection === undefined) return opened;
    const accepted = tryAccept(suspicion, suspicion.gathering);
    return accepted.length === 0 ? opened : [...opened, ...accepted];
  }

  /** Accepts an event whose peak in the newest half of `acceptAfter` records is hardly above that before. */
  function tryAccept(suspicion: Suspicion, gathering: Gathering): readonly AnomalyEvent[] {
    const { event, margin, earlierPeak } = gathering;
    const half = Math.ceil(policy.acceptAfter / 2);
    if (half === 0 || margin === Infinity || event.anomalousRecords % half > 0) return none;
    gathering.earlierPeak = event.peakSurprise;
    if (event.peakSurprise > earlierPeak + growth || !isEvent(gathering)) return none;
    return accept(suspicion, gathering);
  }

  function accept(suspicion: Suspicion, gathering: Gathering): AnomalyEvent[] {
    suspicion.accepted = gathering.event.peakSurprise;
    suspicion.gathering = undefined;
    return over(gathering, 'accepted');
  }

  function observe(
    heard: RecordFacts,
    detection: Detection | undefined,
    bar: EventBar,
    mark: () => readonly number[],
  ): readonly AnomalyEvent[] {
    const silent = endSilent();
    const own = observeKey(heard, detection, bar, mark);
    return silent.length === 0 ? own : [...silent, ...own];
  }

  function tryOpen(
    gathering: Gathering,
    { anomalous, timestamp }: RecordFacts,
    bar: EventBar,
  ): readonly AnomalyEvent[] {
    const { event, margin, exceedances = noExceedances } = gathering;
    const isLongEnough =
      event.anomalousRecords >= policy.minRecords && event.end - event.start >= policy.minLengthMs;
    if (gathering.opened || !anomalous || !isLongEnough) return none;
    const above = Math.max(margin - bar.margin, lastingMargin(exceedances) - bar.lasting);
    if (above < 0) return none;
    if (isPartOfOthers(gathering)) return frozen.tryOpen(event.key, above, timestamp, clock);
    if (!gathering.heldBack) event.openedAt = timestamp;
    // A violated limit is outside the budget.
    if (budget !== undefined && margin < Infinity) {
      gathering.heldBack = !budget.admits(event.key, above, clock, shared);
      if (gathering.heldBack) return none;
      budget.charge(event.id, event.key, clock);
    }
    gathering.heldBack = false;
    gathering.opened = true;
    event.openedAt = timestamp;
    open.set(gathering.event, gathering);
    return [snapshotOf(gathering)];
  }

  /** Whether its device is one of several that may have frozen together. */
  function isPartOfOthers(gathering: Gathering): boolean {
    const { event, margin, heldBack, frozenRecords } = gathering;
    if (gathering.isPart === true) return true;
    if (!shared || heldBack || margin === Infinity || frozenRecords !== event.anomalousRecords) return false;
    const interval = silent?.intervalOf(event.key);
    if (interval === undefined) return false;
    frozen.join(event, interval, clock);
    return (gathering.isPart = true);
  }

  /** Notes the events of several devices that are over. */
  function noted(events: readonly AnomalyEvent[]): readonly AnomalyEvent[] {
    for (const event of events)
      if (event.status === 'closed' && costs(event.id) && !past.has(event.id))
        past.add({ ...spanOf(event), id: event.id });
    return events;
  }

  /** The events that a label can act on. */
  function labellable(): LabellableEvent[] {
    const current = [...suspicions.values()].flatMap(({ gathering }) =>
      gathering !== undefined && isEvent(gathering) && gathering.isPart !== true
        ? [{ event: gathering.event, isAcceptable: gathering.margin < Infinity }]
        : [],
    );
    const ofSeveral = [...(silent?.current() ?? []), ...frozen.current()];
    const acceptable = ofSeveral.map((event) => ({ event, isAcceptable: true }));
    return [
      ...[...current, ...acceptable].map(({ event, isAcceptable }) => ({
        ...spanOf(event),
        id: event.id,
        isAccepted: false,
        isAcceptable,
      })),
      ...past.list().map((one) => ({ ...one, isAccepted: one.newNormal !== undefined, isAcceptable: false })),
    ];
  }

  return {
    /**
     * Call for each record before its detection, and for those without one.
     * @param rules undefined = silences are not assessed
     * @param links keeps the item of the device
     * @returns the events of silent devices that open or close
     */
    hear(
      key: string,
      timestamp: number,
      rules: SilenceRules | undefined,
      links?: DeviceLinks,
    ): readonly AnomalyEvent[] {
      if (silent === undefined) return none;
      meet(key, timestamp);
      const events = silent.hear(key, timestamp, clock, rules, links);
      return events.length === 0 ? none : noted(events);
    },
    /**
     * Call once per detection, in order within a key.
     * @param mark of the baseline of the device, to which it goes back if the event is accepted and a label undoes that
     * @returns the events that this detection opens or closes; other keys may have fallen silent
     */
    observe(detection: Detection, bar = noBar, mark = noMark): readonly AnomalyEvent[] {
      meet(detection.key, detection.timestamp);
      return observe(detection, detection.anomalous ? detection : undefined, bar, mark);
    },
    /** As `observe`, for a record that is not anomalous. */
    pass(key: string, timestamp: number, missing?: readonly string[]): readonly AnomalyEvent[] {
      meet(key, timestamp);
      // The usual case.
      const isNoted =
        (suspicions.size > 0 && suspicions.has(key)) || (suppressed.size > 0 && suppressed.has(key));
      if (!isNoted) return endSilent();
      return observe(
        { key, timestamp, anomalous: false, ...(missing && { missing }) },
        undefined,
        noBar,
        noMark,
      );
    },
    /**
     * Channels of the device have a new normal from the next record on: an event that one of them leads is accepted.
     * @returns the event that is over by that
     */
    settle(key: string, channels: readonly string[]): readonly AnomalyEvent[] {
      const suspicion = suspicions.get(key);
      const gathering = suspicion?.gathering;
      if (gathering === undefined || !isEvent(gathering) || gathering.margin === Infinity) return none;
      const [lead] = gathering.channels.contributions();
      return lead !== undefined && channels.includes(lead.channel) ? accept(suspicion!, gathering) : none;
    },
    /** The events of anomalous records that are not over, as they are so far; those held back, too. */
    currentEvents: (): readonly AnomalyEvent[] => [
      ...[...suspicions.values()].flatMap(({ gathering }) =>
        gathering !== undefined && isEvent(gathering) && gathering.isPart !== true
          ? [snapshotOf(gathering)]
          : [],
      ),
      ...frozen.current(),
    ],
    /** The most surprising open events, as they are so far, at most `limit`. */
    openEvents(limit: number): readonly AnomalyEvent[] {
      const own = highest(open.keys(), limit, bySurprise).map((event) => snapshotOf(open.get(event)!));
      return highest([...own, ...frozen.openEvents(), ...(silent?.openEvents() ?? [])], limit, bySurprise);
    },
    /** Ends all events at the end of the input. */
    closeAll(): AnomalyEvent[] {
      const closed = [...suspicions].flatMap(([key, suspicion]) =>
        end(key, suspicion, 'end', suspicion.newest),
      );
      suppressed.clear();
      return [...closed, ...(silent?.closeAll(clock) ?? [])];
    },
    /** Number of open events. */
    get open() {
      return open.size + frozen.open + (silent?.open ?? 0);
    },
    /** Anomalous records so far that opened no event because of `suppressForMs`. */
    get suppressedRecords() {
      return suppressedRecords;
    },
    /** The budget of the detector is divided over this many partitions. */
    divideBudget(partitions: number): void {
      budget?.divide(partitions, clock);
    },
    /** What labels change now: each event obeys its last label, once. */
    labelled: (labels: readonly Label[]): EventLabel[] => findLabels(labels, labellable),
    /** A label takes effect; none if it has had it. */
    label({ event: id, label }: EventLabel): LabelEffect {
      const { refunds, undoes, accepts } = meaningOf[label];
      if (refunds) budget?.refund(id, clock);
      const undone = undoes ? past.undo(id) : undefined;
      if (undone?.newNormal.forgotten !== undefined) {
        silent?.remember(undone.newNormal.forgotten);
        return { events: none };
      }
      if (undone !== undefined) {
        const [key] = undone.keys;
        const suspicion = suspicions.get(key!);
        if (suspicion !== undefined) suspicion.accepted = undefined;
        return { events: none, undone: { key: key!, since: undone.start, ...undone.newNormal } };
      }
      if (!accepts) return { events: none };
      const members = frozen.members(id);
      const events: AnomalyEvent[] = [];
      const accepted = [...suspicions].flatMap(([key, suspicion]) => {
        const { gathering } = suspicion;
        if (gathering === undefined || !isEvent(gathering)) return [];
        if (gathering.event.id !== id && !members.includes(key)) return [];
        events.push(...accept(suspicion, gathering));
        return [{ key, records: gathering.event.anomalousRecords, at: gathering.event.end }];
      });
      return { events: [...events, ...noted(silent?.accept(id, clock) ?? none)], accepted };
    },
    /** 0 = nothing of the budget is spent, or there is none; from 1 on no event opens. */
    get budgetSpentRatio() {
      return budget?.spentRatio(clock) ?? 0;
    },
    /** JSON data, from which `createEventTracker` continues as without an interruption. Times may be infinite. */
    snapshot: (): EventsSnapshot => ({
      clock,
      suspicions: [...suspicions].map(([key, one]) => [
        key,
        copySuspicion(one, (channels) => channels.snapshot()),
      ]),
      suppressed: [...suppressed],
      firstKey,
      shared,
      ...(budget && { budget: budget.snapshot() }),
      ...(silent && { silent: silent.snapshot() }),
      past: past.list(),
      frozen: frozen.snapshot(),
    }),
  };
}

const noMark = (): readonly number[] => [];
