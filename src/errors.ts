/** The three kinds of errors: configuration (exit code 78), record (dead letter) and infrastructure (retry or end). */

/** One problem of the configuration: its place and advice. */
export interface ConfigProblem {
  /** Path of the file, as given by the operator. */
  file: string;
  /** Key with dots, such as `model.latentDim`; empty for the whole file. */
  key: string;
  message: string;
}

/** All problems of all files. The process exits with code 78 (EX_CONFIG of sysexits). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly ConfigProblem[]) {
    super(problems.map((p) => `${p.file}: ${p.key === '' ? '' : `${p.key}: `}${p.message}`).join('\n'));
  }
}

/** Reasons to reject a record: the values of the metric label `reason`. */
export const rejectReasons = [
  'empty',
  'too_large',
  'batch_too_large',
  'unknown_format',
  'damaged_record',
  'unknown_schema',
  'unusable_schema',
  'schema_mismatch',
  'not_json',
  'not_an_object',
  'missing_key',
  'bad_key',
  'missing_timestamp',
  'bad_timestamp',
  'timestamp_in_future',
  'missing_channel',
  'unknown_channel',
  'not_a_number',
  'out_of_range',
  'missing_condition',
  'bad_condition',
  'ambiguous_series',
  'missing_image',
  'not_base64',
  'not_an_image',
  'damaged_image',
  'wrong_image_size',
  'too_many_pixels',
  'duplicate',
  'out_of_order',
] as const;
export type RejectReason = (typeof rejectReasons)[number];

/** A record that cannot be used. It becomes a dead letter with its origin. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  constructor(
    readonly reason: RejectReason,
    message: string,
  ) {
    super(message);
  }
}

/**
 * A service that decoding needs is unreachable, such as a schema registry. No record is rejected: the batch fails and is
 * delivered again.
 */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
}

/** Reasons why a model version cannot be loaded: the values of the metric label `reason`. */
export const modelFailures = ['missing_file', 'checksum', 'schema', 'golden', 'unreadable'] as const;

/** A model version that must not be used: damaged, incomplete, or of another schema. */
export class ModelVersionError extends Error {
  override readonly name = 'ModelVersionError';
  constructor(
    readonly version: string,
    readonly reason: (typeof modelFailures)[number],
    message: string,
    options?: ErrorOptions,
  ) {
    super(`model version ${version}: ${message}`, options);
  }
}

export const trainingFailures = [
  'too_few_records',
  'diverged',
  'store',
  'lease',
  'killed',
  'failed',
] as const;

/** A training that failed; the message contains the reason and advice. */
export class TrainingError extends Error {
  override readonly name = 'TrainingError';
  constructor(
    readonly reason: (typeof trainingFailures)[number],
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Outcomes of a training whose model is not used: values of the metric label `result`. `lease`: another process trains;
 * `timeout`: it exceeded training.timeout; `stopped`: the daemon stops; `load`: the published version cannot be loaded.
 */
export const retrainingFailures = [...trainingFailures, 'timeout', 'stopped', 'load'] as const;
export type RetrainingFailure = (typeof retrainingFailures)[number];

/** Another process holds the lease to publish model versions of a detector. */
export class LeaseError extends Error {
  override readonly name = 'LeaseError';
}

/** Another process has taken over a partition, so the state of this process is obsolete. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** An error and the chain of its causes. */
export function* causesOf(error: unknown): Generator<Error> {
  for (let at = error; at instanceof Error; at = at.cause) yield at;
}

/** Whether a FencedError is among the causes of an error, including those of an AggregateError. */
export function isFenced(error: unknown): boolean {
  if (error instanceof FencedError) return true;
  if (error instanceof AggregateError) return error.errors.some(isFenced);
  return error instanceof Error && error.cause !== undefined && isFenced(error.cause);
}
