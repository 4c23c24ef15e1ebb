/** The lease of a process that trains: taken before its first training, kept until it stops or another process takes it. */
import { LeaseError, TrainingError } from '../errors';
import type { Logger } from '../logger';
import { acquireLease, type Lease, type LeaseOptions } from '../store/lease';
import { messageOf } from '../system/error-text';

export class LeaseHolder {
  private lease: Lease | undefined;
  private acquiring: Promise<Lease> | undefined;
  private released = false;

  constructor(private readonly options: LeaseOptions & { log: Logger; onChange: (held: boolean) => void }) {}

  /** Whether this process holds the lease, unless it expired since the last renewal. */
  isHeld(): boolean {
    return !this.released && this.lease?.lost.aborted === false;
  }

  /** Folder of the newest lease of this process, even after its loss; undefined if it never had one. */
  folder(): string | undefined {
    return this.lease?.folder;
  }

  /** Resolves to the lease of this process. Rejects with a TrainingError (`lease`, `store`) if there is none to get. */
  async acquire(): Promise<Lease> {
    if (this.released) throw new TrainingError('lease', 'the daemon is stopping');
    if (this.lease !== undefined && this.isHeld()) return this.lease;
    // Concurrent calls share one attempt: the second would find the lease of the first.
    this.acquiring ??= this.take().finally(() => (this.acquiring = undefined));
    return this.acquiring;
  }

  /** Gives the lease back; `acquire` rejects from then on. Idempotent. */
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
