/** Metrics of batches between decoding and the sinks, and of the state that they update. */
import { transactionResults } from '../sinks/sink';
import { stateErrorReasons } from '../state/rules';
import {
  combined,
  counter,
  counterBy,
  fixedLabel,
  gauge,
  gaugeBy,
  histogramBy,
  type Label,
} from './recorder';

/** Seconds. */
const batchBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const stages = ['decode', 'score', 'sink', 'total'] as const;

const sink: Label<string> = {
  name: 'sink',
  meaning: 'Name of the sink.',
  values: ({ sinks }) => sinks,
};

const notifier: Label<string> = {
  name: 'sink',
  meaning: 'Name of the sink, of those that send events to people.',
  values: ({ notifiers = [] }) => notifiers,
};

export const processingMetrics = {
  batchDuration: histogramBy(
    'vaemon_batch_duration_seconds',
    'Time that a batch takes in each stage.',
    batchBuckets,
    fixedLabel('stage', stages),
  ),
  sinkError: counterBy(
    'vaemon_sink_errors_total',
    'Batches that a sink failed to write; the source delivers them again.',
    sink,
  ),
  /** The first argument of each is the name of the sink. */
  notifications: combined(
    {
      delivered: counterBy(
        'vaemon_notifications_delivered_total',
        'Notifications that the receiver accepted: openings and ends of events, without repetitions.',
        notifier,
      ),
      failed: counterBy(
        'vaemon_notification_failures_total',
        'Requests with notifications that failed and are repeated.',
        notifier,
      ),
      refused: counterBy(
        'vaemon_notifications_refused_total',
        'Notifications that the receiver does not accept; they are not sent again.',
        notifier,
      ),
      dropped: counterBy(
        'vaemon_notifications_dropped_total',
        'Notifications that were discarded, since too many waited, or the process stopped.',
        notifier,
      ),
      queued: gaugeBy('vaemon_notifications_queued', 'Notifications that wait for their receiver.', notifier),
    },
    (recordings, { notifiers = [] }) => {
      for (const name of notifiers) recordings.queued(name, 0);
      return recordings;
    },
  ),
  transaction: counterBy(
    'vaemon_transactions_total',
    'Transactions of detections and offsets by result, with exactly-once delivery; failed ones are repeated.',
    fixedLabel('result', transactionResults),
  ),
  stateError: counterBy(
    'vaemon_state_errors_total',
    'Failures to save or restore the windows, baselines and events of a partition; scoring continues.',
    fixedLabel('reason', stateErrorReasons),
  ),
  past: combined(
    {
      bytes: gauge(
        'vaemon_past_bytes',
        'Disk space of the recent past: events with the records around them, and scores.',
      ),
      saveFailed: counter(
        'vaemon_past_save_failures_total',
        'Failures to save the recent past; scoring continues.',
      ),
    },
    (recordings) => recordings,
  ),
  clockJumped: counter(
    'vaemon_clock_jumps_total',
    'Times that the system clock was set by more than five seconds, or that the machine was asleep.',
  ),
  windowKeys: gauge('vaemon_window_keys', 'Keys that have a window in memory.', 0),
};
