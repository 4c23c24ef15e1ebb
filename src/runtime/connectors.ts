/** The source and the sinks of one detector, as its configuration demands. */
import type { DetectorSettings } from '../config/settings';
import type { DetectorMetrics } from '../metrics/metrics';
import { createQuarantineSink, type QuarantineBook } from '../sinks/quarantine';
import { withoutMuted } from '../sinks/muted';
import type { Sink } from '../sinks/sink';
import { createConfiguredSinks } from '../sinks/configured';
import type { SinkContext } from '../sinks/spec';
import { createSummarySink, type SummarySink } from '../sinks/summary';
import type { Source } from '../sources/source';
import { configuredSource, type ConfiguredSource } from '../sources/configured';
import type { SourceContext } from '../sources/spec';
import type { PartitionStates } from '../state/partitions';

/** Time after a fault whose records the summary of a replay counts neither as normal nor as faulty, ms. */
const afterEffectsMs = 60_000;

/** Compares the detections of a recording with its known faults; undefined where none are stated. */
export async function createSummary({ source }: DetectorSettings): Promise<SummarySink | undefined> {
  const faults = await configuredSource(source).knownFaults();
  return faults && createSummarySink(faults, afterEffectsMs);
}

/** The sinks, and what commits offsets together with detections, if one of them does. */
export async function createSinks(
  settings: DetectorSettings,
  quarantine: QuarantineBook,
  summary: Sink | undefined,
  context: Omit<SinkContext, 'detector'>,
) {
  const configured = await createConfiguredSinks(settings.sinks, { ...context, detector: settings });
  return {
    sinks: [
      createQuarantineSink(quarantine),
      ...(summary === undefined ? [] : [summary]),
      ...configured.map(({ sink }) => withoutMuted(sink)),
    ],
    committer: configured.find(({ committer }) => committer !== undefined)?.committer,
    /** Takes other settings of the sinks into force, of the keys that are reloaded. */
    reload: (next: DetectorSettings['sinks']) => configured.forEach((one) => one.reload?.(next)),
  };
}

/** The counts of the sinks for people; none before the metrics exist. */
export function countNotifications(
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

export function createSource(
  source: ConfiguredSource,
  metrics: DetectorMetrics,
  states: PartitionStates,
  context: Omit<SourceContext, 'observer' | 'restorePoints'>,
): Promise<Source> {
  const { log } = context;
  const { topic } = source;
  return source.create({
    ...context,
    observer: {
      error(err) {
        metrics.sourceError();
        log.error('source error', { err });
      },
      info: (message, fields) => log.info(message, fields),
      gap(missing) {
        metrics.sourceGap(Number(missing));
        log.warn('records were lost before they were consumed', { missing: String(missing) });
      },
      connected: (connected) => metrics.sourceConnected(connected),
      fetched: () => metrics.sourceFetched(),
      restarted: (reason) => metrics.sourceRestarted(reason),
    },
    restorePoints: {
      keepOnly: (partitions) => states.keepOnly(topic, partitions),
      restorePoint: (partition, liveFrom) => states.of(topic, partition).restorePoint(liveFrom),
    },
  });
}
