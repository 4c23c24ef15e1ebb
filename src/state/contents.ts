/** Contents of a partition's state, and their snapshots. */
import { isDeepStrictEqual } from 'node:util';
import { createEventTracker, type EventPolicy } from '../domain/event';
import { createWindowStore } from '../domain/window-store';
import type { Detector } from '../scoring/detector';
import { createVersionBaselines, type VersionBaselines } from './baselines';
import type { BaselinePolicy, StateRules } from './rules';
import type { BaselinesStart, PartitionSnapshot } from './snapshot';

export type Contents = ReturnType<typeof createContents>;

/**
 * @param beginning a snapshot, or the records before empty contents
 * @throws Error if the snapshot has windows of another shape
 */
export function createContents(
  { shape, windows, events }: Pick<StateRules, 'shape' | 'windows' | 'events'>,
  beginning: Pick<PartitionSnapshot, 'lost' | 'offset'> & Partial<PartitionSnapshot>,
) {
  const { lost, offset } = beginning;
  return {
    windows: createWindowStore(shape, windows, beginning.windows ?? (lost ? 'unknown' : 'empty')),
    events: createEventTracker(events, beginning.events),
    /** The policy that `events` follows. */
    policy: events,
    baselines: undefined as VersionBaselines | undefined,
    /** Restored baselines, until the model version that scores is known. */
    restoredBaselines: beginning.baselines,
    /** Whether records before these contents were scored elsewhere, but not read here. */
    lost,
    /** Labels that have not taken effect yet, in the order of their offsets. */
    labels: beginning.labels ?? [],
    /** Offset of the last processed message. */
    to: offset,
  };
}

/** Whether the baselines of both have followed the same version since the same offset. */
export function haveSameBaselines(a: Contents, b: Contents): boolean {
  const [one, other] = [a, b].map(({ baselines, restoredBaselines }) => baselines ?? restoredBaselines);
  return one?.version === other?.version && one?.from === other?.from;
}

export function takeSnapshot(contents: Contents): PartitionSnapshot {
  const { windows, events, baselines, restoredBaselines, lost, labels, to } = contents;
  return {
    offset: to,
    lost,
    windows: windows.snapshot(),
    events: events.snapshot(),
    baselines: baselines === undefined ? restoredBaselines : baselines.snapshot(),
    labels,
  };
}

/** Applies another event policy from the next record on. @param partitions that the alarm budget is divided over */
export function decideBy(contents: Contents, policy: EventPolicy, partitions: number): void {
  if (!isDeepStrictEqual(policy, contents.policy)) {
    contents.events = createEventTracker(policy, contents.events.snapshot());
    contents.events.divideBudget(partitions);
  }
  contents.policy = policy;
}

/** Parameters to follow a version with. */
export interface FollowingVersion {
  policy: BaselinePolicy;
  /** Offset of the first live message; undefined while unknown. */
  liveFrom: bigint | undefined;
  /** Called with the beginning of new baselines, so that a restart repeats it at the same record. */
  onBegin: (start: BaselinesStart) => void;
  onUnreadable: (err: unknown) => void;
}

/**
 * The baselines of a version: restored if they belong to it, otherwise those of its calibration; none before the first live
 * message.
 */
export function followVersion(
  contents: Contents,
  detector: Detector,
  { policy, liveFrom, onBegin, onUnreadable }: FollowingVersion,
): VersionBaselines | undefined {
  const { restored, afterLoss } = takeRestoredBaselines(contents, detector, policy, onUnreadable);
  if (restored !== undefined || liveFrom === undefined) return restored;
  const from = contents.to >= liveFrom ? contents.to : liveFrom - 1n;
  const devices = { keys: [], cells: new Float64Array() };
  const start = { version: detector.version, from, afterLoss, devices };
  onBegin(start);
  return createVersionBaselines(start, detector, policy);
}

/**
 * Takes the restored baselines if they belong to the version that scores, and drops others.
 * @returns `afterLoss`: whether new baselines lack records that this process has not read
 */
export function takeRestoredBaselines(
  contents: Contents,
  detector: Detector,
  policy: BaselinePolicy,
  onUnreadable: (err: unknown) => void,
): { restored?: VersionBaselines; afterLoss: boolean } {
  const { restoredBaselines: stored, baselines, lost } = contents;
  contents.restoredBaselines = undefined;
  // Baselines of another version are no loss, as those of this version begin here.
  if (stored?.version !== detector.version)
    return { afterLoss: stored === undefined && baselines === undefined && lost };
  try {
    return { restored: createVersionBaselines(stored, detector, policy), afterLoss: false };
  } catch (err) {
    onUnreadable(err);
    return { afterLoss: true };
  }
}
