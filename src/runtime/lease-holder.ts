/**
 * The lease of a process that trains: acquired before its first training, kept until the process stops or another one takes it.
 */
import { LeaseError, TrainingError } from '../errors';
import type { Logger } from '../logger';
import { acquireLease, type Lease, type LeaseOptions } from '../store/lease';
import { messageOf } from '../system/error-text';

export class LeaseHolder {
  private lease: Lease | undefined;
  private acquiring: Promise<Lease> | undefined;
  private released = false;

  constructor(private readonly options: LeaseOptions & { log: Logger; onChange: (held: boolean) => void }) {}

  /** Whether this process holds the lease and has renewed it in time. */
  isHeld(): boolean {
    return !this.released && this.lease?.lost.aborted === false;
  }

  /** Folder of the newest lease of this process, even after its loss; undefined if the process never had a lease. */
  folder(): string | undefined {
    return this.lease?.folder;
  }

  /** Resolves to the lease of this process. Rejects with a TrainingError (`lease`, `store`) if it cannot be acquired. */
  async acquire(): Promise<Lease> {
    if (this.released) throw new TrainingError('lease', 'the daemon is stopping');
    if (this.lease !== undefined && this.isHeld()) return this.lease;
    // Concurrent calls share one attempt: a second attempt would find the lease of the first.
    this.acquiring ??= this.take().finally(() => (this.acquiring = undefined));
    return this.acquiring;
  }

  /** Releases the lease; `acquire` rejects from then on. Idempotent. */
  async release(): Promise<void> {
    const held = this.isHeld();
    this.released = true;
    await this.acquiring?.catch(() => undefined);
    if (held) this.options.onChange(false);
    await this.lease?.release();
  }

  private async take(): Promise<Lease> {
    const { log, onChange } = this.options;
    try {
      const taken = await acquireLease(this.options);
      this.lease = taken;
      onChange(true);
      log.info('lease taken: this process trains', { lease: taken.token });
      taken.lost.addEventListener('abort', () => {
        onChange(false);
        log.error('lease lost: another process trains', { lease: taken.token });
      });
      return taken;
    } catch (cause) {
      throw new TrainingError(cause instanceof LeaseError ? 'lease' : 'store', messageOf(cause), { cause });
    }
  }
}
