/** Contents of a partition's state, and their snapshots. */
import { createEventTracker } from '../domain/event';
import { createWindowStore } from '../domain/window-store';
import type { VersionBaselines } from './baselines';
import type { StateRules } from './rules';
import type { PartitionSnapshot } from './snapshot';

export type Contents = ReturnType<typeof createContents>;

/**
 * @param beginning a snapshot, or, for empty contents, what precedes them
 * @throws Error when the snapshot has windows of another shape
 */
export function createContents(
  { shape, windows, events }: Pick<StateRules, 'shape' | 'windows' | 'events'>,
  beginning: Pick<PartitionSnapshot, 'lost' | 'offset'> & Partial<PartitionSnapshot>,
) {
  const { lost, offset } = beginning;
  return {
    windows: createWindowStore(shape, windows, beginning.windows ?? (lost ? 'unknown' : 'empty')),
    events: createEventTracker(events, beginning.events),
    /** Of `events`. */
    policy: events,
    baselines: undefined as VersionBaselines | undefined,
    /** Restored baselines, until the model version that scores is known. */
    restoredBaselines: beginning.baselines,
    /** Records before the first one of these contents were scored elsewhere, but not read here. */
    lost,
    /** Labels that have not taken effect yet, in the order of their offsets. */
    labels: beginning.labels ?? [],
    /** Offset of the last processed message. */
    to: offset,
  };
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
