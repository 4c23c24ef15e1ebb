/** Metrics of training. */
import { retrainingFailures, type RetrainingFailure } from '../errors';
import { combined, counterBy, fixedLabel, flag, histogram } from './recorder';

/** Seconds. */
const trainingBuckets = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];
const results = ['ok', ...retrainingFailures] as const;

export const trainingMetrics = {
  training: combined(
    {
      running: flag('vaemon_training_running', 'Whether a training is in progress.'),
      ended: counterBy(
        'vaemon_trainings_total',
        'Trainings that ended, by result.',
        fixedLabel('result', results),
      ),
      duration: histogram(
        'vaemon_training_duration_seconds',
        'Duration of a training, whatever its result.',
        trainingBuckets,
      ),
    },
    ({ running, ended, duration }) => ({
      trainingStarted: () => running(true),
      trainingEnded(result: 'ok' | RetrainingFailure, seconds: number) {
        running(false);
        ended(result);
        duration(seconds);
      },
    }),
  ),
  leaseHeld: flag(
    'vaemon_training_lease_held',
    'Whether this process holds the lease to publish model versions; at most one process of a store does.',
  ),
};
