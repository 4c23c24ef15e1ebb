/** Detections of one key merged: what people and alerts see. */
import {
  createEventChannels,
  type EventChannels,
  type EventChannelsSnapshot,
  type EventContribution,
} from './event-channels';
import type { Detection, NearestNormal } from './detection';
import type { LimitViolation } from './signal';

/** Why an event ended: `quiet` records, no record at all (`silence`), or no more records are to come (`end`). */
export type EventEnding = 'quiet' | 'silence' | 'end';

/**
 * What is said of an event: once with status `open`, as soon as it is one, and once with status `closed`, when all of it is
 * known. Both have the same id.
 */
export interface AnomalyEvent {
  /** detector, key and start: the same on replay. */
  id: string;
  detector: string;
  key: string;
  status: 'open' | 'closed';
  /** Only of a closed event. */
  closedBy?: EventEnding;
  /** Event time of the first anomalous record, Unix ms. */
  start: number;
  /** Event time of the newest anomalous record, Unix ms. */
  end: number;
  /** Event time of the record with which the event opened. */
  openedAt: number;
  /** How many records of the event were anomalous. */
  anomalousRecords: number;
  peakSurprise: number;
  /** Event time of the most surprising record, Unix ms. */
  peakAt: number;
  threshold: number;
  /** Of all its records: the channels that led most of them first, each as it was at its own worst. */
  contributions: readonly EventContribution[];
  /** For each limit that was violated, by how much at the worst. */
  limits: readonly LimitViolation[];
  /** Of the last record that was put beside one: an anomaly is explained where it begins, and as it grows. */
  nearestNormal?: NearestNormal;
  modelVersion: string;
}

export interface EventPolicy {
  /** An event opens when k of the last n records of a key are anomalous … */
  openRecords: number;
  /** … with this n (n ≥ k) … */
  openWindow: number;
  /** … and it has so many anomalous records … */
  minRecords: number;
  /** … over so much event time, ms; one that ends before is none. */
  minLengthMs: number;
  /** It closes after so many records in a row that are not anomalous … */
  closeAfter: number;
  /** … or when the detector's event time has moved on by more than this without a record of its key, ms. */
  silenceMs: number;
  /** For so long after an event has closed none opens for its key (event time, ms). */
  suppressForMs: number;
}

/** Merges the detections of every key into events. One call per detection, in order within a key. */
export interface EventTracker {
  /** Returns the events that this detection opened or closed; those that fell silent may be of other keys. */
  observe(detection: Detection): readonly AnomalyEvent[];
  /** The same for a record that is not anomalous, of which no detection is needed. */
  pass(key: string, timestamp: number): readonly AnomalyEvent[];
  /** Events now open. */
  openEvents(): readonly AnomalyEvent[];
  /** Closes what is open, when no more records are to come. */
  closeAll(): AnomalyEvent[];
  /** Events that are open now. */
  readonly open: number;
  /** Anomalous records so far that could open no event, because one of their key had just closed. */
  readonly suppressedRecords: number;
  /** What `createEventTracker` goes on from, as if nothing had been; plain data. */
  snapshot(): EventsSnapshot;
}

/** What is held of all keys, the least recently heard first. Times may be infinite. */
export interface EventsSnapshot {
  clock: number;
  suspicions: readonly (readonly [key: string, suspicion: SuspicionSnapshot])[];
  suppressed: readonly (readonly [key: string, until: number])[];
}

interface SuspicionSnapshot extends Omit<Suspicion, 'gathering'> {
  gathering: { event: AnomalyEvent; channels: EventChannelsSnapshot; opened: boolean } | undefined;
}

/** Anomalous records of one key that belong together; an event from `opened` on. */
interface Gathering {
  event: AnomalyEvent;
  channels: EventChannels;
  opened: boolean;
}

