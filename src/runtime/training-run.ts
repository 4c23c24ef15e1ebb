/** Runs one training: acquires the lease, writes the quarantine, then trains in a separate process. */
import { TrainingError } from '../errors';
import { messageOf } from '../system/error-text';
import type { Clock } from './clock';
import type { LeaseHolder } from './lease-holder';
import type { TrainingTrigger } from './training-outcome';
import type { TrainingHistory, TrainingProgress } from './training-message';

/** What the training process needs from the daemon that starts it. */
export interface TrainingRequest {
  /** File with the intervals to leave out. */
  quarantinePath: string;
  /** Token of the lease under which the version is published. */
  lease: number;
  /** Number of records that a file source has delivered so far; undefined for other sources. */
  fileRecords: number | undefined;
  /** Whether to train the linear model that scores until the configured one is trained. */
  coldStart: boolean;
  /** Whether the version is put on trial before it is used. */
  onTrial: boolean;
}

/** Resolves to the name of the published version. */
export type RunTraining = (
  request: TrainingRequest,
  observer: TrainingObserver,
  signal: AbortSignal,
) => Promise<string>;

export interface TrainingObserver {
  onProgress: (progress: TrainingProgress) => void;
  onHistory: (history: TrainingHistory) => void;
}

export interface TrainingRunOptions extends TrainingObserver {
  leaseHolder: Pick<LeaseHolder, 'acquire'>;
  quarantinePath: string;
  saveQuarantine: () => Promise<void>;
  clock: Pick<Clock, 'trainingStarted'>;
  fileRecords: () => number | undefined | Promise<number | undefined>;
  runTraining: RunTraining;
}

/** The returned function rejects with a TrainingError `lease` if another process trains. */
export function createTrainingRun(
  options: TrainingRunOptions,
): (signal: AbortSignal, trigger: TrainingTrigger, onTrial: boolean) => Promise<string> {
  const { leaseHolder, quarantinePath, saveQuarantine, clock, fileRecords, runTraining } = options;
  return async (signal, trigger, onTrial) => {
    const lease = await leaseHolder.acquire();
    await saveQuarantine().catch((cause: unknown) => {
      // Without the quarantine, the training would learn from records that have just been detected as anomalous.
      throw new TrainingError('store', `cannot write ${quarantinePath}: ${messageOf(cause)}`, { cause });
    });
    const request = {
      quarantinePath,
      lease: lease.token,
      fileRecords: await fileRecords(),
      coldStart: trigger === 'cold start',
      onTrial,
    };
    // Other processes wait for the full timeout from this heartbeat on.
    await lease.renew();
    clock.trainingStarted();
    try {
      return await runTraining(request, options, AbortSignal.any([signal, lease.lost]));
    } catch (cause) {
      throw lease.lost.aborted ? new TrainingError('lease', messageOf(lease.lost.reason), { cause }) : cause;
    }
  };
}
