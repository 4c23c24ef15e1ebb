/** What the source and each of its sessions are created with. */
import type { Kafka } from 'kafkajs';
import type { HandleBatch, OffsetCommitter, RestorePoints, SourceObserver } from '../source';
import type { TopicProgress } from './progress';

/** The part of a detector's Kafka settings that the source needs. */
export interface KafkaSourceSettings {
  topic: string;
  groupId: string;
  /** Where a group without committed offsets begins. */
  startFrom: 'earliest' | 'latest';
  /** Messages per partition to read again after an assignment without stored state, as warm-up. */
  warmUpRecords: number;
  maxBatchRecords: number;
  sessionTimeoutMs: number;
}

export interface SourceOptions {
  /** Two sources of one group in one process need separate clients: kafkajs caches a group's offsets per client. */
  kafka: Kafka;
  settings: KafkaSourceSettings;
  observer: SourceObserver;
  /** Names the topic and the cause in an error of kafkajs. Never rejects. */
  explain: (error: unknown) => Promise<Error>;
  /** Where stored state of a partition ends; messages after it and before the live ones are warm-up. */
  restorePoints: RestorePoints;
  /** Commits offsets together with detections; the source then commits none. */
  committer: OffsetCommitter | undefined;
  /** How long `stop()` waits for the batch in progress, ms; after that the batch is redelivered later. */
  stopTimeoutMs: number;
  /** Restart the consumer if it fetches nothing, or nothing of a partition with messages, for this long, ms. */
  stallTimeoutMs: number;
  /** Interval of commits, ms; offsets are also committed on every stop and rebalance. */
  commitIntervalMs: number;
  /** Longest delay between attempts to connect or to deliver a rejected batch, ms. */
  maxBackOffMs: number;
}

export interface SessionOptions extends Omit<SourceOptions, 'explain'> {
  handle: HandleBatch;
  progress: TopicProgress;
  /** Aborted when the source stops. */
  signal: AbortSignal;
  report: (ready: boolean, reason: string) => void;
}
