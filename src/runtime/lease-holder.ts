/** The lease of a daemon that trains: taken before its first training, and kept until it stops or another one takes it. */
import { LeaseError, TrainingError } from '../errors';
import { acquireLease, type Lease, type LeaseOptions } from '../store/lease';
import { messageOf } from '../system/error-text';
import type { LifecycleLog } from './log';

export interface LeaseHolder {
  /** The lease of this process. Rejects with a TrainingError (`lease`, `store`) when it cannot have it. */
  acquire(): Promise<Lease>;
  /** Whether this process has it now, as far as it knows. */
  isHeld(): boolean;
  /** Folder of the lease that this process has, or has lost; undefined when it never had one. */
  folder(): string | undefined;
  /** Lets another process have it, for good. Idempotent. */
  release(): Promise<void>;
}

export function createLeaseHolder(
  options: LeaseOptions & { log: LifecycleLog; onChange: (held: boolean) => void },
): LeaseHolder {
  const { detector, log, onChange } = options;
  let lease: Lease | undefined;
  let acquiring: Promise<Lease> | undefined;
  let released = false;
  const isHeld = (): boolean => !released && lease?.lost.aborted === false;

  async function take(): Promise<Lease> {
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
      throw new TrainingError(reason, messageOf(cause), { cause });
    }
  }

  return {
    isHeld,
    async acquire() {
      if (released) throw new TrainingError('lease', 'the daemon stops');
      if (lease !== undefined && isHeld()) return lease;
      // Two that ask at once are one: the second would find the lease of the first.
      acquiring ??= take().finally(() => (acquiring = undefined));
      return acquiring;
    },
    folder: () => lease?.folder,
    async release() {
      const held = isHeld();
      released = true;
      await acquiring?.catch(() => undefined);
      if (held) onChange(false);
      await lease?.release();
    },
  };
}
