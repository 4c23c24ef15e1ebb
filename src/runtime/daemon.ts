/** Composition of the process: engines, metrics, web server, and every configured detector. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { privateFolder } from '../system/atomic-write';
import { firstLineOf } from '../system/error-text';
import { makeFolder } from '../system/file-system';
import type { DetectorSettings, Settings } from '../config/settings';
import { withoutRepeats, type Logger, type RootLogger } from '../logger';
import { createMetrics } from '../metrics/metrics';
import type { PastEvent } from '../past/past-event';
import { configuredSource } from '../sources/configured';
import { settledWithin } from '../system/pause';
import { Cleanup } from './cleanup';
import { startDetector, type DetectorObserver } from './detector';
import { openEngines } from './engines';
import { createAudit } from '../web/api/audit';
import { createHealth } from './health';
import { createSupervision } from './supervision';
import { createReload, type ConfigurationFiles } from './reload';
import type { RunTraining } from './training-run';
import { startWeb } from './web';

/** Time within which a repeated problem is logged at debug level, ms. */
const repeatedProblemMs = 600_000;

export interface DaemonParts {
  settings: Settings;
  /** Version of vaemon. */
  version: string;
  log: Logger;
  setLogLevel: RootLogger['setLevel'];
  files: ConfigurationFiles;
  /** Trains one detector in a separate process, with the settings in force at that time. */
  runTraining: (detector: string, inForce: () => Settings) => RunTraining;
  observer: DetectorObserver;
}

export async function startDaemon(parts: DaemonParts) {
  await checkStore(parts.settings, parts.log);
  const cleanup = new Cleanup();
  try {
    return await composeDaemon(parts, cleanup);
  } catch (error) {
    await cleanup.release().catch((err: unknown) => parts.log.warn('could not stop cleanly', { err }));
    throw error;
  }
}

async function composeDaemon(parts: DaemonParts, cleanup: Cleanup) {
  const { log, version, files } = parts;
  const { daemon, detectors } = parts.settings;
  let stopping = false;
  let inForce = (): Settings => parts.settings;
  await reportKafkaPatches(detectors, log);
  const engines = await openEngines(daemon.engine, { threaded: true });
  cleanup.add('engines', () => engines.close());
  const { scoring, tensors } = engines;
  log.info('engine chosen', { engine: scoring.name, reason: scoring.reason, tensors: tensors.name });
  const metrics = createMetrics({ version, engine: scoring.name });
  const audit = createAudit(daemon.store.path);
  /** Sends an event to the clients of the API; set once the web server listens. */
  let publish: (past: PastEvent) => void = () => undefined;
  const supervision = createSupervision(
    detectors.map(({ settings: { detector: name, source } }) => ({
      name,
      isRestartable: !configuredSource(source).bounded,
      start: () =>
        startDetector({
          settings: settingsOf(inForce(), name),
          daemon: inForce().daemon,
          metrics,
          log: withoutRepeats(log.child({ component: name, detector: name }), repeatedProblemMs),
          runTraining: parts.runTraining(name, () => inForce()),
          openSession: engines.openScoring,
          observer: parts.observer,
          audit,
          onEvent: (past) => publish(past),
        }),
    })),
    { log, stopTimeoutMs: daemon.shutdownTimeoutMs },
  );
  const health = cleanup.own('health', createHealth({ scoringThread: engines.threadHealth, log }));
  const web = await startWeb({
    daemon: () => inForce().daemon,
    version,
    metrics,
    audit,
    health() {
      const { ok, details } = health.report();
      return { ok, details: { version, uptimeSeconds: process.uptime(), ...details } };
    },
    readiness() {
      const states = supervision.readiness();
      return { ready: !stopping && states.every(({ ready }) => ready), detectors: states };
    },
    detectors: () =>
      supervision
        .readiness()
        .map((state) => ({ ...state, view: stopping ? undefined : supervision.running(state.name)?.view })),
    log,
  });
  publish = web.publish;
  cleanup.add('web server', () => web.close());

  // Detectors stop concurrently, as they share one deadline.
  cleanup.own('detectors', supervision);
  const { finished } = supervision;
  finished.catch(() => undefined);
  await supervision.start();
  const reload = createReload({
    files,
    settings: parts.settings,
    intervalMs: daemon.reload.intervalMs,
    prepare(next) {
      const begin = supervision
        .all()
        .map((detector) => detector.reload(settingsOf(next, detector.name), next.daemon));
      return () => {
        for (const one of begin) one();
        parts.setLogLevel(next.daemon.log.level);
      };
    },
    metrics: metrics.configuration,
    log,
  });
  inForce = () => reload.settings();
  cleanup.own('reload', reload);
  return {
    /** Reads the configuration again. Never rejects. */
    reload: () => reload.now(),
    /** Resolves when every source has ended; rejects when no detector runs and one has failed. */
    finished,
    /** Health of the process, and the state of each detector in one line. */
    report: () => ({
      ok: health.report().ok,
      status: supervision
        .readiness()
        .map(({ name, ready, reason }) => `${name}: ${ready ? '' : 'not ready, '}${reason}`)
        .join('; '),
    }),
    /** Finishes the batches in progress and releases everything. Idempotent. */
    async stop(): Promise<void> {
      stopping = true;
      const released = cleanup.release();
      if (!(await settledWithin(released, daemon.shutdownTimeoutMs)))
        throw new Error(`stopping took longer than ${daemon.shutdownTimeoutMs} ms (shutdownTimeout)`);
      await released;
    },
  };
}

/**
 * A process that trains must be able to write to the store: otherwise each of its trainings would fail.
 * @throws Error if the store cannot be used, or cannot be written to while one of its detectors has no model
 */
async function checkStore({ daemon, detectors }: Settings, log: Logger): Promise<void> {
  const {
    role,
    store: { path },
  } = daemon;
  const refuse = (cause: unknown): never => {
    throw new Error(`store.path cannot be used: ${firstLineOf(cause)}`, { cause });
  };
  await makeFolder(path, privateFolder).catch(refuse);
  if (role === 'score') return;
  try {
    await access(path, constants.W_OK | constants.X_OK);
  } catch (err) {
    const stored = detectors.map(({ settings }) => access(join(path, settings.detector, 'current')));
    await Promise.all(stored).catch(() => refuse(err));
    log.error('store.path cannot be written: no model is trained, and no state is saved', { err });
  }
}

async function reportKafkaPatches(detectors: Settings['detectors'], log: Logger): Promise<void> {
  const kafka = detectors.filter(({ settings }) => usesKafka(settings));
  if (kafka.length === 0) return;
  // Loaded only in a process that needs the Kafka client.
  const { reportPatches } = await import('../kafka/patches/patches');
  reportPatches({ exactlyOnce: kafka.some(({ settings }) => settings.delivery === 'exactly-once'), log });
}

function settingsOf({ detectors }: Settings, name: string): DetectorSettings {
  return detectors.find(({ settings }) => settings.detector === name)!.settings;
}

function usesKafka({ source, sinks }: DetectorSettings): boolean {
  return source.kind === 'kafka' || sinks.kafka.enabled;
}
