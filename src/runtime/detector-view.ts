/** The data of a running detector for the API. */
import { eventPolicy } from '../config/calibration';
import type { DetectorSettings } from '../config/settings';
import { ModelVersionError } from '../errors';
import type { ScoringProcess } from '../past/processes';
import type { ModelStore } from '../store/model-store';
import { compareVersions, listVersions } from '../store/versions';
import type { DetectorView } from '../web/api/detector-view';
import { ApiError } from '../web/api/route';
import type { CanaryWatch } from './canary-watch';
import { createDetectorChanges, type ChangesParts } from './detector-changes';
import { detectorState } from './detector-state';
import type { ReportedEvents } from './reported-events';
import type { Trials } from './trials';
import { createWhatIf } from './what-if';

export interface ViewParts extends Omit<ChangesParts, 'past'> {
  /** Settings in force. */
  settings: () => Pick<DetectorSettings, 'calibration' | 'events' | 'window' | 'past'>;
  events: Pick<ReportedEvents, 'past' | 'mutes' | 'now'>;
  /** The processes that score, beginning with this one. */
  processes: { list: () => ScoringProcess[] };
  models: ChangesParts['models'] & {
    store: Pick<ModelStore, 'list' | 'read'>;
    canaries: Pick<CanaryWatch, 'live'>;
    trials: Pick<Trials, 'list' | 'progress'>;
  };
}

export function createDetectorView(parts: ViewParts): DetectorView {
  const { settings, events, processes, models } = parts;
  const { past, mutes, now } = events;
  const { slot, store, canaries, trials, training } = models;
  const whatIf = createWhatIf();

  return {
    past,
    mutes,
    now,
    state: () =>
      detectorState({
        processes: processes.list(),
        events: past.events(),
        eventsPerMs: eventPolicy(settings()).eventsPerMs,
        active: slot.current(),
        livePower: canaries.live(),
        training: training.isRunning(),
        now: now(),
      }),
    whatIf: (target) =>
      whatIf(target, () => {
        const active = slot.current();
        if (active === undefined) throw new ApiError(409, 'there is no model in use yet');
        return { settings: settings(), past, version: active.detector.state };
      }),
    versions: () => listVersions(store, trials),
    trial: () => trials.progress(),
    compare: (...names) => unlessUnusable(compareVersions(store, trials, names)),
    staleSince: ({ by, event }) =>
      event.status === 'open'
        ? processes.list().find(({ name, stale }) => stale && name === by)?.at
        : undefined,
    async report(version) {
      const report = (await unlessUnusable(store.read(version)))?.files.get('report.json');
      return report && (JSON.parse(Buffer.from(report).toString()) as Record<string, unknown>);
    },
    ...createDetectorChanges({ past, labels: parts.labels, models }),
  };
}

/** The result; undefined if a version is missing or damaged. */
function unlessUnusable<T>(work: Promise<T>): Promise<T | undefined> {
  return work.catch((error: unknown) => {
    if (error instanceof ModelVersionError) return undefined;
    throw error;
  });
}
