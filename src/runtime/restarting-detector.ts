/** A detector of the process that is started again after a failure. */
import { ConfigError } from '../errors';
import type { Logger } from '../logger';
import { errorChain, toError } from '../system/error-text';
import { pause, settledWithin } from '../system/pause';
import type { ReadinessReport } from './readiness';

export interface Supervised {
  readiness(): ReadinessReport;
  /** Resolves when its source has ended; rejects when it cannot continue. */
  finished: Promise<void>;
  stop(): Promise<void>;
}

export interface DetectorEntry<Running extends Supervised> {
  name: string;
  /** Whether another start continues where this one ended. False for a file, which would begin again. */
  isRestartable: boolean;
  start: () => Promise<Running>;
}

export interface RestartOptions {
  log: Pick<Logger, 'error' | 'info'>;
  /** Time that stopping a failed detector may take, ms. */
  stopTimeoutMs: number;
  /** Pause before a failed detector is started again, ms; it doubles with each attempt. */
  pauseMs: number;
  /** Aborted when the process stops. */
  stopping: AbortSignal;
}

/** Longest pause before a detector is started again, ms. */
const maxPauseMs = 300_000;

export class RestartingDetector<Running extends Supervised> {
  readonly name: string;
  /** Also set for a detector that has failed, until it is stopped. */
  private started: Running | undefined;
  private failed: Error | undefined;
  private hasEnded = false;

  constructor(
    private readonly entry: DetectorEntry<Running>,
    private readonly options: RestartOptions,
  ) {
    this.name = entry.name;
  }

  /** The running detector, even after the end of its source. */
  running(): Running | undefined {
    return this.failed === undefined ? this.started : undefined;
  }

  failure(): Error | undefined {
    return this.failed;
  }

  isAtWork(): boolean {
    return this.running() !== undefined && !this.hasEnded;
  }

  readiness(): ReadinessReport {
    if (this.failed !== undefined)
      return { ready: false, reason: `cannot continue: ${errorChain(this.failed)}` };
    return this.started?.readiness() ?? { ready: false, reason: 'starting' };
  }

  /** Starts the detector. A failure is stored for `watch`. @throws ConfigError */
  async start(): Promise<void> {
    try {
      this.started = await this.entry.start();
      this.failed = undefined;
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      this.fail(error);
    }
  }

  /**
   * Waits for the end of the detector, and starts it again after a failure. Resolves when it will not be started again.
   * @param isIdle called at each end; whether no detector runs
   */
  async watch(isIdle: () => boolean): Promise<void> {
    const { log, stopTimeoutMs, pauseMs, stopping } = this.options;
    let pauseBeforeMs = pauseMs;
    for (;;) {
      const began = performance.now();
      if (this.failed === undefined) await this.run();
      if (isIdle() || this.hasEnded || stopping.aborted || !this.entry.isRestartable) return;
      if (this.started !== undefined) await settledWithin(this.started.stop(), stopTimeoutMs);
      this.started = undefined;
      // After a long run, the first pause is short again.
      if (performance.now() - began > maxPauseMs) pauseBeforeMs = pauseMs;
      await pause(pauseBeforeMs, stopping);
      if (this.isStopping()) return;
      pauseBeforeMs = Math.min(maxPauseMs, 2 * pauseBeforeMs);
      log.info('detector is started again', { detector: this.name });
      await this.start();
    }
  }

  async stop(): Promise<void> {
    await this.started?.stop();
  }

  private async run(): Promise<void> {
    try {
      await this.started!.finished;
      this.hasEnded = true;
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    this.failed = toError(error);
    this.options.log.error('detector cannot continue', { detector: this.name, err: error });
  }

  /** A method, because the compiler would assume that the property keeps its value across an await. */
  private isStopping(): boolean {
    return this.options.stopping.aborted;
  }
}
