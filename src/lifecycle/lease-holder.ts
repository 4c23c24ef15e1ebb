/** The lease of a daemon that trains: taken before its first training, and kept until it stops or another one takes it. */
import { LeaseError, TrainingError } from '../errors';
import { acquireLease, type Lease, type LeaseOptions } from '../store/lease';
import type { LifecycleLog } from './log';

export interface LeaseHolder {
  /** The lease of this process. Rejects with a TrainingError (`lease`, `store`) when it cannot have it. */
  acquire(): Promise<Lease>;
  /** Folder of the lease that this process has, or has lost; undefined when it never had one. */
  folder(): string | undefined;
  release(): Promise<void>;
}

export function createLeaseHolder(
  options: LeaseOptions & { log: LifecycleLog; onChange: (held: boolean) => void },
): LeaseHolder {
  const { detector, log, onChange } = options;
  let lease: Lease | undefined;
  return {
    async acquire() {
      if (lease !== undefined && !lease.lost.aborted) return lease;
      try {
        const taken = await acquireLease(options);
        lease = taken;
        onChange(true);
        log.info('lease taken: this process trains', { detector, lease: taken.token });
        taken.lost.addEventListener('abort', () => {
          onChange(false);
          log.error('lease lost: another process trains', { detector, lease: taken.token });
        });
        return taken;
      } catch (cause) {
        const reason = cause instanceof LeaseError ? 'lease' : 'store';
        throw new TrainingError(reason, cause instanceof Error ? cause.message : String(cause), { cause });
      }
    },
    folder: () => lease?.folder,
    async release() {
      if (lease?.lost.aborted === false) onChange(false);
      await lease?.release();
    },
  };
}
