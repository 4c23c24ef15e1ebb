/**
 * Supervision of the detectors of a process: if one fails, the others continue, and it is started again after a pause. When
 * none runs any longer, the process ends, so that its supervisor starts it again.
 */
import { aborted } from '../system/pause';
import {
  RestartingDetector,
  type DetectorEntry,
  type RestartOptions,
  type Supervised,
} from './restarting-detector';

export interface SupervisionOptions extends Pick<RestartOptions, 'log' | 'stopTimeoutMs'> {
  /** Pause before a failed detector is started again, ms; it doubles with each attempt. */
  pauseMs?: number;
}

export function createSupervision<Running extends Supervised>(
  entries: readonly DetectorEntry<Running>[],
  { log, stopTimeoutMs, pauseMs = 10_000 }: SupervisionOptions,
) {
  const stopping = new AbortController();
  const idle = new AbortController();
  const options: RestartOptions = { log, stopTimeoutMs, pauseMs, stopping: stopping.signal };
  const detectors = entries.map((entry) => new RestartingDetector(entry, options));
  let watching: Promise<void>[] = [];

  /** Whether no detector runs, so that the process has nothing left to do. */
  function isIdle(): boolean {
    const none = !detectors.some((detector) => detector.isAtWork());
    if (none) idle.abort();
    return none;
  }

  /** The failure of a detector, if one has failed. */
  const failure = (): Error | undefined => detectors.find((one) => one.failure() !== undefined)?.failure();

  async function finish(): Promise<void> {
    await aborted(idle.signal);
    const failed = failure();
    if (failed !== undefined) throw failed;
  }

  return {
    /** Starts one detector after the other. @throws the failure if none can be started; ConfigError */
    async start(): Promise<void> {
      for (const detector of detectors) await detector.start();
      if (detectors.length > 0 && isIdle()) throw failure()!;
      watching = detectors.map((detector) => detector.watch(isIdle));
    },
    /** Resolves when every source has ended; rejects when no detector runs and one has failed. */
    finished: finish(),
    /** The detectors that run. */
    all: (): Running[] => detectors.flatMap((detector) => detector.running() ?? []),
    /** A detector that runs. */
    running: (name: string): Running | undefined => detectors.find((one) => one.name === name)?.running(),
    readiness: () => detectors.map((detector) => ({ name: detector.name, ...detector.readiness() })),
    async stop(): Promise<void> {
      stopping.abort();
      await Promise.all(detectors.map((detector) => detector.stop()));
      await Promise.all(watching);
    },
  };
}
