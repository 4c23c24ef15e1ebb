/** Destinations of detections. A batch of a source is acknowledged only after every sink has written its results. */
import type { Detection } from '../domain/detection';
import type { AnomalyEvent } from '../domain/event';
import type { ObserveRecord } from '../domain/witnessed-record';
import type { Origin } from '../domain/record';
import type { RejectReason } from '../errors';

/** A rejected record in full, so that it can be examined and sent again. */
export interface DeadLetter {
  detector: string;
  reason: RejectReason;
  message: string;
  origin: Origin;
  key: Buffer | null;
  value: Buffer | null;
}

/** Results of one batch, in the order of its records. */
export interface DetectionBatch {
  /** Detections of all records, or only of the anomalous ones if no sink uses the others. */
  detections: readonly Detection[];
  events: readonly AnomalyEvent[];
  deadLetters: readonly DeadLetter[];
  /** Offsets to commit with the results; absent if nothing is committed. */
  advance?: Advance | undefined;
}

/** Offsets for a sink that commits detections and offsets together. */
export interface Advance {
  topic: string;
  partition: number;
  /** Committed offset when the batch was delivered. */
  committed: bigint;
  /** Offset of the first detection. */
  from: bigint;
  /** Offset to commit: that of the next record. */
  to: bigint;
}

/** Results of a transaction: a `failed` one is repeated, unless another process owns the partition (`fenced`). */
export const transactionResults = ['committed', 'failed', 'fenced'] as const;
export type TransactionResult = (typeof transactionResults)[number];

export interface Sink {
  name: string;
  /** Whether the sink ignores detections of normal records: most records are normal, and creating a detection costs time. */
  readonly anomaliesOnly?: boolean;
  /** Whether the sink sends events to people, after it has accepted them. Its deliveries are counted. */
  readonly notifies?: boolean;
  /** Whether people read the sink: it gets no muted events, like sinks that notify. */
  readonly forPeople?: boolean;
  /** Called with each scored live record, before the results of its batch are written. */
  observe?: ObserveRecord;
  /** Resolves when the results are stored safely. If it rejects, the source delivers the batch again. */
  write(batch: DetectionBatch): Promise<void>;
  /** Flushes and disconnects. Idempotent. */
  close(): Promise<void>;
}
