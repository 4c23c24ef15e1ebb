/** Devices with a recent anomaly, and those for which an event has just closed. */
import type { AnomalyEvent } from './anomaly-event';
import { createEventChannels, type EventChannelsSnapshot } from './event-channels';
import { isEvent, snapshotOf, type Gathering } from './gathering';
import { copySuspicion, type RecordFacts, type Suspicion } from './suspicion';

/** By key, in the order of their last record. */
export type SuspicionsSnapshot = readonly (readonly [
  key: string,
  suspicion: Suspicion<EventChannelsSnapshot>,
])[];

type Entries = readonly (readonly [key: string, suspicion: Suspicion])[];
const none: Entries = [];

/** By key, in the order of their last record. */
export class Suspicions extends Map<string, Suspicion> {
  /** No key has been silent since before this event time of the partition, Unix ms. */
  private heardSince = -Infinity;

  /** @param silenceMs a device without a record for longer than this is no longer suspicious */
  constructor(
    private readonly silenceMs: number,
    beginning?: SuspicionsSnapshot,
  ) {
    super(beginning?.map(([key, suspicion]) => [key, copySuspicion(suspicion, createEventChannels)]));
  }

  /** Adds the suspicion of a key that has sent a record now. */
  putLast(key: string, suspicion: Suspicion): void {
    this.delete(key);
    this.set(key, suspicion);
  }

  /**
   * Suspicions of keys that have sent no record for too long, at event time `clock` of the partition. The caller deletes them.
   */
  silent(clock: number): Entries {
    // Fast path: this runs for every record.
    return clock - this.heardSince <= this.silenceMs ? none : this.findSilent(clock);
  }

  private findSilent(clock: number): Entries {
    const silent: [string, Suspicion][] = [];
    this.heardSince = clock;
    for (const [key, suspicion] of this) {
      if (clock - suspicion.heardAt <= this.silenceMs) {
        this.heardSince = suspicion.heardAt;
        break;
      }
      silent.push([key, suspicion]);
    }
    return silent;
  }

  /** Gatherings that are events of one device. */
  own(): Gathering[] {
    return [...this.values()].flatMap(({ gathering }) =>
      gathering !== undefined && isEvent(gathering) && gathering.isPart !== true ? [gathering] : [],
    );
  }

  /** The present state of the event of a device. The device must have one. */
  eventOf(key: string): AnomalyEvent {
    return snapshotOf(this.get(key)!.gathering!);
  }

  snapshot(): SuspicionsSnapshot {
    return [...this].map(([key, one]) => [key, copySuspicion(one, (channels) => channels.snapshot())]);
  }
}

/** By key, the event time until which no event opens, because one has just closed, Unix ms. */
export class Suppressed extends Map<string, number> {
  /** Number of anomalous records so far that belong to no event because of this. */
  records = 0;

  /** Whether a record comes too early after an event to belong to another one. */
  covers({ key, timestamp }: RecordFacts, anomalous: boolean): boolean {
    const until = this.get(key);
    if (until === undefined) return false;
    if (timestamp > until) {
      this.delete(key);
      return false;
    }
    if (anomalous) this.records++;
    return true;
  }

  /** Removes keys whose time is over. @param clock event time of the partition, Unix ms */
  expire(clock: number): void {
    // Fast path: this runs for every record.
    if (this.size === 0) return;
    for (const [key, until] of this) {
      if (until >= clock) break;
      this.delete(key);
    }
  }
}
