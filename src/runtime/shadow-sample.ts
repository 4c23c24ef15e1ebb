/** Results of two versions on the same records: the alarms of both, and pairs of surprises from the whole time. */
import type { TrialEvidence } from '../calibration/gates';
import type { WitnessedRecord } from '../domain/witnessed-record';

type Found = Pick<WitnessedRecord, 'partition' | 'key' | 'timestamp' | 'surprise' | 'anomalous'>;

/** Maximum number of pairs of surprises. If there are more, every second one is dropped. */
const mostPairs = 2000;

export class ShadowSample {
  readonly evidence = {
    records: 0,
    alarms: { inUse: 0, shadow: 0 },
    surprises: [] as [number, number][],
  } satisfies TrialEvidence['sample'];
  private every = 1;
  /** Results of the version in use, by `idOf` the record. */
  private scored = new Map<string, Pick<Found, 'surprise' | 'anomalous'>>();

  /** Adds the result of the version in use for a record. */
  expect({ partition, key, timestamp, surprise, anomalous }: Found): void {
    this.scored.set(idOf(partition, key, timestamp), { surprise, anomalous });
  }

  /** Adds the result of the version in the shadow for a record. A record that is not expected is ignored. */
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

  /** Removes a record from those that are expected. */
  forget(partition: number, key: string, timestamp: number): void {
    this.scored.delete(idOf(partition, key, timestamp));
  }

  /** Removes all records from those that are expected. */
  forgetAll(): void {
    this.scored = new Map();
  }
}

function idOf(partition: number, key: string, timestamp: number): string {
  return `${partition} ${timestamp} ${key}`;
}
