/** Contents of a partition's state, and their snapshots. */
import { createEventTracker, type EventTracker } from '../domain/event';
import { createWindowStore, type WindowStore } from '../domain/window-store';
import type { VersionBaselines } from './baselines';
import type { StateRules } from './rules';
import type { BaselinesStart, PartitionSnapshot } from './snapshot';

export interface Contents {
  windows: WindowStore;
  events: EventTracker;
  baselines: VersionBaselines | undefined;
  /** Restored baselines, until the model version that scores is known. */
  restoredBaselines: BaselinesStart | undefined;
  /** Records before the first one of these contents were scored elsewhere, but not read here. */
  lost: boolean;
  /** Offset of the last processed message. */
  to: bigint;
}

type ContentRules = Pick<StateRules, 'shape' | 'windows' | 'events'>;

export function createContents(
  { shape, windows, events }: ContentRules,
  from: Pick<Contents, 'lost' | 'to'>,
): Contents {
  return {
    ...from,
    windows: createWindowStore(shape, windows, from.lost ? 'unknown' : 'empty'),
    events: createEventTracker(events),
    baselines: undefined,
    restoredBaselines: undefined,
  };
}

/** @throws Error when the snapshot has windows of another shape */
export function restoreContents(
  { shape, windows, events }: ContentRules,
  snapshot: PartitionSnapshot,
): Contents {
  return {
    windows: createWindowStore(shape, windows, snapshot.windows),
    events: createEventTracker(events, snapshot.events),
    baselines: undefined,
    restoredBaselines: snapshot.baselines,
    lost: snapshot.lost,
    to: snapshot.offset,
  };
}

export function takeSnapshot({
  windows,
  events,
  baselines,
  restoredBaselines,
  lost,
  to,
}: Contents): PartitionSnapshot {
  return {
    offset: to,
    lost,
    windows: windows.snapshot(),
    events: events.snapshot(),
    baselines: baselines === undefined ? restoredBaselines : baselines.snapshot(),
  };
}
