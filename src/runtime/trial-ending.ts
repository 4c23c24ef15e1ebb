/** Ends a trial in the store, in the metrics and in the log. */
import type { Gate } from '../calibration/gates';
import type { DetectorSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { Trial, TrialStore } from '../store/trials';
import type { Clock } from './clock';
import type { Ending } from './trial-verdict';

export interface EndingParts {
  /** Settings in force. */
  settings: () => DetectorSettings['training']['challenger'];
  clock: Pick<Clock, 'now'>;
  trials: TrialStore;
  metrics: Pick<DetectorMetrics, 'trial'>;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
}

export interface TrialEnd {
  as: Ending;
  gates: readonly Gate[];
  /** Reason for the end, if it is not a gate. */
  reason?: string;
}

export const endings: Record<Ending, string> = {
  promoted: 'model version passed its gates: it is in use',
  refused: 'model version refused: it fails a gate; the previous one stays in use',
  kept: 'model version stays in use: its trial is over',
  rolled_back: 'model version rolled back: it fails a gate; the previous one is in use again',
  withdrawn: 'trial of a model version ended without a result',
};

/** Ends the present phase of a trial. A promoted version stays on trial, unless it is not watched. */
export async function endTrial(
  trial: Trial,
  { as, gates, reason }: TrialEnd,
  parts: EndingParts,
): Promise<void> {
  const { settings, clock, trials, metrics, log } = parts;
  const state = as === 'promoted' && settings().rollbackWithinMs === 0 ? 'kept' : as;
  const { version, before } = trial;
  const because = reason !== undefined && { reason };
  await trials.put({ ...trial, state, since: clock.now(), changedAt: Date.now(), gates, ...because });
  metrics.trial.ended(as);
  const failed = gates.filter(({ passed }) => !passed).map(({ gate, text }) => `${gate}: ${text}`);
  const isBad = as === 'refused' || as === 'rolled_back';
  log[isBad ? 'warn' : 'info'](endings[as], {
    version,
    before,
    ...(failed.length > 0 && { failed }),
    ...because,
  });
  await trials.clearReports();
}
