/** The first model after a start: the stored one, a newly trained one, or one that another process trains. */
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import type { RetrainingFailure } from '../errors';
import type { Logger } from '../logger';
import type { ModelStore } from '../store/model-store';
import { aborted, backOffMs, pause } from '../system/pause';
import { messageOf } from '../system/error-text';
import type { LoadModel } from './model-loader';
import type { ModelSlot } from './model-slot';
import type { TrainingOutcome } from './training-outcome';

export interface FirstModelOptions {
  detector: string;
  role: DaemonSettings['role'];
  atStart: DetectorSettings['training']['atStart'];
  /** Whether more records to train on may arrive: a topic grows, a file does not. */
  sourceGrows: boolean;
  store: Pick<ModelStore, 'current' | 'list' | 'setCurrent'>;
  /** Versions that failed a gate; they are not used again. */
  refused: () => Promise<readonly string[]>;
  load: LoadModel;
  slot: Pick<ModelSlot, 'current' | 'use' | 'filled'>;
  train: () => Promise<TrainingOutcome>;
  /** Trains a linear model to score until `train` succeeds; absent if the configured model is linear. */
  trainColdStart?: () => Promise<TrainingOutcome>;
  /** Receives the present step towards a first model, for /readyz. */
  onWaiting: (reason: string) => void;
  stopping: AbortSignal;
  /** Longest pause between two trainings, ms. */
  maxRetryMs?: number;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** Resolves when the slot has a model, or when the daemon stops. Rejects if there can never be a model. */
export async function obtainFirstModel(options: FirstModelOptions): Promise<void> {
  const { role, atStart, slot, stopping, onWaiting, log } = options;
  // Another process may publish a model during the pause.
  const waitOver = AbortSignal.any([stopping, slot.filled]);
  if ((role === 'score' || atStart === 'if-missing') && (await loadStoredModel(options))) return;
  if (role !== 'score') return trainFirstModel(options, waitOver);
  log.warn('no model yet: waiting for the process that trains');
  onWaiting('no model yet: waiting for the process that trains');
  await aborted(waitOver);
}

async function trainFirstModel(options: FirstModelOptions, waitOver: AbortSignal): Promise<void> {
  const { detector, sourceGrows, stopping, onWaiting, maxRetryMs = 30_000, log } = options;
  /** A function, because the compiler would assume that the property keeps its value across an await. */
  const isStopping = (): boolean => stopping.aborted;
  let failure: string | undefined;
  for (let attempt = 0; !isStopping() && (attempt === 0 || !waitOver.aborted); attempt++) {
    onWaiting(`training the first model${failure === undefined ? '' : ` again; no model yet: ${failure}`}`);
    const outcome = await trainOnce(options);
    if (outcome === 'stored model' || outcome.result === 'swapped' || isStopping()) return;
    const reason = reasonOf(outcome);
    if (!sourceGrows) throw new Error(`detector "${detector}" has no model: ${reason}`);
    failure = reason;
    onWaiting(`no model yet: ${reason}`);
    const waitMs = Math.round(backOffMs(attempt, maxRetryMs));
    log.warn('no model yet, will try again', { reason, waitMs });
    await pause(waitMs, waitOver);
  }
}

/**
 * Records of a topic continue to arrive while its first model is trained, so a cold start comes first. A file waits, and its
 * detections must not depend on how long a training takes: it has a cold start only if it is too short for the configured
 * model.
 */
async function trainOnce(options: FirstModelOptions): Promise<TrainingOutcome | 'stored model'> {
  const { atStart, sourceGrows, train, trainColdStart, stopping } = options;
  const comesFirst = sourceGrows && atStart === 'if-missing' && trainColdStart !== undefined;
  let outcome = await (comesFirst ? trainColdStart() : train());
  if (outcome.result === 'swapped') return outcome;
  const otherTrains = failedFor(outcome, 'lease');
  if ((otherTrains || atStart === 'always') && (await loadStoredModel(options))) return 'stored model';
  if (stopping.aborted || otherTrains) return outcome;
  const isTooShort = failedFor(outcome, 'too_few_records');
  // A history that is too short for a cold start is too short for any model.
  if (comesFirst && !isTooShort) outcome = await train();
  else if (!comesFirst && isTooShort && trainColdStart !== undefined) outcome = await trainColdStart();
  return outcome;
}

function failedFor(outcome: TrainingOutcome, reason: RetrainingFailure): boolean {
  return outcome.result === 'failed' && outcome.reason === reason;
}

function reasonOf(outcome: TrainingOutcome): string {
  if (outcome.result === 'failed') return messageOf(outcome.error);
  return outcome.result === 'refused' ? outcome.because : outcome.result;
}

export interface EndColdStartOptions extends Pick<
  FirstModelOptions,
  'role' | 'sourceGrows' | 'train' | 'onWaiting' | 'stopping' | 'maxRetryMs'
> {
  slot: Pick<ModelSlot, 'isColdStart'>;
}

/** Trains until a model of the configured kind is in use. Resolves then, or when the daemon stops. */
export async function endColdStart({
  role,
  sourceGrows,
  slot,
  train,
  onWaiting,
  stopping,
  maxRetryMs = 300_000,
}: EndColdStartOptions): Promise<void> {
  if (role === 'score' || !sourceGrows) return;
  for (let attempt = 0; slot.isColdStart() && !stopping.aborted; attempt++) {
    onWaiting('training the first model');
    const outcome = await train();
    if (outcome.result === 'swapped') return;
    onWaiting(`no other model yet: ${reasonOf(outcome)}`);
    await pause(Math.round(backOffMs(attempt, maxRetryMs)), stopping);
  }
}

/** Uses the current version or, if it is unusable, the newest usable one. Returns whether there was any. */
async function loadStoredModel({
  role,
  store,
  load,
  slot,
  refused,
  log,
}: Pick<FirstModelOptions, 'role' | 'store' | 'load' | 'slot' | 'refused' | 'log'>): Promise<boolean> {
  const current = await store.current().catch((err: unknown) => {
    log.error('pointer to the current model version is unreadable', { err });
    return undefined;
  });
  const unwanted = await refused();
  const others = (await store.list())
    .map(({ version }) => version)
    .filter((one) => one !== current && !unwanted.includes(one));
  for (const version of [...(current === undefined ? [] : [current]), ...others]) {
    try {
      slot.use(await load(version));
      log.info('model loaded', { version });
      // Only processes that train move the pointer.
      if (version !== current && role !== 'score') await store.setCurrent(version);
      return true;
    } catch (err) {
      log.error('model version is unusable', { version, err });
    }
  }
  return false;
}
