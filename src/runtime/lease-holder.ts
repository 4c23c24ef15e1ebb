/** The lease of a process that trains: taken before its first training, kept until it stops or another process takes it. */
import { LeaseError, TrainingError } from '../errors';
import type { Logger } from '../logger';
import { acquireLease, type Lease, type LeaseOptions } from '../store/lease';
import { messageOf } from '../system/error-text';

export interface LeaseHolder {
  /** Resolves to the lease of this process. Rejects with a TrainingError (`lease`, `store`) if there is none to get. */
  acquire(): Promise<Lease>;
  /** Whether this process holds the lease, unless it expired since the last renewal. */
  isHeld(): boolean;
  /** Folder of the newest lease of this process, even after its loss; undefined if it never had one. */
  folder(): string | undefined;
  /** Gives the lease back; `acquire` rejects from then on. Idempotent. */
  release(): Promise<void>;
}

export function createLeaseHolder(
  options: LeaseOptions & { log: Logger; onChange: (held: boolean) => void },
): LeaseHolder {
  const { log, onChange } = options;
  let lease: Lease | undefined;
  let acquiring: Promise<Lease> | undefined;
  let released = false;
  const isHeld = (): boolean => !released && lease?.lost.aborted === false;

  async function take(): Promise<Lease> {
    try {
      const taken = await acquireLease(options);
      lease = taken;
      onChange(true);
      log.info('lease taken: this process trains', { lease: taken.token });
      taken.lost.addEventListener('abort', () => {
        onChange(false);
        log.error('lease lost: another process trains', { lease: taken.token });
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
      if (released) throw new TrainingError('lease', 'the daemon is stopping');
      if (lease !== undefined && isHeld()) return lease;
      // Concurrent calls share one attempt: the second would find the lease of the first.
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
