/** The first model after a start: the stored one, a newly trained one, or one that another process trains. */
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { ModelStore } from '../store/model-store';
import { aborted, backOffMs, pause } from '../system/pause';
import { messageOf } from '../system/error-text';
import type { LoadModel } from './model-loader';
import type { ModelSlot } from './model-slot';
import type { TrainingOutcome } from './retrainer';

export interface FirstModelOptions {
  detector: string;
  role: DaemonSettings['role'];
  atStart: DetectorSettings['training']['atStart'];
  /** Whether waiting brings more records to train on: a topic grows, a file does not. */
  sourceGrows: boolean;
  store: Pick<ModelStore, 'current' | 'list' | 'setCurrent'>;
  load: LoadModel;
  slot: Pick<ModelSlot, 'current' | 'use' | 'filled'>;
  train: () => Promise<TrainingOutcome>;
  /** What the detector does about its missing model, for /readyz. */
  onWaiting: (reason: string) => void;
  stopping: AbortSignal;
  /** Longest pause between two trainings, ms. */
  maxRetryMs?: number;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** Resolves when the slot has a model, or when the daemon stops. Rejects if there will never be one. */
export async function obtainFirstModel(options: FirstModelOptions): Promise<void> {
  const { role, atStart, slot, stopping, onWaiting, log } = options;
  // Another process may publish a model in the meantime.
  const waitOver = AbortSignal.any([stopping, slot.filled]);
  if ((role === 'score' || atStart === 'if-missing') && (await loadStoredModel(options))) return;
  if (role !== 'score') return trainFirstModel(options, waitOver);
  log.warn('no model yet: waiting for the process that trains');
  onWaiting('no model yet: waiting for the process that trains');
  await aborted(waitOver);
}

async function trainFirstModel(options: FirstModelOptions, waitOver: AbortSignal): Promise<void> {
  const { detector, atStart, sourceGrows, train, onWaiting, stopping, maxRetryMs = 30_000, log } = options;
  /** A call, so that the compiler does not assume that the value outlives an await. */
  const isStopping = (): boolean => stopping.aborted;
  let failure: string | undefined;
  for (let attempt = 0; !isStopping() && (attempt === 0 || !waitOver.aborted); attempt++) {
    onWaiting(`training the first model${failure === undefined ? '' : ` again; no model yet: ${failure}`}`);
    const outcome = await train();
    if (outcome.result === 'swapped' || isStopping()) return;
    const otherTrains = outcome.result === 'failed' && outcome.reason === 'lease';
    if ((otherTrains || atStart === 'always') && (await loadStoredModel(options))) return;
    const reason = outcome.result === 'failed' ? messageOf(outcome.error) : outcome.because;
    if (!sourceGrows) throw new Error(`detector "${detector}" has no model: ${reason}`);
    failure = reason;
    onWaiting(`no model yet: ${reason}`);
    const waitMs = Math.round(backOffMs(attempt, maxRetryMs));
    log.warn('no model yet, will try again', { reason, waitMs });
    await pause(waitMs, waitOver);
  }
}

/** Uses the current version or, if it is unusable, the newest other one that is usable. Returns whether there was any. */
export async function loadStoredModel({
  role,
  store,
  load,
  slot,
  log,
}: Pick<FirstModelOptions, 'role' | 'store' | 'load' | 'slot' | 'log'>): Promise<boolean> {
  const current = await store.current().catch((err: unknown) => {
    log.error('pointer to the current model version is unreadable', { err });
    return undefined;
  });
  const others = (await store.list()).map(({ version }) => version).filter((one) => one !== current);
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
