/** What the API shows of a detector that runs, from its parts. */
import { eventPolicy } from '../config/calibration';
import type { DetectorSettings } from '../config/settings';
import { ModelVersionError } from '../errors';
import type { Past } from '../past/past';
import type { PartitionStates } from '../state/partitions';
import type { ModelStore } from '../store/model-store';
import { versionCreatedAt } from '../store/version-name';
import type { DetectorState, DetectorView } from '../web/api/detector-view';
import type { CanaryWatch } from './canary-watch';
import type { ModelSlot } from './model-slot';

export interface ViewParts {
  settings: Pick<DetectorSettings, 'calibration' | 'events' | 'window'>;
  past: Past;
  states: Pick<PartitionStates, 'partitions'>;
  slot: Pick<ModelSlot, 'current'>;
  canaries: Pick<CanaryWatch, 'live'>;
  store: Pick<ModelStore, 'list' | 'read'>;
  isTraining: () => boolean;
  recordsPerSecond: () => number;
  /** Unix ms. */
  now: () => number;
}

const dayMs = 86_400_000;

export function createDetectorView(parts: ViewParts): DetectorView {
  const { settings, past, states, slot, canaries, store } = parts;
  const { eventsPerMs } = eventPolicy(settings);

  function modelState(): DetectorState['model'] {
    const active = slot.current();
    if (active === undefined) return undefined;
    const { detector, threshold, drift, power: trained, coldStart = false } = active;
    const live = canaries.live();
    return {
      version: detector.version,
      createdAt: Date.parse(versionCreatedAt(detector.version)),
      threshold,
      coldStart,
      drift: { active: drift?.active === true, evidenceRatio: drift?.evidenceRatio ?? 0 },
      power: { ...(trained && { trained }), ...(live && { live }) },
    };
  }

  return {
    past,
    now: parts.now,
    state() {
      const { partitions } = states;
      const since = parts.now() - dayMs;
      const today = past.events().filter(({ event }) => event.openedAt >= since);
      const heldBack = today.filter(({ event }) => event.status === 'held_back').length;
      const model = modelState();
      return {
        openEvents: partitions.reduce((sum, { events }) => sum + events.open, 0),
        recordsPerSecond: parts.recordsPerSecond(),
        devices: partitions.reduce((sum, { windows }) => sum + windows.size, 0),
        budget: {
          eventsPerDay: eventsPerMs === undefined ? null : eventsPerMs * dayMs,
          spentRatio: Math.max(0, ...partitions.map(({ events }) => events.budgetSpentRatio)),
          openedToday: today.length - heldBack,
          heldBackToday: heldBack,
        },
        training: parts.isTraining(),
        ...(model && { model }),
      };
    },
    versions: () => store.list(),
    async report(version) {
      try {
        const { files } = await store.read(version);
        const report = files.get('report.json');
        return report && (JSON.parse(Buffer.from(report).toString()) as Record<string, unknown>);
      } catch (error) {
        if (error instanceof ModelVersionError) return undefined;
        throw error;
      }
    },
  };
}
