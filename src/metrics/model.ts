/** Metrics of the model version in use. */
import { modelFailures } from '../errors';
import { combined, counter, counterBy, fixedLabel, gauge, gaugeBy } from './recorder';

export const modelMetrics = {
  /** A model version takes over scoring; `createdAt` in Unix ms. */
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
  modelLoadFailed: counterBy(
    'vaemon_model_load_failures_total',
    'Model versions that could not be loaded.',
    fixedLabel('reason', modelFailures),
  ),
};
