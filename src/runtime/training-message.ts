/** Messages of a training process to its daemon: one JSON object per line on its standard output. */
import { rejectReasons, TrainingError, trainingFailures, type RejectReason } from '../errors';
import { messageOf } from '../system/error-text';

export interface TrainingProgress {
  /** The first is 1. */
  epoch: number;
  /** Maximum number of epochs. */
  epochs: number;
  /** NaN = not finite. */
  trainLoss: number;
  /** NaN = not finite. */
  validationLoss: number;
  /** Estimate; NaN = unknown. */
  secondsLeft: number;
}

/** Records of the history that were read, and that were left out. */
export interface TrainingHistory {
  records: number;
  rejected: Partial<Record<RejectReason, number>>;
}

export type TrainingMessage =
  | ({ type: 'progress' } & TrainingProgress)
  | ({ type: 'history' } & TrainingHistory)
  /** Sent when a version was published to the store. */
  | { type: 'published'; version: string }
  | { type: 'failed'; reason: TrainingError['reason']; message: string };

/** Formats a message as a line with a line feed. */
export function formatTrainingMessage(message: TrainingMessage): string {
  return `${JSON.stringify(message)}\n`;
}

/** The message for the error that ended a training. */
export function failureMessage(error: unknown): TrainingMessage {
  return {
    type: 'failed',
    reason: error instanceof TrainingError ? error.reason : 'failed',
    message: messageOf(error),
  };
}

/** Parses a line; undefined for a line that is no message, as libraries write to standard output, too. */
export function parseTrainingMessage(line: string): TrainingMessage | undefined {
  if (!line.startsWith('{')) return undefined;
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { type, epoch, epochs, version, reason, message } = parsed;
  // JSON has no NaN: a loss that is not finite arrives as null.
  const numberOf = (value: unknown) => (typeof value === 'number' ? value : NaN);
  if (type === 'progress' && typeof epoch === 'number' && typeof epochs === 'number') {
    const { trainLoss, validationLoss, secondsLeft } = parsed;
    return {
      type,
      epoch,
      epochs,
      trainLoss: numberOf(trainLoss),
      validationLoss: numberOf(validationLoss),
      secondsLeft: numberOf(secondsLeft),
    };
  }
  if (type === 'history' && typeof parsed['records'] === 'number')
    return { type, records: parsed['records'], rejected: readRejected(parsed['rejected']) };
  if (type === 'published' && typeof version === 'string' && version !== '') return { type, version };
  if (type === 'failed' && typeof reason === 'string' && typeof message === 'string')
    return { type, reason: trainingFailures.find((known) => known === reason) ?? 'failed', message };
  return undefined;
}

function readRejected(value: unknown): TrainingHistory['rejected'] {
  const counts = Object.entries(typeof value === 'object' && value !== null ? value : {});
  return Object.fromEntries(
    counts.filter(
      ([reason, count]) => rejectReasons.some((known) => known === reason) && typeof count === 'number',
    ),
  );
}
