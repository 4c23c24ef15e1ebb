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
