/** What two versions have found in the same records: the alarms of both, and pairs of surprises from all of the time. */
import type { TrialEvidence } from '../calibration/gates';
import type { WitnessedRecord } from '../domain/witnessed-record';

type Found = Pick<WitnessedRecord, 'partition' | 'key' | 'timestamp' | 'surprise' | 'anomalous'>;

/** Largest number of pairs of surprises that are kept: every second one is dropped when there are more. */
const mostPairs = 2000;

export class ShadowSample {
  readonly evidence = {
    records: 0,
    alarms: { inUse: 0, shadow: 0 },
    surprises: [] as [number, number][],
  } satisfies TrialEvidence['sample'];
  private every = 1;
  /** Records as the version in use has scored them, by `idOf`. */
  private scored = new Map<string, Pick<Found, 'surprise' | 'anomalous'>>();

  /** Takes a record that the version in use has scored. */
  expect({ partition, key, timestamp, surprise, anomalous }: Found): void {
    this.scored.set(idOf(partition, key, timestamp), { surprise, anomalous });
  }

  /** Takes a record that the version in the shadow has scored. One that is not expected does not count. */
  compare({ partition, key, timestamp, surprise, anomalous }: Found): void {
    const inUse = this.scored.get(idOf(partition, key, timestamp));
    if (inUse === undefined) return;
    const { evidence } = this;
    evidence.records++;
    if (inUse.anomalous) evidence.alarms.inUse++;
    if (anomalous) evidence.alarms.shadow++;
    if (evidence.records % this.every !== 0) return;
    evidence.surprises.push([inUse.surprise, surprise]);
    if (evidence.surprises.length < mostPairs) return;
    evidence.surprises = evidence.surprises.filter((_, i) => i % 2 === 1);
    this.every *= 2;
  }

  /** A record is no longer expected. */
  forget(partition: number, key: string, timestamp: number): void {
    this.scored.delete(idOf(partition, key, timestamp));
  }

  /** Nothing is expected from now on. */
  forgetAll(): void {
    this.scored = new Map();
  }
}

function idOf(partition: number, key: string, timestamp: number): string {
  return `${partition} ${timestamp} ${key}`;
}
