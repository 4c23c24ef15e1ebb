/** Reason for a training, and its outcome. */
import type { RetrainingFailure } from '../errors';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import { messageOf } from '../system/error-text';

/** Why a training was started. */
export type TrainingTrigger = 'cold start' | 'start' | 'schedule' | 'request' | 'drift';

export type TrainingOutcome =
  | { result: 'swapped'; version: string }
  /** The version scores in the shadow of the one in use. */
  | { result: 'on trial'; version: string }
  | { result: 'failed'; reason: RetrainingFailure; error: unknown }
  /**
   * No training was started: another one runs, the retrainer has been stopped, a version is pinned, or a version is on trial.
   */
  | { result: 'refused'; because: 'running' | 'stopped' | 'pinned' | 'on trial' };

/** @param elapsed s */
export function reportOutcome(
  outcome: Exclude<TrainingOutcome, { result: 'refused' }>,
  trigger: TrainingTrigger,
  elapsed: number,
  {
    observer,
    log,
  }: { observer: Pick<DetectorMetrics['training'], 'trainingEnded'>; log: Pick<Logger, 'info' | 'error'> },
): void {
  observer.trainingEnded(outcome.result === 'failed' ? outcome.reason : 'ok', elapsed);
  const seconds = Number(elapsed.toFixed(1));
  if (outcome.result !== 'failed') {
    const message = outcome.result === 'swapped' ? 'new model in use' : 'training ended';
    log.info(message, { trigger, seconds, version: outcome.version });
    return;
  }
  const { reason, error: err } = outcome;
  if (reason === 'lease') log.info('training left to another process', { trigger, reason: messageOf(err) });
  else if (reason === 'stopped') log.info('training stopped', { trigger, seconds });
  else log.error('training failed', { trigger, seconds, reason, err });
}
