/** When a detector trains: at the start, on schedule, on drift, and at the request of a process that only scores. */
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { ActiveDetector } from '../pipeline/pipeline';
import type { ModelStore } from '../store/model-store';
import type { Clock } from './clock';
import type { Retrainer } from './retrainer';
import type { TrainingOutcome, TrainingTrigger } from './training-outcome';
import { createSchedule, type Schedule } from './schedule';
import type { TrainingRequests } from './training-request';

export interface TrainingOptions {
  role: DaemonSettings['role'];
  /** Settings in force. */
  settings: () => Pick<
    DetectorSettings['training'],
    'schedule' | 'timeZone' | 'jitterMs' | 'onDrift' | 'onDriftAfterMs'
  >;
  retrainer: Retrainer;
  clock: Clock;
  requests: Pick<TrainingRequests, 'request' | 'take'>;
  store: Pick<ModelStore, 'current'>;
  metrics: Pick<DetectorMetrics, 'driftStarted'>;
  onEnd: (outcome: TrainingOutcome) => void;
  /** Aborted when the daemon begins to stop: no training starts from then on. */
  stopping: AbortSignal;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
}

export function createTraining(options: TrainingOptions) {
  const { role, settings, retrainer, clock, requests, store, metrics, onEnd, stopping, log } = options;
  let schedule: Schedule | undefined;
  stopping.addEventListener('abort', () => schedule?.stop());
  /** The model whose drift has been reported already. */
  let drifted: ActiveDetector['detector'] | undefined;
  /** Time of the last training for drift, or of the last request for one. */
  let driftTrainingAt = -Infinity;

  async function train(trigger: TrainingTrigger): Promise<TrainingOutcome> {
    const isFirst = !retrainer.running();
    const outcome = retrainer.train(trigger);
    // No records are delivered before the first model, so the clock cannot follow the training.
    if (isFirst && trigger !== 'start' && trigger !== 'cold start') clock.trainingRequested(outcome);
    onEnd(await outcome);
    return outcome;
  }

  /** Trains, or requests a training from the process that trains, as that process may not have observed the drift. */
  async function trainSomewhere(trigger: 'drift' | 'request', version: string): Promise<void> {
    const outcome = await train(trigger);
    if (outcome.result === 'failed' && outcome.reason === 'lease')
      await requestTraining(version, trigger === 'request');
  }

  async function requestTraining(version: string, byPerson = false): Promise<void> {
    await requests.request(version, byPerson).catch((err: unknown) => {
      log.warn('training could not be requested', { err });
    });
  }

  function follow(): void {
    schedule?.stop();
    if (stopping.aborted) return;
    const { schedule: cron, timeZone, jitterMs } = settings();
    schedule = createSchedule({
      cron,
      timeZone,
      jitterMs,
      clock,
      onDue: () => train('schedule'),
      onSkipped: () => log.warn('scheduled training skipped: the previous one is still running'),
      onSetBack: (ms) =>
        log.warn('the clock was set back: the next training is planned again', {
          seconds: Math.round(ms / 1000),
        }),
      onError: (err) => log.error('scheduled training could not be started', { err }),
    });
  }

  return {
    /** Trains the first model. Never rejects. */
    trainFirst: () => train('start'),
    /** Trains the linear model that scores until the configured one is trained. Never rejects. */
    trainColdStart: () => train('cold start'),
    isRunning: () => retrainer.running(),
    /** Starts the schedule, unless the process only scores. */
    startSchedule() {
      if (role !== 'score') clock.onStart(follow);
    },
    /** Follows a change of the configured schedule, if the schedule was started. */
    follow() {
      if (schedule !== undefined) follow();
    },
    /** Call after each batch while the model in use has drifted. */
    reportDrift(model: ActiveDetector) {
      const { version } = model.detector;
      const { onDrift, onDriftAfterMs } = settings();
      if (drifted !== model.detector) {
        drifted = model.detector;
        metrics.driftStarted();
        log.warn('drift detected: records no longer match the calibration', {
          version,
          training: onDrift,
        });
      }
      if (!onDrift || stopping.aborted || retrainer.running()) return;
      const now = clock.now();
      if (now - driftTrainingAt < onDriftAfterMs) return;
      driftTrainingAt = now;
      void (role === 'score' ? requestTraining(version) : trainSomewhere('drift', version));
    },
    /** Starts a training that a scoring process has requested, if it is still needed. */
    async answerRequests() {
      if (stopping.aborted) return;
      const { version, byPerson = false } = (await requests.take()) ?? {};
      if (!settings().onDrift && !byPerson) return;
      // A training may have replaced the version since the request.
      if (version === undefined || version !== (await store.current()) || retrainer.running()) return;
      log.info('training requested by a scoring process', { version, byPerson });
      void trainSomewhere(byPerson ? 'request' : 'drift', version);
    },
    /** Starts a training now, or requests it from the process that trains. Rejects if the request cannot be written. */
    async trainNow(version: string): Promise<'started' | 'requested'> {
      if (role === 'score') {
        await requests.request(version, true);
        return 'requested';
      }
      void trainSomewhere('request', version);
      return 'started';
    },
    /** Aborts a running training and waits for its end. Idempotent. */
    stop: () => retrainer.stop(),
  };
}
