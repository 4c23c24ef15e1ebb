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
export interface Verdicts {
  detections: readonly Detection[];
  events: readonly AnomalyEvent[];
  deadLetters: readonly DeadLetter[];
}

export interface Sink {
  name: string;
  /** Resolves when the verdicts are safe. Rejecting makes the source deliver the batch again. */
  write(verdicts: Verdicts): Promise<void>;
  /** Flushes and lets go. Idempotent. */
  close(): Promise<void>;
}
