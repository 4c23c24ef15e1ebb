/** The sinks of one detector, as its configuration demands, and the metrics of the detector, which count for each of them. */
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

/** What sinks for people look at, once it exists: they are at work before. */
export interface Surroundings extends FleetParts {
  events?: Pick<ReportedEvents, 'open' | 'past'>;
}

/** Time after a fault whose records the summary of a replay counts neither as normal nor as faulty, ms. */
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
    // Records of a source without a group belong to one process.
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
    /** Undefined where no faults of a recording are known. */
    summary,
    /** Commits offsets together with detections, if a sink does that. */
    committer: configured.find(({ committer }) => committer !== undefined)?.committer,
    /** Takes other settings of the sinks into force, of the keys that are reloaded. */
    reload: (next: DetectorSettings['sinks']): void => configured.forEach((one) => one.reload?.(next)),
  };
}

/** The counts of the sinks for people; none before the metrics exist. */
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
