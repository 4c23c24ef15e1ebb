/** Messages of a training process to its daemon: one JSON object per line on its standard output. */
import { TrainingError } from '../errors';
import { messageOf } from '../system/error-text';

export interface TrainingProgress {
  /** The first is 1. */
  epoch: number;
  /** At most this many. */
  epochs: number;
  /** NaN = not finite. */
  trainLoss: number;
  /** NaN = not finite. */
  validationLoss: number;
  /** Estimate; NaN = unknown. */
  secondsLeft: number;
}

export type TrainingMessage =
  | ({ type: 'progress' } & TrainingProgress)
  /** A version was published to the store. */
  | { type: 'published'; version: string }
  | { type: 'failed'; reason: TrainingError['reason']; message: string };

const failureReasons = Object.keys({
  too_few_records: true,
  diverged: true,
  store: true,
  lease: true,
  killed: true,
  failed: true,
} satisfies Record<TrainingError['reason'], true>);

/** The message as a line with a line feed. */
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

/** The message in a line; undefined for any other line, as libraries write to standard output, too. */
export function parseTrainingMessage(line: string): TrainingMessage | undefined {
  if (!line.startsWith('{')) return undefined;
  let message: Record<string, unknown>;
  try {
    message = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { type, version, reason, message: text } = message;
  if (type === 'progress') return parseProgress(message);
  if (type === 'published' && typeof version === 'string' && version !== '') return { type, version };
  if (type === 'failed' && typeof reason === 'string' && typeof text === 'string') {
    const known = failureReasons.includes(reason) ? (reason as TrainingError['reason']) : 'failed';
    return { type, reason: known, message: text };
  }
  return undefined;
}

function parseProgress(message: Record<string, unknown>): TrainingMessage | undefined {
  const { epoch, epochs } = message;
  if (typeof epoch !== 'number' || typeof epochs !== 'number') return undefined;
  // JSON has no NaN: a loss that is not finite arrives as null.
  const numberOf = (value: unknown) => (typeof value === 'number' ? value : NaN);
  return {
    type: 'progress',
    epoch,
    epochs,
    trainLoss: numberOf(message['trainLoss']),
    validationLoss: numberOf(message['validationLoss']),
    secondsLeft: numberOf(message['secondsLeft']),
  };
}
