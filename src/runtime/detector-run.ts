/** The run of a composed detector: it obtains a model, then receives records until its source ends. */
import type { DaemonSettings } from '../config/settings';
import type { DetectorMetrics } from '../metrics/metrics';
import { aborted } from '../system/pause';
import type { Clock } from './clock';
import type { Labels } from './labels';
import type { ModelLifecycle } from './model-lifecycle';
import type { Readiness } from './readiness';

export interface RunParts {
  role: DaemonSettings['role'];
  models: Pick<ModelLifecycle, 'obtainFirst' | 'endColdStart'> & {
    training: Pick<ModelLifecycle['training'], 'startSchedule'>;
    trials: Pick<ModelLifecycle['trials'], 'refresh'>;
  };
  labels: Pick<Labels, 'refresh'>;
  readiness: Pick<Readiness, 'running' | 'report'>;
  metrics: Pick<DetectorMetrics, 'ready'>;
  clock: Pick<Clock, 'end'>;
  /** Delivers records to the pipeline, until the source ends or is stopped. */
  deliver: () => Promise<void>;
  /** Aborted when the daemon begins to stop. */
  stopping: AbortSignal;
  /** Aborted, with the error, when the pipeline accepts no further batch. */
  broken: AbortSignal;
}

/** Resolves when the source has ended, or when the daemon stops; rejects on an error that the detector cannot recover from. */
export async function runDetector(parts: RunParts): Promise<void> {
  const { role, models, labels, readiness, metrics, clock, deliver, stopping, broken } = parts;
  await models.obtainFirst();
  if (stopping.aborted) return;
  readiness.running();
  metrics.ready(() => readiness.report().ready);
  await models.trials.refresh();
  models.training.startSchedule();
  void models.endColdStart();
  if (role === 'train') {
    await aborted(stopping);
    return;
  }
  await labels.refresh();
  await Promise.race([deliver(), aborted(broken).then((error) => Promise.reject(error as Error))]);
  clock.end();
}
