/**
 * Supervision of the detectors of a process: one that cannot continue leaves the others at work, and is started again after a
 * pause. When none is at work any more, the process ends, so that whatever supervises the process starts it again.
 */
import { ConfigError } from '../errors';
import type { Logger } from '../logger';
import { errorChain, toError } from '../system/error-text';
import { aborted, pause, settledWithin } from '../system/pause';
import type { ReadinessReport } from './readiness';

export interface Supervised {
  readiness(): ReadinessReport;
  /** Resolves when its source has ended; rejects when it cannot continue. */
  finished: Promise<void>;
  stop(): Promise<void>;
}

export interface DetectorEntry<Running extends Supervised> {
  name: string;
  /** Whether another start continues where this one ended: not for a file, which would begin again. */
  isRestartable: boolean;
  start: () => Promise<Running>;
}

/** Longest pause before a detector is started again, ms. */
const maxPauseMs = 300_000;

interface State<Running> {
  running?: Running | undefined;
  failure?: Error | undefined;
  hasEnded: boolean;
}

export interface SupervisionOptions {
  log: Pick<Logger, 'error' | 'info'>;
  /** Time that stopping a failed detector may take, ms. */
  stopTimeoutMs: number;
  /** Pause before the first attempt to start a failed detector again, ms; it doubles with each. */
  pauseMs?: number;
}

export function createSupervision<Running extends Supervised>(
  entries: readonly DetectorEntry<Running>[],
  { log, stopTimeoutMs, pauseMs = 10_000 }: SupervisionOptions,
) {
  const stopping = new AbortController();
  const states = new Map<string, State<Running>>(entries.map(({ name }) => [name, { hasEnded: false }]));
  /** A call, because the compiler keeps the value of a property across an await. */
  const isStopping = (): boolean => stopping.signal.aborted;
  const outcome = new AbortController();
  let watching: Promise<void>[] = [];

  async function startOne({ name, start }: DetectorEntry<Running>): Promise<void> {
    const state = states.get(name)!;
    try {
      state.running = await start();
      state.failure = undefined;
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      fail(name, error);
    }
  }

  function fail(name: string, error: unknown): void {
    states.get(name)!.failure = toError(error);
    log.error('detector cannot continue', { detector: name, err: error });
  }

  /** Whether no detector is at work: then the process has nothing left to do. */
  function isIdle(): boolean {
    const isAtWork = ({ running, failure, hasEnded }: State<Running>): boolean =>
      running !== undefined && failure === undefined && !hasEnded;
    const idle = ![...states.values()].some(isAtWork);
    if (idle) outcome.abort();
    return idle;
  }

  /** The failure of a detector, if any has failed. */
  const failure = (): Error | undefined =>
    [...states.values()].find((state) => state.failure !== undefined)?.failure;

  async function watch(entry: DetectorEntry<Running>): Promise<void> {
    const state = states.get(entry.name)!;
    let pauseBeforeMs = pauseMs;
    for (;;) {
      const began = performance.now();
      const ended = state.failure === undefined && (await run(entry.name, state));
      if (isIdle() || ended || isStopping() || !entry.isRestartable) return;
      if (state.running !== undefined) await settledWithin(state.running.stop(), stopTimeoutMs);
      state.running = undefined;
      // One that was at work for long is started again soon.
      if (performance.now() - began > maxPauseMs) pauseBeforeMs = pauseMs;
      await pause(pauseBeforeMs, stopping.signal);
      if (isStopping()) return;
      pauseBeforeMs = Math.min(maxPauseMs, 2 * pauseBeforeMs);
      log.info('detector is started again', { detector: entry.name });
      await startOne(entry);
    }
  }

  /** Returns whether the source of a detector has ended; false if the detector has failed. */
  async function run(name: string, state: State<Running>): Promise<boolean> {
    try {
      await state.running!.finished;
      return (state.hasEnded = true);
    } catch (error) {
      fail(name, error);
      return false;
    }
  }

  async function finish(): Promise<void> {
    await aborted(outcome.signal);
    const failed = failure();
    if (failed !== undefined) throw failed;
  }

  return {
    /** Starts one detector after the other. @throws the failure if none can be started; ConfigError */
    async start(): Promise<void> {
      for (const entry of entries) await startOne(entry);
      if (entries.length > 0 && isIdle()) throw failure()!;
      watching = entries.map((entry) => watch(entry));
    },
    /** Resolves when every source has ended; rejects when no detector is at work and one has failed. */
    finished: finish(),
    /** The detectors that run. */
    all: (): Running[] =>
      [...states.values()].flatMap(({ running, failure: failed }) =>
        running === undefined || failed !== undefined ? [] : [running],
      ),
    /** A detector that runs. */
    running: (name: string): Running | undefined => {
      const { running, failure: failed } = states.get(name) ?? {};
      return failed === undefined ? running : undefined;
    },
    readiness: () =>
      [...states].map(([name, { running, failure: failed }]) => ({
        name,
        ...(failed === undefined
          ? (running?.readiness() ?? { ready: false, reason: 'starting' })
          : { ready: false, reason: `cannot continue: ${errorChain(failed)}` }),
      })),
    async stop(): Promise<void> {
      stopping.abort();
      const running = [...states.values()].flatMap((state) => state.running ?? []);
      await Promise.all(running.map((detector) => detector.stop()));
      await Promise.all(watching);
    },
  };
}
