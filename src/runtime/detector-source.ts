/** The configured source of one detector. */
import { join } from 'node:path';
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import type { DetectorMetrics } from '../metrics/metrics';
import type { ConfiguredSource } from '../sources/configured';
import type { Source } from '../sources/source';
import type { SourceContext } from '../sources/spec';
import { createOffsetStore } from '../state/offsets';
import type { PartitionStates } from '../state/partitions';

export interface DetectorSourceParts extends Pick<SourceContext, 'committer' | 'onPassEnd' | 'log'> {
  settings: DetectorSettings;
  daemon: Pick<DaemonSettings, 'store' | 'shutdownTimeoutMs'>;
  metrics: DetectorMetrics;
  states: PartitionStates;
}

export function createDetectorSource(source: ConfiguredSource, parts: DetectorSourceParts): Promise<Source> {
  const { settings, daemon, metrics, states, committer, onPassEnd, log } = parts;
  const { detector, record, fields } = settings;
  const { path: directory } = daemon.store;
  const { topic } = source;
  return source.create({
    channels: record.channels,
    timestampFormat: fields.timestampFormat,
    timeZone: fields.timeZone,
    committer,
    folder: join(directory, detector),
    offsets: createOffsetStore({ directory, detector, topic }),
    shutdownTimeoutMs: daemon.shutdownTimeoutMs,
    onPassEnd,
    log,
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
      save: (partition, committed) => states.of(topic, partition).save(committed),
    },
  });
}
