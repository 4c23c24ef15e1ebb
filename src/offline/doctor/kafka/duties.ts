/** The operations that a detector performs on each of its clusters, by its settings. */
import type { DetectorSettings } from '../../../config/settings';
import type { KafkaConnectionSettings } from '../../../kafka/connection-settings';
import { sinkConnection } from '../../../sinks/kafka/spec';

export type Connection = KafkaConnectionSettings & { clientId: string };

/** The topic that is read, and the way in which it is read. */
export interface Reading {
  topic: string;
  groupId: string;
  historyMs: number;
  /** Path of the file with older records; empty = trainings read only the topic. */
  historyFrom: string;
}

/** The operations of a detector on one cluster. */
export interface Duties {
  /** Section of the configuration with the connection. */
  section: 'source.kafka' | 'sinks.kafka';
  connection: Connection;
  read: Reading | undefined;
  /** Topic of labels; empty = none. */
  labels: string;
  /** Topics of detections and dead letters. */
  written: readonly string[];
  exactlyOnce: boolean;
}

/** One entry for each cluster; none for a detector without Kafka. */
export function dutiesOf({ source, sinks, delivery, training }: DetectorSettings): Duties[] {
  const { enabled, detectionsTopic, deadLetterTopic } = sinks.kafka;
  const connection = sinkConnection(sinks.kafka, source);
  const exactlyOnce = delivery === 'exactly-once';
  const written = enabled ? [detectionsTopic, deadLetterTopic] : [deadLetterTopic];
  const writing: Duties = {
    section: 'sinks.kafka',
    connection,
    read: undefined,
    labels: '',
    written,
    exactlyOnce,
  };
  if (source.kind !== 'kafka') return enabled ? [writing] : [];

  const isShared = connection.brokers === source.kafka.brokers;
  const { topic, groupId } = source.kafka;
  const reading: Duties = {
    section: 'source.kafka',
    connection: source.kafka,
    read: { topic, groupId, historyMs: training.historyMs, historyFrom: training.historyFrom.path },
    labels: training.labels.topic,
    written: isShared ? written : [],
    exactlyOnce,
  };
  return isShared ? [reading] : [reading, writing];
}
