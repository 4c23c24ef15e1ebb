/** Composition root of the process: backend, metrics, web server, and every configured detector. */
import type { DetectorSettings, Settings } from '../config/settings';
import { startDetector, type DetectorObserver, type RunTraining, type RunningDetector } from './detector';
import { openEngines } from './engines';
import { reportPatches } from '../kafka/patches/patches';
import type { Logger } from '../logger';
import { createMetrics } from '../metrics/metrics';
import { createCleanup } from './cleanup';
import { createWebServer } from '../web/server';

export interface DaemonParts {
  settings: Settings;
  /** Of vaemon itself. */
  version: string;
  log: Logger;
  /** Trains one detector in a process of its own. */
  runTraining: (detector: string) => RunTraining;
  observer?: Partial<DetectorObserver>;
  /** Whether metrics of the process are collected, too; these collectors live as long as it does. */
  processMetrics?: boolean;
}

export interface Daemon {
  /** Where /metrics, /healthz and /readyz are. */
  url: string;
  /** Resolves when every source has ended by itself; rejects as soon as one detector cannot go on. */
  finished: Promise<void>;
  /** Drains, acknowledges and lets go of everything, last acquired first. Idempotent. */
  stop(): Promise<void>;
}

export async function startDaemon(parts: DaemonParts): Promise<Daemon> {
  const { log, version } = parts;
  const { daemon, detectors } = parts.settings;
  const releasers = createCleanup();
  const running: RunningDetector[] = [];
  let stopping = false;
  try {
    const kafka = detectors.filter(({ settings }) => usesKafka(settings));
    if (kafka.length > 0)
      reportPatches({ exactlyOnce: kafka.some(({ settings }) => settings.delivery === 'exactly-once'), log });
    const engines = await openEngines(daemon.engine, { threaded: true });
    releasers.add('engines', () => engines.close());
    log.info('engine chosen', {
      engine: engines.scoring.name,
      reason: engines.scoring.reason,
      tensors: engines.tensors.name,
    });
    const metrics = createMetrics({
      version,
      engine: engines.scoring.name,
      process: parts.processMetrics ?? true,
    });

    const web = await createWebServer({
      ...daemon.http,
      metrics,
      health: () => ({ ok: true, details: { version, uptimeSeconds: process.uptime() } }),
      readiness() {
        const states = running.map((detector) => ({ name: detector.name, ...detector.readiness() }));
        const all = running.length === detectors.length && states.every(({ ready }) => ready);
        return { ready: !stopping && all, detectors: states };
      },
      log,
    });
    releasers.add('web server', () => web.close());
    log.info('web server listens', { url: web.address.url });

    for (const { settings } of detectors) {
      const detector = await startDetector({
        settings,
        role: daemon.role,
        storePath: daemon.store.path,
        pollIntervalMs: daemon.store.pollIntervalMs,
        leaseTimeoutMs: daemon.store.leaseTimeoutMs,
        metrics,
        log: log.child({ component: settings.detector }),
        runTraining: parts.runTraining(settings.detector),
        openSession: engines.openScoring,
        observer: { trainingProgress: ignore, trainingEnded: ignore, passEnded: ignore, ...parts.observer },
        shutdownTimeoutMs: daemon.shutdownTimeoutMs,
      });
      running.push(detector);
    }
    // Side by side: each has its own batch to finish, and the deadline is one for all.
    releasers.add('detectors', async () => {
      await Promise.all(running.map((detector) => detector.stop()));
    });

    const finished = Promise.all(running.map((detector) => detector.finished)).then(ignore);
    finished.catch(ignore);
    return {
      url: web.address.url,
      finished,
      async stop() {
        stopping = true;
        await within(releasers.release(), daemon.shutdownTimeoutMs);
      },
    };
  } catch (error) {
    await releasers.release().catch((err: unknown) => log.warn('could not stop cleanly', { err }));
    throw error;
  }
}

function usesKafka({ source, sinks }: DetectorSettings): boolean {
  return source.kind === 'kafka' || sinks.kafka.enabled;
}

function ignore(): void {
  // Nobody has asked to be told.
}

/** @throws Error when `done` takes longer: what hangs must not keep the process from ending */
async function within(done: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`stopping took longer than ${timeoutMs} ms (shutdownTimeout)`));
    }, timeoutMs);
  });
  try {
    await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}
