/** Detections of one key merged: what people and alerts see. */
import type { Contribution, Detection, NearestNormal } from './detection';

export interface AnomalyEvent {
  /** detector, key and start: the same on replay. */
  id: string;
  detector: string;
  key: string;
  status: 'open' | 'closed';
  /** Event time of the first anomalous record, Unix ms. */
  start: number;
  /** Event time of the newest anomalous record, Unix ms. */
  end: number;
  /** Event time of the record with which the event opened: the k-th anomalous one. */
  openedAt: number;
  /** How many records of the event were anomalous. */
  anomalousRecords: number;
  peakSurprise: number;
  /** Event time of the most surprising record, Unix ms. */
  peakAt: number;
  threshold: number;
  /** Of the most surprising record, largest first. */
  contributions: readonly Contribution[];
  /** Of the last record that was put beside one: an anomaly is explained where it begins, and as it grows. */
  nearestNormal?: NearestNormal;
  modelVersion: string;
}

export interface EventPolicy {
  /** An event opens when k of the last n records of a key are anomalous … */
  openRecords: number;
  /** … with this n (n ≥ k) … */
  openWindow: number;
  /** … and closes after this many records in a row that are not. */
  closeAfter: number;
}

/** Merges the detections of every key into events. One call per detection, in order within a key. */
export interface EventTracker {
  /** Returns the event that this detection opened or closed, if any. */
  observe(detection: Detection): AnomalyEvent | undefined;
  /** Events now open. */
  openEvents(): readonly AnomalyEvent[];
  /** Closes what is open, for the end of a finite source. */
  closeAll(): AnomalyEvent[];
}

/** Only keys with a recent anomaly are held, so memory follows the trouble, not the fleet. */
interface Suspicion {
  /** Anomalous records among the last n, oldest first, with the number of records seen since each. */
  recent: { detection: Detection; age: number }[];
  event: AnomalyEvent | undefined;
  quietRecords: number;
}

export function createEventTracker(policy: EventPolicy): EventTracker {
  const suspicions = new Map<string, Suspicion>();
  let open = 0;

  function close(key: string, suspicion: Suspicion, event: AnomalyEvent): AnomalyEvent {
    suspicions.delete(key);
    suspicion.event = undefined;
    open--;
    return { ...event, status: 'closed' };
  }

  return {
    observe(detection) {
      let suspicion = suspicions.get(detection.key);
      if (suspicion === undefined) {
        if (!detection.anomalous) return undefined;
        suspicion = { recent: [], event: undefined, quietRecords: 0 };
        suspicions.set(detection.key, suspicion);
      }
      suspicion.quietRecords = detection.anomalous ? 0 : suspicion.quietRecords + 1;

      if (suspicion.event !== undefined) {
        if (detection.anomalous) extend(suspicion.event, detection);
        else if (suspicion.quietRecords >= policy.closeAfter)
          return close(detection.key, suspicion, suspicion.event);
        return undefined;
      }

      for (const seen of suspicion.recent) seen.age++;
      suspicion.recent = suspicion.recent.filter((seen) => seen.age < policy.openWindow);
      if (detection.anomalous) suspicion.recent.push({ detection, age: 0 });
      if (suspicion.recent.length === 0) suspicions.delete(detection.key);
      if (suspicion.recent.length < policy.openRecords) return undefined;

      const [first, ...others] = suspicion.recent.map((seen) => seen.detection);
      const event = begin(first!);
      for (const other of others) extend(event, other);
      event.openedAt = detection.timestamp;
      suspicion.event = event;
      suspicion.recent = [];
      open++;
      return { ...event };
    },
    openEvents: () =>
      open === 0
        ? []
        : [...suspicions.values()].flatMap(({ event }) => (event === undefined ? [] : [{ ...event }])),
    closeAll() {
      const closed: AnomalyEvent[] = [];
      for (const [key, suspicion] of suspicions) {
        if (suspicion.event !== undefined) closed.push(close(key, suspicion, suspicion.event));
      }
      suspicions.clear();
      return closed;
    },
  };
}

function begin(detection: Detection): AnomalyEvent {
  return {
    id: `${detection.detector}/${detection.key}/${new Date(detection.timestamp).toISOString()}`,
    detector: detection.detector,
    key: detection.key,
    status: 'open',
    start: detection.timestamp,
    end: detection.timestamp,
    openedAt: detection.timestamp,
    anomalousRecords: 1,
    peakSurprise: detection.surprise,
    peakAt: detection.timestamp,
    threshold: detection.threshold,
    contributions: detection.contributions,
    ...(detection.nearestNormal !== undefined && { nearestNormal: detection.nearestNormal }),
    modelVersion: detection.modelVersion,
  };
}

function extend(event: AnomalyEvent, detection: Detection): void {
  event.end = detection.timestamp;
  event.anomalousRecords++;
  if (detection.nearestNormal !== undefined) event.nearestNormal = detection.nearestNormal;
  if (detection.surprise <= event.peakSurprise) return;
  event.peakSurprise = detection.surprise;
  event.peakAt = detection.timestamp;
  event.contributions = detection.contributions;
}
