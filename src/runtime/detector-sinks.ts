/** The configured sinks of one detector, and the metrics of the detector, which count for each of them. */
import type { DetectorSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { DetectorMetrics, Metrics } from '../metrics/metrics';
import { createConfiguredSinks } from '../sinks/configured';
import { withoutMuted } from '../sinks/muted';
import { createQuarantineSink, type QuarantineBook } from '../sinks/quarantine';
import type { Sink } from '../sinks/sink';
import type { SinkContext } from '../sinks/spec';
import { createSummarySink } from '../sinks/summary';
import type { ConfiguredSource } from '../sources/configured';
import type { Cleanup } from './cleanup';
import { createFleet, type FleetParts } from './fleet';
import type { ReportedEvents } from './reported-events';

export interface DetectorSinksParts {
  settings: DetectorSettings;
  source: ConfiguredSource;
  /** Folder of the store. */
  directory: string;
  quarantine: QuarantineBook;
  metrics: Metrics;
  log: Logger;
}

/** Parts that notification sinks read. The sinks start earlier, so a part may be absent at first. */
export interface Surroundings extends FleetParts {
  events?: Pick<ReportedEvents, 'open' | 'past'>;
}

/**
 * After the end of a fault, the summary of a replay ignores records for this time, ms, as they are neither normal nor faulty.
 */
const afterEffectsMs = 60_000;

export async function createDetectorSinks(parts: DetectorSinksParts, cleanup: Cleanup) {
  const { settings, source, directory, quarantine, log } = parts;
  const { detector } = settings;
  const surroundings: Surroundings = {};
  const counting: { metrics?: DetectorMetrics } = {};
  const faults = await source.knownFaults();
  /** Compares the detections of a recording with its known faults. */
  const summary = faults && createSummarySink(faults, afterEffectsMs);
  const configured = await createConfiguredSinks(settings.sinks, {
    detector: settings,
    onTransaction: (result) => counting.metrics?.transaction(result),
    openEvents: (limit) => surroundings.events?.open(limit) ?? [],
    // A source without a consumer group is read by one process.
    fleet: source.state && createFleet(directory, detector, surroundings),
    notifications: countNotifications(() => counting.metrics?.notifications),
    log,
  });
  const sinks: Sink[] = [
    createQuarantineSink(quarantine),
    ...(summary === undefined ? [] : [summary]),
    ...configured.map(({ sink }) => withoutMuted(sink)),
  ];
  for (const sink of sinks) cleanup.add(`sink ${sink.name}`, () => sink.close());
  const metrics = parts.metrics.forDetector(detector, {
    topics: [source.topic],
    sinks: sinks.map((sink) => sink.name),
    notifiers: sinks.filter(({ notifies }) => notifies === true).map((sink) => sink.name),
  });
  counting.metrics = metrics;
  return {
    sinks,
    metrics,
    surroundings,
    /** Undefined unless the faults of a recording are known. */
    summary,
    /** The sink that commits offsets together with detections, if there is one. */
    committer: configured.find(({ committer }) => committer !== undefined)?.committer,
    /** Applies other settings of the sinks, for keys that can be reloaded. */
    reload: (next: DetectorSettings['sinks']): void => configured.forEach((one) => one.reload?.(next)),
  };
}

/** Counts of the notification sinks; zero before the metrics exist. */
function countNotifications(
  metrics: () => DetectorMetrics['notifications'] | undefined,
): SinkContext['notifications'] {
  return (sink) => ({
    delivered: (messages) => metrics()?.delivered(sink, messages),
    dropped: (messages) => metrics()?.dropped(sink, messages),
    refused: (messages) => metrics()?.refused(sink, messages),
    failed: () => metrics()?.failed(sink),
    queued: (messages) => metrics()?.queued(sink, messages),
  });
}
