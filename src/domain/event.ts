/** Merges the detections of a key into events. */
import { createAlarmBudget, type AlarmBudgetSnapshot } from './alarm-budget';
import { createEventChannels, type EventChannels, type EventChannelsSnapshot } from './event-channels';
import { bySurprise, type AnomalyEvent, type EventEnding } from './anomaly-event';
import type { Detection } from './detection';
import { createFrozenDevices, isFrozen, type FrozenDevicesSnapshot } from './frozen-devices';
import { highest } from './highest';
import { lastingMargin, noExceedances, withMargin, type Exceedances } from './lasting-evidence';
import { labelOf, meaningOf, type Label, type LabelledSpan, type LabelName } from './label';
import { createPastEvents, type PastEvent } from './past-events';
import type { DeviceLinks } from './recency';
import { createSilentDevices, type SilenceRules, type SilentDevicesSnapshot } from './silent-devices';

export type { AnomalyEvent, EventEnding } from './anomaly-event';

export interface EventPolicy {
  /** An event opens when at least this many … */
  openRecords: number;
  /** … of this many newest records of a key are anomalous … */
  openWindow: number;
  /** … and it has at least this many anomalous records … */
  minRecords: number;
  /** … over at least this event time, ms. If it ends earlier, there is no event. */
  minLengthMs: number;
  /** It closes after this many normal records in a row, of those that have a value of each odd channel … */
  closeAfter: number;
  /** … or when the detector's event time has advanced by more than this since the last record of the key, ms. */
  silenceMs: number;
  /** After an event has closed, no other one of its key opens for this event time, ms. */
  suppressForMs: number;
  /**
   * An event with this many anomalous records is accepted as the new normal, unless it still becomes more surprising; 0 = never. No
   * other event of its key opens then, until it is over or becomes more surprising.
   */
  acceptAfter: number;
  /** Alarm budget of the detector, events per ms; if absent, every event opens. */
  eventsPerMs?: number | undefined;
  /** Devices of a partition that are watched for silence; if absent, none is. */
  watchedDevices?: number | undefined;
}

/** From where an event opens, decades. By default each event opens, by its strongest record. */
export interface EventBar {
  /** Of its largest surprise above the threshold. */
  margin: number;
  /** Of the margin of what lasts: the number of anomalous records to one event of the alarm budget, as its logarithm. */
  lasting: number;
}

export const noBar: EventBar = { margin: 0, lasting: Infinity };

export type EventTracker = ReturnType<typeof createEventTracker>;

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

/** A label that acts on an event. */
export interface EventLabel {
  /** Id of the event. */
  event: string;
  label: LabelName;
}

export interface LabelEffect {
  /** Events that are over by it. */
  events: readonly AnomalyEvent[];
  /** A device whose new normal since a time, Unix ms, is none: its baseline goes back to the mark. */
  undone?: { key: string; since: number; modelVersion: string; mark: readonly number[] };
  /** Devices whose newest anomalous records are a new normal, and the event time of the last one, Unix ms. */
  accepted?: readonly { key: string; records: number; at: number }[];
}

/** Growth of the peak surprise, decades, from which an event is another one. */
const growth = 1;

/** Anomalous records of one key that belong together; an event once `opened`. */
interface Gathering<Channels = EventChannels> {
  event: AnomalyEvent;
  channels: Channels;
  opened: boolean;
  /** It would have opened, but for the budget. */
  heldBack: boolean;
  /** Largest surprise above the threshold of its record, decades; infinite once a limit is violated. */
  margin: number;
  /** Absent in the state of older versions. */
  exceedances?: Exceedances;
  /** Peak surprise in the first half of the last `acceptAfter` anomalous records, and before. */
  earlierPeak: number;
  /** Of the baseline of the device when it began. Absent in the state of older versions. */
  mark?: readonly number[];
  /** Anomalous records in which the device was frozen. Absent in the state of older versions. */
  frozenRecords?: number;
  /** Its event is a part of that of devices that froze together. */
  isPart?: boolean;
}

/** State of a key with a recent anomaly; other keys have none. */
interface Suspicion<Channels = EventChannels> {
  /** The anomalous records among the last `openWindow`, oldest first, with the number of records since. */
  recent: { detection: Detection; age: number }[];
  gathering: Gathering<Channels> | undefined;
  /** Peak surprise of the event that was accepted and is not over. */
  accepted?: number | undefined;
  /** Normal records in a row, of those that have a value of each odd channel. */
  quietRecords: number;
  /** Channels that led an anomalous record, with their values in normal records since the last one. Absent in the state of older versions. */
  oddChannels?: readonly (readonly [channel: string, normalValues: number])[];
  /** Event time of the newest record that counted: anomalous, or normal with a value of each odd channel. Unix ms. */
  countedAt?: number;
  /** Event time of the key's newest record, Unix ms. */
  newest: number;
  /** Event time of the detector at that record, Unix ms. */
  heardAt: number;
}

