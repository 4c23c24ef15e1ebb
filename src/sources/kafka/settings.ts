/** Settings of the source and of each of its sessions. */
import type { Kafka } from 'kafkajs';
import type { HandleBatch, OffsetCommitter, RestorePoints, SourceObserver } from '../source';
import type { TopicProgress } from './progress';

/** The part of a detector's Kafka settings that the source needs. */
export interface KafkaSourceSettings {
  topic: string;
  groupId: string;
  /** Position at which a group without committed offsets begins. */
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
  /** Turns an error of kafkajs into one that contains the topic and the cause. Never rejects. */
  explain: (error: unknown) => Promise<Error>;
  /** The end of the stored state of each partition; messages between it and the live ones are warm-up. */
  restorePoints: RestorePoints;
  /** Commits offsets together with detections; the source then commits none. */
  committer: OffsetCommitter | undefined;
  /** Time for which `stop()` waits for the batch in progress, ms. A batch that takes longer is redelivered later. */
  stopTimeoutMs: number;
  /** The consumer is restarted if it fetches nothing, or nothing of a partition with messages, for this time, ms. */
  stallTimeoutMs: number;
  /** Interval of commits, ms. Offsets are also committed at every stop and rebalance. */
  commitIntervalMs: number;
  /** Longest delay between attempts to connect, or to deliver a rejected batch, ms. */
  maxBackOffMs: number;
}

export interface SessionOptions extends Omit<SourceOptions, 'explain'> {
  handle: HandleBatch;
  progress: TopicProgress;
  /** Aborted when the source stops. */
  signal: AbortSignal;
  report: (ready: boolean, reason: string) => void;
}
