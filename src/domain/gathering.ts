/** Anomalous records of one device that belong together. They are an event once it has opened. */
import type { AnomalyEvent } from './anomaly-event';
import type { Detection } from './detection';
import { createEventChannels, type EventChannels } from './event-channels';
import type { EventBar, EventPolicy } from './event-policy';
import { isFrozen } from './frozen-devices';
import type { LabelledSpan } from './label';
import { lastingMargin, noExceedances, withMargin, type Exceedances } from './lasting-evidence';

export interface Gathering<Channels = EventChannels> {
  event: AnomalyEvent;
  channels: Channels;
  opened: boolean;
  /** Whether the alarm budget kept the event from opening. */
  heldBack: boolean;
  /** Largest surprise of a record above its threshold, decades; infinite once a limit is violated. */
  margin: number;
  /** Number of records by margin. Absent in the state of older versions. */
  exceedances?: Exceedances;
  /** Peak surprise of the records before the newest half of `acceptAfter` anomalous records. */
  earlierPeak: number;
  /** Mark of the baseline of the device when the event began. Absent in the state of older versions. */
  mark?: readonly number[];
  /** Anomalous records in which the device was frozen. Absent in the state of older versions. */
  frozenRecords?: number;
  /** Whether its event is a part of an event of devices that froze together. */
  isPart?: boolean;
}

/** An event that begins with this record, but does not contain it yet. */
export function beginGathering(
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

/** Whether the gathering is an event, or would be one if the budget allowed it. */
export const isEvent = ({ opened, heldBack, isPart }: Gathering): boolean =>
  opened || heldBack || isPart === true;

/** Adds an anomalous record. */
export function extend(gathering: Gathering, detection: Detection): void {
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
  if (detection.origin.file !== undefined) event.peakFile = detection.origin.file;
}

/** Decades by which the gathering exceeds the bar for an event; no event opens while it is below 0. */
export function aboveBar(
  { event, margin, exceedances = noExceedances }: Gathering,
  bar: EventBar,
  { minRecords, minLengthMs }: Pick<EventPolicy, 'minRecords' | 'minLengthMs'>,
): number {
  if (event.anomalousRecords < minRecords || event.end - event.start < minLengthMs) return -Infinity;
  return Math.max(margin - bar.margin, lastingMargin(exceedances) - bar.lasting);
}

/** Growth of the peak surprise, decades, from which an event counts as another one. */
export const growth = 1;

/**
 * Whether an event no longer becomes more surprising: its peak in the newest half of `acceptAfter` records is hardly above the
 * earlier peak. Call after each record.
 */
export function isSteady(gathering: Gathering, acceptAfter: number): boolean {
  const { event, margin, earlierPeak } = gathering;
  const half = Math.ceil(acceptAfter / 2);
  if (half === 0 || margin === Infinity || event.anomalousRecords % half > 0) return false;
  gathering.earlierPeak = event.peakSurprise;
  return event.peakSurprise <= earlierPeak + growth && isEvent(gathering);
}

/** A copy of the event, which later records do not change. */
export function snapshotOf({ event, channels, heldBack }: Gathering): AnomalyEvent {
  return {
    ...event,
    status: heldBack ? 'held_back' : 'open',
    contributions: channels.contributions(),
    limits: channels.limits(),
  };
}

/** The devices and the time of an event, to compare with those of labels. */
export function spanOf({ key, keys = [key], start, end }: AnomalyEvent): LabelledSpan {
  return { keys, start, end };
}