/** Only keys with a recent anomaly are held, so memory follows the trouble, not the fleet. */
interface Suspicion {
  /** Anomalous records among the last n, oldest first, with the number of records seen since each. */
  recent: { detection: Detection; age: number }[];
  gathering: Gathering | undefined;
  quietRecords: number;
  /** Event time of the key's newest record, and the detector's when that came, Unix ms. */
  newest: number;
  heardAt: number;
}

/** What an event needs to know of every record of its key. */
type Heard = Pick<Detection, 'key' | 'timestamp' | 'anomalous'>;

const none: readonly AnomalyEvent[] = [];

export function createEventTracker(policy: EventPolicy, beginning?: EventsSnapshot): EventTracker {
  /** The least recently heard first. */
  const suspicions = new Map<string, Suspicion>(
    beginning?.suspicions.map(([key, suspicion]) => [key, restore(suspicion)]),
  );
  /** By key, until when (event time, Unix ms) no event opens. */
  const suppressed = new Map<string, number>(beginning?.suppressed);
  /** The newest event time of any key: a key that lags behind the others is not silent. */
  let clock = beginning?.clock ?? -Infinity;
  let open = [...suspicions.values()].filter(({ gathering }) => gathering?.opened === true).length;
  let suppressedRecords = 0;

  /** Ends what has gathered for a key; returns the closed event, if it was one. */
  function end(key: string, suspicion: Suspicion, closedBy: EventEnding, at: number): AnomalyEvent[] {
    suspicions.delete(key);
    const { gathering } = suspicion;
    if (gathering?.opened !== true) return [];
    open--;
    if (policy.suppressForMs > 0) suppressed.set(key, at + policy.suppressForMs);
    return [{ ...snapshot(gathering), status: 'closed', closedBy }];
  }

  function endSilent(): AnomalyEvent[] {
    const closed: AnomalyEvent[] = [];
    for (const [key, suspicion] of suspicions) {
      if (clock - suspicion.heardAt <= policy.silenceMs) break;
      closed.push(...end(key, suspicion, 'silence', suspicion.newest + policy.silenceMs));
    }
    for (const [key, until] of suppressed) {
      if (until >= clock) break;
      suppressed.delete(key);
    }
    return closed;
  }

  function isSuppressed({ key, timestamp, anomalous }: Heard): boolean {
    const until = suppressed.get(key);
    if (until === undefined) return false;
    if (timestamp > until) {
      suppressed.delete(key);
      return false;
    }
    if (anomalous) suppressedRecords++;
    return true;
  }

  /** The key's suspicion, now the most recently heard. */
  function hear({ key, timestamp, anomalous }: Heard): Suspicion | undefined {
    let suspicion = suspicions.get(key);
    if (suspicion === undefined && !anomalous) return undefined;
    suspicion ??= { recent: [], gathering: undefined, quietRecords: 0, newest: timestamp, heardAt: clock };
    suspicions.delete(key);
    suspicions.set(key, suspicion);
    suspicion.newest = timestamp;
    suspicion.heardAt = clock;
    suspicion.quietRecords = anomalous ? 0 : suspicion.quietRecords + 1;
    return suspicion;
  }

  /** @param detection of the record, if it is anomalous */
  function observeKey(heard: Heard, detection: Detection | undefined): readonly AnomalyEvent[] {
    if (isSuppressed(heard)) return none;
    const suspicion = hear(heard);
    if (suspicion === undefined) return none;
    if (suspicion.gathering === undefined) {
      const gathered = gather(suspicion, detection);
      if (gathered === undefined) {
        if (suspicion.recent.length === 0) suspicions.delete(heard.key);
        return none;
      }
      suspicion.gathering = gathered;
    } else if (detection !== undefined) extend(suspicion.gathering, detection);
    else if (suspicion.quietRecords >= policy.closeAfter)
      return end(heard.key, suspicion, 'quiet', heard.timestamp);
    return tryOpen(suspicion.gathering, heard);
  }

  function observe(heard: Heard, detection: Detection | undefined): readonly AnomalyEvent[] {
    const silent = endSilent();
    const own = observeKey(heard, detection);
    return silent.length === 0 ? own : [...silent, ...own];
  }

  /** What gathers once k of the last n records are anomalous. */
  function gather(suspicion: Suspicion, detection: Detection | undefined): Gathering | undefined {
    for (const seen of suspicion.recent) seen.age++;
    suspicion.recent = suspicion.recent.filter((seen) => seen.age < policy.openWindow);
    if (detection !== undefined) suspicion.recent.push({ detection, age: 0 });
    if (suspicion.recent.length < policy.openRecords) return undefined;
    const gathering = begin(suspicion.recent[0]!.detection);
    for (const seen of suspicion.recent) extend(gathering, seen.detection);
    suspicion.recent = [];
    return gathering;
  }

  function tryOpen(gathering: Gathering, { anomalous, timestamp }: Heard): readonly AnomalyEvent[] {
    const { event } = gathering;
    const isLongEnough =
      event.anomalousRecords >= policy.minRecords && event.end - event.start >= policy.minLengthMs;
    if (gathering.opened || !anomalous || !isLongEnough) return none;
    gathering.opened = true;
    event.openedAt = timestamp;
    open++;
    return [snapshot(gathering)];
  }

  return {
    observe(detection) {
      clock = Math.max(clock, detection.timestamp);
      return observe(detection, detection.anomalous ? detection : undefined);
    },
    pass(key, timestamp) {
      clock = Math.max(clock, timestamp);
      // What nearly every record of a healthy fleet comes to.
      if (suspicions.size === 0 && suppressed.size === 0) return none;
      return observe({ key, timestamp, anomalous: false }, undefined);
    },
    openEvents: () =>
      open === 0
        ? none
        : [...suspicions.values()].flatMap(({ gathering }) =>
            gathering?.opened === true ? [snapshot(gathering)] : [],
          ),
    closeAll() {
      const closed = [...suspicions].flatMap(([key, suspicion]) =>
        end(key, suspicion, 'end', suspicion.newest),
      );
      suppressed.clear();
      return closed;
    },
    get open() {
      return open;
    },
    get suppressedRecords() {
      return suppressedRecords;
    },
    snapshot: () => ({
      clock,
      suspicions: [...suspicions].map(([key, suspicion]) => [key, copy(suspicion)]),
      suppressed: [...suppressed],
    }),
  };
}

