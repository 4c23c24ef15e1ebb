/** The three kinds of error: configuration (all at once, exit 78), record (data, dead letter), infrastructure. */

/** One thing wrong with the configuration: where it stands and what to do about it. */
export interface ConfigProblem {
  /** File as given by the operator. */
  file: string;
  /** Dotted key, e.g. `model.latentDim`; empty when the whole file is meant. */
  key: string;
  message: string;
}

/** Every problem of every file, reported in one go. The process exits 78 (sysexits EX_CONFIG). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly ConfigProblem[]) {
    super(problems.map((p) => `${p.file}: ${p.key === '' ? '' : `${p.key}: `}${p.message}`).join('\n'));
  }
}

/** Why a record was refused. Bounded: these are the values of the metric label `reason`. */
export const rejectReasons = [
  'empty',
  'too_large',
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

/** A record that cannot be used. It is data, never a crash: it goes to the dead-letter sink with its origin. */
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
 * Something that decoding needs cannot be asked, such as a schema registry. No record is at fault: the batch is not taken,
 * and comes again.
 */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
}

/** Why a model version cannot be loaded: the values of the metric label `reason`. */
export const modelFailures = ['missing_file', 'checksum', 'schema', 'golden', 'unreadable'] as const;

/** A model version that must not be used: damaged, incomplete, or written by another schema. */
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

/** Training could not produce a model; the message says why and what to do. */
export class TrainingError extends Error {
  override readonly name = 'TrainingError';
  constructor(
    readonly reason: 'too_few_records' | 'diverged' | 'store' | 'lease' | 'killed' | 'failed',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Why a training gave no new model. `lease`: another process trains; `timeout`: it took too long; `stopped`: the daemon stops; `load`: the version
 * that it published cannot be used. Bounded: these are the values of the metric label `reason`.
 */
export const retrainingFailures = [
  'too_few_records',
  'diverged',
  'store',
  'lease',
  'killed',
  'failed',
  'timeout',
  'stopped',
  'load',
] as const satisfies readonly (TrainingError['reason'] | 'timeout' | 'stopped' | 'load')[];
export type RetrainingFailure = (typeof retrainingFailures)[number];

/** Another process may publish model versions of a detector, and this one not. */
export class LeaseError extends Error {
  override readonly name = 'LeaseError';
}

/** Another process has gone on in a partition: what this one has of it is of no use any more. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** An error, what caused it, what caused that, and so on. */
export function* causesOf(error: unknown): Generator<Error> {
  for (let at = error; at instanceof Error; at = at.cause) yield at;
}

/** Whether a FencedError is among the causes of an error, however many errors came together on the way. */
export function isFenced(error: unknown): boolean {
  if (error instanceof FencedError) return true;
  if (error instanceof AggregateError) return error.errors.some(isFenced);
  return error instanceof Error && error.cause !== undefined && isFenced(error.cause);
}
