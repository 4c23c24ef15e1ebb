/** State of a device with a recent anomaly: whether it is anomalous, quiet again, or has a new normal. */
import type { EventEnding } from './anomaly-event';
import type { Detection } from './detection';
import type { EventChannels } from './event-channels';
import type { EventPolicy } from './event-policy';
import { beginGathering, extend, growth, type Gathering } from './gathering';

/** State of a key with a recent anomaly; other keys have none. */
export interface Suspicion<Channels = EventChannels> {
  /** The anomalous records among the last `openWindow`, oldest first, with the number of records since. */
  recent: { detection: Detection; age: number }[];
  gathering: Gathering<Channels> | undefined;
  /** Peak surprise of an accepted event that is not over. */
  accepted?: number | undefined;
  /** Successive normal records that have a value of each odd channel. */
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

export type RecordFacts = Pick<Detection, 'key' | 'timestamp' | 'missing'>;

/** The suspicion of a device that has none yet. @param clock event time of the detector, Unix ms */
export function beginSuspicion(timestamp: number, clock: number): Suspicion {
  return {
    recent: [],
    gathering: undefined,
    quietRecords: 0,
    countedAt: timestamp,
    newest: timestamp,
    heardAt: clock,
  };
}

/**
 * Updates a suspicion by a record: its event ends, or the record joins the anomalous records of the device, or nothing changes,
 * as for a record of an accepted event.
 * @param detection of the record, if it is anomalous
 * @param clock event time of the partition, Unix ms
 * @param mark of the baseline of the device
 */
export function advance(
  suspicion: Suspicion,
  heard: RecordFacts,
  detection: Detection | undefined,
  clock: number,
  mark: () => readonly number[],
  policy: EventPolicy,
): EventEnding | 'gathered' | 'waiting' {
  const quietBefore = suspicion.quietRecords;
  hearRecord(suspicion, heard, detection, clock);
  // A record without a value of an odd channel counts neither as anomalous nor as normal. After one normal value of the
  // channel it counts as normal for the next event, but not for the end of this one.
  const { countedAt = heard.timestamp, quietRecords, gathering, accepted: peak } = suspicion;
  const isOpen = quietRecords === 0 || gathering !== undefined || peak !== undefined;
  if (detection === undefined && quietRecords === quietBefore && isOpen)
    return heard.timestamp - countedAt > policy.silenceMs ? 'silence' : 'waiting';
  suspicion.countedAt = heard.timestamp;
  if (isAccepted(suspicion, detection, policy.closeAfter)) return 'waiting';
  suspicion.accepted = undefined;
  if (gathering === undefined) {
    suspicion.gathering = gather(suspicion, detection, mark, policy);
    if (suspicion.gathering === undefined) return suspicion.recent.length === 0 ? 'quiet' : 'waiting';
  } else if (detection !== undefined) extend(gathering, detection);
  else if (quietRecords >= policy.closeAfter) return 'quiet';
  return detection === undefined ? 'waiting' : 'gathered';
}

function hearRecord(
  suspicion: Suspicion,
  { timestamp, missing = [] }: RecordFacts,
  detection: Detection | undefined,
  clock: number,
): void {
  suspicion.newest = timestamp;
  suspicion.heardAt = clock;
  const { oddChannels: odd = [] } = suspicion;
  if (detection === undefined) {
    suspicion.oddChannels = odd.map(([channel, values]) => [
      channel,
      values + (missing.includes(channel) ? 0 : 1),
    ]);
    // Records without a value of a channel do not show that the channel is normal.
    suspicion.quietRecords = suspicion.oddChannels.reduce(
      (least, [, values]) => Math.min(least, values),
      suspicion.quietRecords + 1,
    );
  } else {
    const channels = new Set([...odd.map(([channel]) => channel), ...leadingChannels(detection)]);
    suspicion.oddChannels = Array.from(channels, (channel) => [channel, 0]);
    suspicion.quietRecords = 0;
  }
}

/** Begins a gathering once enough of the last records are anomalous. */
function gather(
  suspicion: Suspicion,
  detection: Detection | undefined,
  mark: () => readonly number[],
  policy: Pick<EventPolicy, 'openRecords' | 'openWindow'>,
): Gathering | undefined {
  for (const seen of suspicion.recent) seen.age++;
  suspicion.recent = suspicion.recent.filter((seen) => seen.age < policy.openWindow);
  if (detection !== undefined) suspicion.recent.push({ detection, age: 0 });
  if (suspicion.recent.length < policy.openRecords) return undefined;
  const gathering = beginGathering(suspicion.recent[0]!.detection, mark());
  for (const seen of suspicion.recent) extend(gathering, seen.detection);
  suspicion.recent = [];
  return gathering;
}

/** Whether the record belongs to an event that was accepted. */
function isAccepted(suspicion: Suspicion, detection: Detection | undefined, closeAfter: number): boolean {
  if (suspicion.accepted === undefined) return false;
  if (detection === undefined) return suspicion.quietRecords < closeAfter;
  return detection.limits.length === 0 && detection.surprise <= suspicion.accepted + growth;
}

/** The channels beyond a limit, or else the most unusual one. */
function leadingChannels({ limits, contributions }: Detection): string[] {
  if (contributions[0]?.region !== undefined) return [];
  return contributions.slice(0, Math.max(1, limits.length)).map(({ channel }) => channel);
}

/** A deep copy, to or from a snapshot. */
export function copySuspicion<From, To>(
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
