/** What the API shows of a detector that runs, from its parts. */
import { eventPolicy } from '../config/calibration';
import type { DetectorSettings } from '../config/settings';
import { ModelVersionError } from '../errors';
import type { Mutes } from '../past/mutes';
import type { Past } from '../past/past';
import type { PartitionStates } from '../state/partitions';
import type { ModelStore } from '../store/model-store';
import { versionCreatedAt } from '../store/version-name';
import type { DetectorState, DetectorView } from '../web/api/detector-view';
import { messageOf } from '../system/error-text';
import { ApiError } from '../web/api/route';
import type { CanaryWatch } from './canary-watch';
import type { LabelWriter } from './label-writer';
import type { ModelLifecycle } from './model-lifecycle';
import type { ModelSlot } from './model-slot';
import { supposeTarget } from './what-if';

export interface ViewParts {
  /** Those in force. */
  settings: () => Pick<DetectorSettings, 'calibration' | 'events' | 'window' | 'past'>;
  past: Past;
  states: Pick<PartitionStates, 'partitions'>;
  slot: Pick<ModelSlot, 'current'>;
  canaries: Pick<CanaryWatch, 'live'>;
  store: Pick<ModelStore, 'list' | 'read' | 'current' | 'pinned' | 'unpin'>;
  isTraining: () => boolean;
  mutes: Mutes;
  labels: LabelWriter | undefined;
  /** Called after a label is written. */
  onLabelled: () => void;
  changes: Pick<ModelLifecycle, 'useVersion' | 'training'>;
  recordsPerSecond: () => number;
  /** Unix ms. */
  now: () => number;
}

const dayMs = 86_400_000;

export function createDetectorView(parts: ViewParts): DetectorView {
  const { settings, past, states, slot, canaries, store } = parts;
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
      const { eventsPerMs } = eventPolicy(settings());
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
    whatIf(target) {
      const active = slot.current();
      if (active === undefined) throw new ApiError(409, 'there is no model in use yet');
      return supposeTarget(target, { settings: settings(), past, version: active.detector.state });
    },
    async versions() {
      const pinned = await store.pinned();
      return (await store.list()).map((one) => ({ ...one, pinned: one.version === pinned }));
    },
    mutes: parts.mutes,
    async label({ event }, label, note) {
      if (parts.labels === undefined)
        throw new ApiError(
          409,
          'labels have no place',
          'set training.labels.file or training.labels.topic, so that trainings read them',
        );
      const { id, key, keys = [key], start, end } = event;
      const { labels } = parts;
      const labelled = await past
        .label(id, { label, note, at: Date.now() }, () => labels.write({ id, keys, start, end, label, note }))
        .catch((error: unknown) => {
          throw new ApiError(503, 'the label could not be written', messageOf(error));
        });
      if (labelled === undefined)
        throw new ApiError(409, 'someone else has labelled the event', 'look at the event again');
      parts.onLabelled();
      return labelled;
    },
    async train() {
      const version = slot.current()?.detector.version;
      if (version === undefined) throw new ApiError(409, 'there is no model in use yet');
      if (parts.isTraining()) throw new ApiError(409, 'a training is running');
      const pinned = await store.pinned();
      if (pinned !== undefined) throw new ApiError(409, `version ${pinned} is pinned`, 'unpin it first');
      return parts.changes.training.trainNow(version);
    },
    async use(version, pin, expected) {
      const current = await store.current();
      if (current !== expected)
        throw new ApiError(
          409,
          `the current version is ${current}, not ${expected}`,
          'look at the versions again',
        );
      if (parts.isTraining())
        throw new ApiError(409, 'a training is running', 'it would replace the version: wait for its end');
      try {
        await parts.changes.useVersion(version, pin);
      } catch (error) {
        if (error instanceof ModelVersionError)
          throw new ApiError(409, `version ${version} is unusable`, error.message);
        throw error;
      }
    },
    unpin: () => store.unpin(),
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
