/** Where verdicts go. A source's batch is acknowledged only after every sink has taken what came of it. */
import type { Detection } from '../domain/detection';
import type { AnomalyEvent } from '../domain/event';
import type { Origin } from '../domain/record';
import type { RejectReason } from '../errors';

/** A record that could not be used, with what is needed to look at it and to send it again. */
export interface DeadLetter {
  detector: string;
  reason: RejectReason;
  message: string;
  origin: Origin;
  key: Buffer | null;
  value: Buffer | null;
}

/** All that came of one batch, in the order of its records. */
export interface DetectionBatch {
  /** Of all records, or, where no sink has a use for the others, of those that are anomalous. */
  detections: readonly Detection[];
  events: readonly AnomalyEvent[];
  deadLetters: readonly DeadLetter[];
  /** How far their partition comes with them; absent where nothing is committed. */
  advance?: Advance | undefined;
}

/** What a sink needs that commits verdicts and offsets together. */
export interface Advance {
  topic: string;
  partition: number;
  /** Offset that was committed when the batch was handed over. */
  committed: bigint;
  /** First offset that the verdicts are of. */
  from: bigint;
  /** Offset to be committed with them: where the partition goes on. */
  to: bigint;
}

/** How a transaction ended: `failed` ones are written again, unless another process was faster (`fenced`). */
export const transactionResults = ['committed', 'failed', 'fenced'] as const;
export type TransactionResult = (typeof transactionResults)[number];

export interface Sink {
  name: string;
  /** Whether detections of records that are not anomalous are of no use to it: most are, and each has its cost. */
  readonly anomaliesOnly?: boolean;
  /** Resolves when the verdicts are safe. Rejecting makes the source deliver the batch again. */
  write(verdicts: DetectionBatch): Promise<void>;
  /** Flushes and lets go. Idempotent. */
  close(): Promise<void>;
}
