/** What the API shows of a detector that runs, from its parts. */
import { eventPolicy } from '../config/calibration';
import type { DetectorSettings } from '../config/settings';
import { ModelVersionError } from '../errors';
import type { Mutes } from '../past/mutes';
import type { Past } from '../past/past';
import type { ScoringProcess } from '../past/processes';
import type { ModelStore } from '../store/model-store';
import { versionCreatedAt } from '../store/version-name';
import { compareVersions, listVersions } from '../store/versions';
import type { DetectorState, DetectorView } from '../web/api/detector-view';
import { messageOf } from '../system/error-text';
import { ApiError } from '../web/api/route';
import type { CanaryWatch } from './canary-watch';
import type { LabelWriter } from './label-writer';
import type { ModelLifecycle } from './model-lifecycle';
import type { ModelSlot } from './model-slot';
import type { Trials } from './trials';
import { createWhatIf } from './what-if';

export interface ViewParts {
  /** Those in force. */
  settings: () => Pick<DetectorSettings, 'calibration' | 'events' | 'window' | 'past'>;
  past: Past;
  slot: Pick<ModelSlot, 'current'>;
  canaries: Pick<CanaryWatch, 'live'>;
  store: Pick<ModelStore, 'list' | 'read' | 'current' | 'pinned' | 'unpin'>;
  isTraining: () => boolean;
  mutes: Mutes;
  labels: LabelWriter | undefined;
  /** Called after a label is written. */
  onLabelled: () => void;
  changes: Pick<ModelLifecycle, 'useVersion' | 'training'>;
  /** The processes that score, this one first. */
  processes: () => ScoringProcess[];
  trials: Pick<Trials, 'list' | 'progress'>;
  /** Unix ms. */
  now: () => number;
}

const dayMs = 86_400_000;

const sum = (processes: readonly ScoringProcess[], of: (one: ScoringProcess) => number): number =>
  processes.reduce((total, one) => total + of(one), 0);

export function createDetectorView(parts: ViewParts): DetectorView {
  const { settings, past, slot, canaries, store, trials } = parts;
  const whatIf = createWhatIf();
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
      const { eventsPerMs } = eventPolicy(settings());
      const processes = parts.processes();
      const since = parts.now() - dayMs;
      const today = past.events().filter(({ event }) => event.openedAt >= since);
      const heldBack = today.filter(({ event }) => event.status === 'held_back').length;
      const model = modelState();
      return {
        openEvents: sum(processes, ({ openEvents }) => openEvents),
        // Of a process that has died nothing comes.
        recordsPerSecond: sum(processes, (one) => (one.stale ? 0 : one.recordsPerSecond)),
        devices: sum(processes, ({ devices }) => devices),
        budget: {
          eventsPerDay: eventsPerMs === undefined ? null : eventsPerMs * dayMs,
          spentRatio: Math.max(0, ...processes.map(({ spentRatio }) => spentRatio)),
          openedToday: today.length - heldBack,
          heldBackToday: heldBack,
        },
        training: parts.isTraining(),
        processes,
        ...(model && { model }),
      };
    },
    whatIf: (target) =>
      whatIf(target, () => {
        const active = slot.current();
        if (active === undefined) throw new ApiError(409, 'there is no model in use yet');
        return { settings: settings(), past, version: active.detector.state };
      }),
    versions: () => listVersions(store, trials),
    trial: () => trials.progress(),
    async compare(...names) {
      try {
        return await compareVersions(store, trials, names);
      } catch (error) {
        if (error instanceof ModelVersionError) return undefined;
        throw error;
      }
    },
    staleSince: ({ by, event }) =>
      event.status === 'open'
        ? parts.processes().find(({ name, stale }) => stale && name === by)?.at
        : undefined,
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
