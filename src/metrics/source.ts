/** Metrics of the source. */
import { restartReasons } from '../sources/source';
import { combined, counter, counterBy, fixedLabel, flag, gauge, gaugeBy } from './recorder';

export const sourceMetrics = {
  /** Lag of one partition in records; undefined when it is unknown, as after a rebalance. */
  lag: combined(
    {
      lag: gaugeBy(
        'vaemon_consumer_lag_records',
        'Records of the topic after the newest batch, summed over the partitions assigned to this process.',
        { name: 'topic', meaning: 'Kafka topic, or path of the file.' },
      ),
    },
    ({ lag }) => {
      const lags = new Map<string, Map<number, number>>();
      return (topic: string, partition: number, records: number | undefined) => {
        const partitions = lags.get(topic) ?? new Map<number, number>();
        lags.set(topic, partitions);
        if (records === undefined) partitions.delete(partition);
        else partitions.set(partition, records);
        const known = [...partitions.values()];
        lag(topic, known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0));
      };
    },
  ),
  sourceError: counter(
    'vaemon_source_errors_total',
    'Errors of the source that are retried, such as an unreachable broker.',
  ),
  sourceRestarted: counterBy(
    'vaemon_source_restarts_total',
    'Times that the connection to the source was closed and opened again.',
    fixedLabel('reason', restartReasons),
  ),
  sourceConnected: flag(
    'vaemon_source_connected',
    'Whether the source is connected and its starting position is known.',
  ),
  /** The source received an answer to a request for records, possibly without records. */
  sourceFetched: combined(
    {
      fetched: gauge(
        'vaemon_source_last_fetch_timestamp_seconds',
        'Unix time of the last answer to a request for records, including empty answers.',
      ),
    },
    ({ fetched }, { now }) =>
      () =>
        fetched(now() / 1000),
  ),
  sourceGap: counter(
    'vaemon_records_lost_total',
    'Records that were lost before they were scored: the topic deleted them, or they came to Prometheus too late.',
  ),
};
