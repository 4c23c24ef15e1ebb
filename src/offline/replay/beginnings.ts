/** Finds, from the recorded detections, where in a partition a version came into use: its baselines follow the records from there on. */
import type { RecordedDetections } from './recorded';

export interface Beginning {
  /** Offset of the first record that the version may have scored. */
  offset: bigint;
  /**
   * Whether the version scored that record, and all that follow: false where records between the detections of two versions
   * have none, or where the version came into use twice.
   */
  isExact: boolean;
}

/** By version, then by partition; without those that score the first records of the range. */
export type Beginnings = ReadonlyMap<string, ReadonlyMap<number, Beginning>>;

/** @param origins of the records, `partition/offset`, of each partition in order */
export function beginningsOf(origins: readonly string[], recorded: RecordedDetections): Beginnings {
  const beginnings = new Map<string, Map<number, Beginning>>();
  /** Versions seen in the partition. */
  const seen = new Set<string>();
  let partition = -1;
  let current: { version: string; offset: bigint; place: number } | undefined;
  origins.forEach((origin, place) => {
    const [ofOrigin, offset] = origin.split('/') as [string, string];
    if (Number(ofOrigin) !== partition) {
      partition = Number(ofOrigin);
      current = undefined;
      seen.clear();
    }
    const version = recorded.get(origin)?.at(-1)?.modelVersion;
    if (version === undefined) return;
    if (current !== undefined && current.version !== version) {
      const beginning = { offset: current.offset + 1n, isExact: place === current.place + 1 };
      const ofVersion = beginnings.get(version) ?? new Map<number, Beginning>();
      const again = { offset: ofVersion.get(partition)?.offset ?? 0n, isExact: false };
      beginnings.set(version, ofVersion.set(partition, seen.has(version) ? again : beginning));
    }
    seen.add(version);
    current = { version, offset: BigInt(offset), place };
  });
  return beginnings;
}