function copy({ recent, gathering, ...rest }: Suspicion): SuspicionSnapshot {
  return {
    ...rest,
    recent: recent.map((seen) => ({ ...seen })),
    gathering: gathering && {
      ...gathering,
      event: { ...gathering.event },
      channels: gathering.channels.snapshot(),
    },
  };
}

function restore({ recent, gathering, ...rest }: SuspicionSnapshot): Suspicion {
  return {
    ...rest,
    recent: recent.map((seen) => ({ ...seen })),
    gathering: gathering && {
      ...gathering,
      event: { ...gathering.event },
      channels: createEventChannels(gathering.channels),
    },
  };
}

/** An event without records yet, that begins with this one. */
function begin({ detector, key, timestamp, threshold, modelVersion }: Detection): Gathering {
  return {
    event: {
      id: `${detector}/${key}/${new Date(timestamp).toISOString()}`,
      detector,
      key,
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
  };
}

function extend({ event, channels }: Gathering, detection: Detection): void {
  event.end = detection.timestamp;
  event.anomalousRecords++;
  if (detection.nearestNormal !== undefined) event.nearestNormal = detection.nearestNormal;
  channels.add(detection);
  if (detection.surprise <= event.peakSurprise) return;
  event.peakSurprise = detection.surprise;
  event.peakAt = detection.timestamp;
}

/** The event as it is now; what comes later does not change it. */
function snapshot({ event, channels }: Gathering): AnomalyEvent {
  return { ...event, contributions: channels.contributions(), limits: channels.limits() };
}
