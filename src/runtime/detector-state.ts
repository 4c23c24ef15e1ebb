/** The state of a detector, summed over the processes that score it. */
import type { PastEvent } from '../past/past-event';
import type { ScoringProcess } from '../past/processes';
import type { ActiveDetector } from '../pipeline/pipeline';
import type { DetectionPower } from '../scoring/detection-power';
import { versionCreatedAt } from '../store/version-name';
import type { DetectorState } from '../web/api/detector-view';

const dayMs = 86_400_000;

export interface StateParts {
  /** The processes that score, beginning with this one. */
  processes: ScoringProcess[];
  /** Events that are still kept. */
  events: readonly PastEvent[];
  /** Alarm budget; undefined without one. */
  eventsPerMs: number | undefined;
  /** The version in use, if there is one, and its detection power in live records, if known. */
  active: ActiveDetector | undefined;
  livePower: DetectionPower | undefined;
  training: boolean;
  /** Unix ms. */
  now: number;
}

export function detectorState(parts: StateParts): DetectorState {
  const { processes, eventsPerMs, active, livePower, training, now } = parts;
  const sum = (of: (one: ScoringProcess) => number): number =>
    processes.reduce((total, one) => total + of(one), 0);
  const today = parts.events.filter(({ event }) => event.openedAt >= now - dayMs);
  const heldBack = today.filter(({ event }) => event.status === 'held_back').length;
  return {
    openEvents: sum(({ openEvents }) => openEvents),
    // A stale process has died, so it receives no records.
    recordsPerSecond: sum((one) => (one.stale ? 0 : one.recordsPerSecond)),
    devices: sum(({ devices }) => devices),
    budget: {
      eventsPerDay: eventsPerMs === undefined ? null : eventsPerMs * dayMs,
      spentRatio: Math.max(0, ...processes.map(({ spentRatio }) => spentRatio)),
      openedToday: today.length - heldBack,
      heldBackToday: heldBack,
    },
    training,
    processes,
    ...(active && { model: modelState(active, livePower) }),
  };
}

function modelState(
  { detector, threshold, drift, power: trained, coldStart = false }: ActiveDetector,
  live: DetectionPower | undefined,
): NonNullable<DetectorState['model']> {
  return {
    version: detector.version,
    createdAt: Date.parse(versionCreatedAt(detector.version)),
    threshold,
    coldStart,
    drift: { active: drift?.active === true, evidenceRatio: drift?.evidenceRatio ?? 0 },
    power: { ...(trained && { trained }), ...(live && { live }) },
  };
}