type RecordFacts = Pick<Detection, 'key' | 'timestamp' | 'anomalous' | 'missing'>;

const none: readonly AnomalyEvent[] = [];

/** Keeps the events of all keys. */
export function createEventTracker(policy: EventPolicy, beginning?: EventsSnapshot) {
  /** In the order of their last record. */
  const suspicions = new Map<string, Suspicion>(
    beginning?.suspicions.map(([key, suspicion]) => [key, copy(suspicion, createEventChannels)]),
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
    (key) => snapshot(suspicions.get(key)!.gathering!),
    admitTogether,
    beginning?.frozen,
  );
  const past = createPastEvents(costs, beginning?.past);
  let { firstKey, shared } = beginning ?? { firstKey: undefined, shared: false };
  /** Labels that may concern an event, of those that were given last. */
  const relevant = { of: undefined as readonly Label[] | undefined, since: Infinity, labels: [] as Label[] };

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
    if (gathering.isPart === true) return [...noted(frozen.leave(snapshot(gathering), closedBy))];
    if (!gathering.opened) return [{ ...snapshot(gathering), closedBy }];
    open.delete(gathering.event);
    return [{ ...snapshot(gathering), status: 'closed', closedBy }];
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

  /** Updates the state of a key for a record; undefined if there is none and needs none. */
  function hear(
    { key, timestamp, missing = [] }: RecordFacts,
    detection: Detection | undefined,
  ): Suspicion | undefined {
    let suspicion = suspicions.get(key);
    if (suspicion === undefined && detection === undefined) return undefined;
    suspicion ??= {
      recent: [],
      gathering: undefined,
      quietRecords: 0,
      countedAt: timestamp,
      newest: timestamp,
      heardAt: clock,
    };
    suspicions.delete(key);
    suspicions.set(key, suspicion);
    suspicion.newest = timestamp;
    suspicion.heardAt = clock;
    const { oddChannels: odd = [] } = suspicion;
    if (detection === undefined) {
      suspicion.oddChannels = odd.map(([channel, values]) => [
        channel,
        values + (missing.includes(channel) ? 0 : 1),
      ]);
      // A channel that reports in few records is no more normal for those without a value of it.
      suspicion.quietRecords = suspicion.oddChannels.reduce(
        (least, [, values]) => Math.min(least, values),
        suspicion.quietRecords + 1,
      );
    } else {
      const channels = new Set([...odd.map(([channel]) => channel), ...leadingChannels(detection)]);
      suspicion.oddChannels = Array.from(channels, (channel) => [channel, 0]);
      suspicion.quietRecords = 0;
    }
    return suspicion;
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
    const suspicion = hear(heard, detection);
    if (suspicion === undefined) return none;
    // A record without a value of an odd channel counts neither as anomalous nor as normal: after one normal value it does for
    // the next event, but not for the end of this one.
    const { countedAt = heard.timestamp, quietRecords, gathering, accepted: peak } = suspicion;
    const isOpen = quietRecords === 0 || gathering !== undefined || peak !== undefined;
    if (detection === undefined && quietRecords === quietBefore && isOpen) {
      const isSilent = heard.timestamp - countedAt > policy.silenceMs;
      return isSilent ? end(heard.key, suspicion, 'silence', heard.timestamp) : none;
    }
    suspicion.countedAt = heard.timestamp;
    if (isAccepted(suspicion, detection)) return none;
    suspicion.accepted = undefined;
    if (suspicion.gathering === undefined) {
      const gathered = gather(suspicion, detection, mark);
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

  /** Whether the record belongs to an event that was accepted. */
  function isAccepted(suspicion: Suspicion, detection: Detection | undefined): boolean {
    if (suspicion.accepted === undefined) return false;
    if (detection === undefined) return suspicion.quietRecords < policy.closeAfter;
    return detection.limits.length === 0 && detection.surprise <= suspicion.accepted + growth;
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

  /** Begins to gather once enough of the last records are anomalous. */
  function gather(
    suspicion: Suspicion,
    detection: Detection | undefined,
    mark: () => readonly number[],
  ): Gathering | undefined {
    for (const seen of suspicion.recent) seen.age++;
    suspicion.recent = suspicion.recent.filter((seen) => seen.age < policy.openWindow);
    if (detection !== undefined) suspicion.recent.push({ detection, age: 0 });
    if (suspicion.recent.length < policy.openRecords) return undefined;
    const gathering = begin(suspicion.recent[0]!.detection, mark());
    for (const seen of suspicion.recent) extend(gathering, seen.detection);
    suspicion.recent = [];
    return gathering;
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
    return [snapshot(gathering)];
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
  function labellable(): (LabelledSpan & { id: string; isAccepted: boolean; isAcceptable: boolean })[] {
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
      if (!suspicions.has(key) && !suppressed.has(key)) return endSilent();
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
          ? [snapshot(gathering)]
          : [],
      ),
      ...frozen.current(),
    ],
    /** The most surprising open events, as they are so far, at most `limit`. */
    openEvents(limit: number): readonly AnomalyEvent[] {
      const own = highest(open.keys(), limit, bySurprise).map((event) => snapshot(open.get(event)!));
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
    labelled(labels: readonly Label[]): EventLabel[] {
      if (labels.length === 0) return [];
      const events = labellable();
      const since = events.reduce((least, { start }) => Math.min(least, start), Infinity);
      if (labels !== relevant.of || since < relevant.since)
        Object.assign(relevant, { of: labels, since, labels: labels.filter(({ to }) => to >= since) });
      return events.flatMap((one) => {
        const label = labelOf(relevant.labels, one);
        if (label === undefined) return [];
        const { refunds, undoes, accepts } = meaningOf[label];
        const acts =
          (refunds && costs(one.id)) || (undoes && one.isAccepted) || (accepts && one.isAcceptable);
        return acts ? [{ event: one.id, label }] : [];
      });
    },
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
      suspicions: [...suspicions].map(([key, one]) => [key, copy(one, (channels) => channels.snapshot())]),
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

/** A copy, from or to a snapshot. */
function copy<From, To>(
  { recent, gathering, ...rest }: Suspicion<From>,
  convert: (channels: From) => To,
): Suspicion<To> {
  return {
    ...rest,
    recent: recent.map((seen) => ({ ...seen })),
    gathering: gathering && {
      ...gathering,
      event: { ...gathering.event },
      channels: convert(gathering.channels),
    },
  };
}

/** The channels beyond a limit, or else the most unusual one. No value of an image is ever missing. */
function leadingChannels({ limits, contributions }: Detection): string[] {
  if (contributions[0]?.region !== undefined) return [];
  return contributions.slice(0, Math.max(1, limits.length)).map(({ channel }) => channel);
}

const noMark = (): readonly number[] => [];

function spanOf({ key, keys = [key], start, end }: AnomalyEvent): LabelledSpan {
  return { keys, start, end };
}

/** An event that begins with this record, but does not contain it yet. */
function begin(
  { detector, key, timestamp, threshold, modelVersion }: Detection,
  mark: readonly number[],
): Gathering {
  return {
    event: {
      id: `${detector}/${key}/${new Date(timestamp).toISOString()}`,
      detector,
      key,
      kind: 'anomaly',
      status: 'open',
      start: timestamp,
      end: timestamp,
      openedAt: timestamp,
      anomalousRecords: 0,
      peakSurprise: -Infinity,
      peakAt: timestamp,
      threshold,
      contributions: [],
      limits: [],
      modelVersion,
    },
    channels: createEventChannels(),
    opened: false,
    heldBack: false,
    margin: -Infinity,
    earlierPeak: -Infinity,
    mark,
  };
}

const isEvent = ({ opened, heldBack, isPart }: Gathering): boolean => opened || heldBack || isPart === true;

function extend(gathering: Gathering, detection: Detection): void {
  const { event, channels } = gathering;
  const margin = detection.limits.length > 0 ? Infinity : detection.surprise - detection.threshold;
  gathering.margin = Math.max(gathering.margin, margin);
  gathering.exceedances = withMargin(gathering.exceedances ?? noExceedances, margin);
  event.end = detection.timestamp;
  event.anomalousRecords++;
  if (isFrozen(detection)) gathering.frozenRecords = (gathering.frozenRecords ?? 0) + 1;
  if (detection.nearestNormal !== undefined) event.nearestNormal = detection.nearestNormal;
  channels.add(detection);
  if (detection.surprise <= event.peakSurprise) return;
  event.peakSurprise = detection.surprise;
  event.peakAt = detection.timestamp;
}

/** A copy of the event, which later records do not change. */
function snapshot({ event, channels, heldBack }: Gathering): AnomalyEvent {
  return {
    ...event,
    status: heldBack ? 'held_back' : 'open',
    contributions: channels.contributions(),
    limits: channels.limits(),
  };
}
