/** Metrics of the model version in use and of trainings. */
import { faultKinds, type FaultKind } from '../domain/fault-kinds';
import {
  modelFailures,
  rejectReasons,
  retrainingFailures,
  type RejectReason,
  type RetrainingFailure,
} from '../errors';
import { combined, counter, counterBy, fixedLabel, flag, gauge, gaugeBy, histogram } from './recorder';

/** Seconds. */
const trainingBuckets = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];
const trialResults = ['promoted', 'refused', 'kept', 'rolled_back', 'withdrawn'] as const;
const trainingResults = ['ok', ...retrainingFailures] as const;

export const modelMetrics = {
  /** A model version starts scoring; `createdAt` in Unix ms. */
  modelLoaded: combined(
    {
      info: gaugeBy('vaemon_model_info', 'Always 1; the label is the model version in use.', {
        name: 'model',
        meaning: 'Model version in use; earlier ones have no series.',
      }),
      created: gauge(
        'vaemon_model_created_timestamp_seconds',
        'Unix time at which the model version in use was trained.',
      ),
      age: gauge('vaemon_model_age_seconds', 'Time since the model version in use was trained.'),
      swapped: counter(
        'vaemon_model_swaps_total',
        'Times that a model version replaced another one; the first version does not count.',
      ),
    },
    ({ info, created, age, swapped }, { now, onScrape }) => {
      let current: { version: string; createdAt: number } | undefined;
      onScrape(() => {
        if (current !== undefined) age(Math.max(0, now() - current.createdAt) / 1000);
      });
      return (version: string, createdAt: number) => {
        if (current !== undefined && current.version !== version) {
          info(current.version, undefined);
          swapped();
        }
        current = { version, createdAt };
        info(version, 1);
        created(createdAt / 1000);
      };
    },
  ),
  coldStart: flag(
    'vaemon_cold_start',
    'Whether a linear model scores until the first one of the configured kind is trained.',
  ),
  /** Set when a version is loaded, and updated with live records. */
  detectionPower: combined(
    {
      now: gaugeBy(
        'vaemon_detection_power_ratio',
        'Share found of the faults that were put into normal records: recent live ones, held-out ones until there are some.',
        { name: 'kind', meaning: faultKinds.map((kind) => `\`${kind}\``).join(', ') },
      ),
      trained: gaugeBy(
        'vaemon_detection_power_trained_ratio',
        'The same for held-out records at the training of the version in use.',
        { name: 'kind', meaning: 'As in `vaemon_detection_power_ratio`.' },
      ),
    },
    ({ now, trained }) => ({
      /** @param power undefined if the version's power was not measured */
      trained(power: Partial<Record<FaultKind, number>> = {}) {
        for (const kind of faultKinds) {
          trained(kind, power[kind]);
          now(kind, power[kind]);
        }
      },
      live(power: Partial<Record<FaultKind, number>>) {
        for (const kind of faultKinds) if (power[kind] !== undefined) now(kind, power[kind]);
      },
    }),
  ),
  modelLoadFailed: counterBy(
    'vaemon_model_load_failures_total',
    'Model versions that could not be loaded.',
    fixedLabel('reason', modelFailures),
  ),
  training: combined(
    {
      running: flag('vaemon_training_running', 'Whether a training is in progress.'),
      ended: counterBy(
        'vaemon_trainings_total',
        'Trainings that ended, by result.',
        fixedLabel('result', trainingResults),
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
  /** Numbers of records that the newest training read, and that it left out, by reason. */
  trainingHistory: combined(
    {
      read: gauge('vaemon_training_history_records', 'Records that the newest training has read.'),
      rejected: gaugeBy(
        'vaemon_training_history_rejected_records',
        'Records that the newest training has read and left out: they cannot be used, or are not in order.',
        {
          name: 'reason',
          meaning: 'Reason as in `vaemon_records_rejected_total`; a reason without records has no series.',
        },
      ),
    },
    ({ read, rejected }) =>
      (records: number, byReason: Partial<Record<RejectReason, number>>) => {
        read(records);
        for (const reason of rejectReasons) rejected(reason, byReason[reason]);
      },
  ),
  /** Number of records that a version has scored in the shadow of the one in use, and the seconds that this took. */
  shadowScored: combined(
    {
      records: counter(
        'vaemon_shadow_records_total',
        'Records that were scored in the shadow of the version in use.',
      ),
      seconds: counter('vaemon_shadow_seconds_total', 'Time spent on scoring in the shadow.'),
    },
    ({ records, seconds }) =>
      (count: number, took: number) => {
        records(count);
        seconds(took);
      },
  ),
  /** Metrics of the trial of a new version. */
  trial: combined(
    {
      ended: counterBy(
        'vaemon_model_trials_total',
        'Results of the trials of new model versions, counted by the process that evaluates their gates.',
        fixedLabel('result', trialResults),
      ),
      active: flag('vaemon_shadow_active', 'Whether a model version scores in the shadow of the one in use.'),
    },
    ({ ended, active }) => ({ ended, active }),
  ),
  storeError: counter(
    'vaemon_store_errors_total',
    'Failures to exchange quarantine, lease and training requests with other processes through the store.',
  ),
  leaseHeld: flag(
    'vaemon_training_lease_held',
    'Whether this process holds the lease to publish model versions; at most one process of a store does.',
  ),
};
