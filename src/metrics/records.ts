/** Metrics of records: how many arrived, their outcome, and their surprise. */
import type { Staleness } from '../domain/continuity';
import { rejectReasons } from '../errors';
import { createAlarmRing } from './alarm-ring';
import {
  arrayHistogram,
  combined,
  counter,
  counterBy,
  fixedLabel,
  flag,
  gauge,
  type Label,
} from './recorder';

/** Upper bounds of `vaemon_surprise`: a normal record exceeds 8 once in 10^8. */
const surpriseBuckets = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8];
/** Number of records that `vaemon_alarm_ratio` covers. */
const alarmRatioRecords = 10_000;

const topic: Label<string> = {
  name: 'topic',
  meaning: 'Kafka topic, or path of the file.',
  values: ({ topics }) => topics,
};
const staleness = ['duplicate', 'out_of_order'] as const satisfies readonly Staleness[];

export const recordMetrics = {
  consumed: counterBy('vaemon_records_consumed_total', 'Records received from the source.', topic),
  /** Records the first `count` surprises of a batch. */
  scored: combined(
    {
      scored: counter('vaemon_records_scored_total', 'Scored records, including those that violate a limit.'),
      surprise: arrayHistogram(
        'vaemon_surprise',
        'Surprise of the scored records: -log10 of the calibrated p-value.',
        surpriseBuckets,
      ),
      anomalies: counter('vaemon_anomalies_total', 'Scored records whose surprise reached the threshold.'),
      ratio: gauge(
        'vaemon_alarm_ratio',
        'Share of the last 10,000 scored records whose surprise reached the threshold.',
      ),
    },
    ({ scored, surprise, anomalies, ratio }, { onScrape }) => {
      const alarms = createAlarmRing(alarmRatioRecords);
      onScrape(() => {
        const share = alarms.ratio();
        if (share !== undefined) ratio(share);
      });
      return (surprises: Float64Array, count: number, threshold: number) => {
        let anomalous = 0;
        for (let i = 0; i < count; i++) {
          const isAnomalous = surprises[i]! >= threshold;
          if (isAnomalous) anomalous++;
          alarms.add(isAnomalous);
        }
        surprise(surprises, count);
        scored(count);
        anomalies(anomalous);
      };
    },
  ),
  falseAlarmTarget: gauge(
    'vaemon_false_alarm_target_ratio',
    'Configured share of normal records that may be anomalous by chance.',
  ),
  windowNotFull: counter(
    'vaemon_records_window_not_full_total',
    'Records that were not scored: the window of their key is not full, or no model is loaded.',
  ),
  scoresNothing: flag(
    'vaemon_scores_nothing',
    'Whether records arrive and none is scored: 1 after three windows of each device without a scored record.',
  ),
  noRoom: counter(
    'vaemon_records_no_room_total',
    'Records of devices that wait for a window: window.maxKeys devices have one and are not silent.',
  ),
  withoutValues: counter(
    'vaemon_records_without_values_total',
    'Records without the value of any channel; their scores are meaningless.',
  ),
  windowsEvicted: counter(
    'vaemon_windows_evicted_total',
    'Windows that another device took within window.ttl, since there are more devices than window.maxKeys.',
  ),
  windowsCut: counterBy(
    'vaemon_windows_cut_total',
    'Windows that began again: after a silence above window.ttl, or at a gap (window.gaps).',
    fixedLabel('reason', ['ttl', 'gap'] as const),
  ),
  jumpsUndone: counter(
    'vaemon_device_clock_jumps_total',
    'Records far ahead that were dropped, since the next records of their device continue the earlier ones.',
  ),
  incomplete: counter(
    'vaemon_records_incomplete_total',
    'Records whose window or baseline lacks earlier records that an interruption lost.',
  ),
  warmUps: counter(
    'vaemon_records_warm_up_total',
    'Records read again after a restart or a rebalance to restore windows, baselines and events.',
  ),
  rejected: counterBy(
    'vaemon_records_rejected_total',
    'Records that could not be used and were sent to the dead letters.',
    fixedLabel('reason', rejectReasons),
  ),
  ignored: counterBy(
    'vaemon_records_ignored_total',
    'Duplicate and late records that were dropped, where the configuration asks for it.',
    fixedLabel('reason', staleness),
  ),
  limitViolations: counter(
    'vaemon_limit_violations_total',
    'Values beyond the configured limits of their channel.',
  ),
  unknownConditions: counter(
    'vaemon_unknown_conditions_total',
    'Condition values that are not in the training records; they are scored as the unknown category.',
  ),
};
