/** What a detector reports about an event. */
import type { NearestNormal } from './detection';
import type { EventContribution } from './event-channels';
import type { LimitViolation } from './signal';

/**
 * Why an event closed: normal records (`quiet`), no records or no value of an odd channel (`silence`), the end of the input (`end`),
 * or `acceptAfter` records that are the new normal (`accepted`). An event of silent devices: they send again (`resumed`).
 */
export type EventEnding = 'quiet' | 'silence' | 'end' | 'accepted' | 'resumed';

/**
 * Emitted twice with the same id: with status `open` as soon as it is an event, and `closed` once it is complete. An event that the
 * alarm budget kept from opening is emitted once, when it is over, with status `held_back`.
 */
export interface AnomalyEvent {
  /** Detector, key and start: the same in a replay. */
  id: string;
  detector: string;
  /** The device; the first one of several. */
  key: string;
  /** Anomalous records, or devices that stopped sending. */
  kind: 'anomaly' | 'silent';
  /**
   * Devices that fell silent or froze together; an open event has those found so far. Absent for the anomalous records of one
   * device.
   */
  keys?: readonly string[];
  status: 'open' | 'closed' | 'held_back';
  /** Set once the event is over. */
  closedBy?: EventEnding;
  /** Event time of the first anomalous record, or of the last one before a silence, Unix ms. */
  start: number;
  /** Event time of the newest anomalous record, or of the first one after a silence, Unix ms. */
  end: number;
  /** Event time of the record with which the event opened, or with which an event that was held back would have opened. */
  openedAt: number;
  anomalousRecords: number;
  peakSurprise: number;
  /** Event time of the most surprising record, Unix ms. */
  peakAt: number;
  /** File of the most surprising image, within its folder; absent unless records are images of a folder. */
  peakFile?: string;
  threshold: number;
  /** Channels of the event, each at its most unusual record; those that ranked highest over all records come first. */
  contributions: readonly EventContribution[];
  /** The largest violation of each limit. */
  limits: readonly LimitViolation[];
  /** The nearest normal of the last explained record. */
  nearestNormal?: NearestNormal;
  /** A mute covers the event, so no notification is sent. */
  muted?: boolean;
  modelVersion: string;
}

type Rank = Pick<AnomalyEvent, 'peakSurprise' | 'openedAt' | 'id'>;

/** The more surprising event first, then the earlier one: a total order that no later record of another event changes. */
export function bySurprise(a: Rank, b: Rank): number {
  return (
    b.peakSurprise - a.peakSurprise || a.openedAt - b.openedAt || (a.id < b.id ? -1 : Number(a.id > b.id))
  );
}

/**
 * The channel that ranks first in an event, at its most unusual record. Without one, the channel is empty and the values are
 * NaN.
 */
export function leadOf({ contributions: [first], limits: [limit] }: AnomalyEvent) {
  if (first !== undefined) return { channel: first.channel, value: first.actual, expected: first.expected };
  return { channel: limit?.channel ?? '', value: limit?.actual ?? NaN, expected: NaN };
}

/** Longest key of a device in a label of a metric or an alert, in UTF-16 units. */
export const maxKeyLabel = 120;
