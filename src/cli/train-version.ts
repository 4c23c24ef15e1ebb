/** Common parts of the commands that make a model version: the history, the exclusions, and the publication. */
import { join } from 'node:path';
import { openEngines } from '../runtime/engines';
import { nearest } from '../schema/suggest';
import { LeaseError, TrainingError } from '../errors';
import { quarantinePath, readQuarantine } from '../runtime/quarantine';
import { configuredSource } from '../sources/configured';
import type { ModelStore } from '../store/model-store';
import { acquireLease, leaseFolder } from '../store/lease';
import { createModelStore } from '../store/model-store';
import { createLabelReader } from '../runtime/labels';
import { trainDetector, type TrainerParts, type TrainingResult } from '../runtime/trainer';
import type { OpenDetector } from './detector';
import type { TrainingOptions } from './options';
import { packageVersions } from './version';

/**
 * Trains, or calibrates `weights`, and makes the result the current version.
 * @throws TrainingError with the reason why no version was published
 */
export async function trainVersion(
  opened: OpenDetector,
  options: TrainingOptions,
  parts: Pick<TrainerParts, 'onProgress' | 'onHistory' | 'weights' | 'coldStart' | 'onTrial'>,
): Promise<TrainingResult> {
  const { settings, detector, log } = opened;
  const engines = await openEngines(settings.daemon.engine);
  // Calibrating on anomalous records would make them normal.
  const exclude = await readQuarantine(
    options.quarantine ?? quarantinePath(settings.daemon.store.path, detector.detector),
  );
  const labels = await createLabelReader(detector, log, 'train')();
  const source = configuredSource(detector.source);
  const readHistory = await source.createHistory({
    log,
    folder: join(settings.daemon.store.path, detector.detector),
    records: options.fileRecords,
    timestampFormat: detector.fields.timestampFormat,
    timeZone: detector.fields.timeZone,
  });
  return withPublishing(opened, options, (store) =>
    trainDetector({
      ...parts,
      settings: detector,
      engines,
      store,
      readHistory,
      exclude,
      labels,
      onUnmatchedLabels([label, ...others], keys) {
        const { key, from, to } = label!;
        log.warn('labels have no effect: no record of the history lies in their time', {
          detector: detector.detector,
          labels: 1 + others.length,
          key,
          start: new Date(from).toISOString(),
          end: new Date(to).toISOString(),
          ...(key !== '' && !keys.includes(key) && { nearestKey: nearest(key, keys) ?? 'none' }),
        });
      },
      writtenBy: packageVersions(),
      now: Date.now,
    }),
  );
}

/**
 * Opens a store to publish to, with the lease of the daemon that started this process, or with a new one.
 * @throws TrainingError (`lease`) that names the present holder
 */
async function withPublishing<T>(
  { settings, detector: { detector } }: OpenDetector,
  { lease: token, takeLease = false }: TrainingOptions,
  use: (store: ModelStore) => Promise<T>,
): Promise<T> {
  const { path: directory, leaseTimeoutMs: timeoutMs } = settings.daemon.store;
  if (token !== undefined) {
    const folder = leaseFolder(directory, detector, Number(token));
    return use(createModelStore({ directory, detector, lease: () => folder }));
  }
  const wanted = { directory, detector, timeoutMs, threaded: true, force: takeLease };
  const lease = await acquireLease(wanted).catch((cause: unknown) => {
    throw cause instanceof LeaseError
      ? new TrainingError('lease', `${cause.message}; --take-lease takes it away`, { cause })
      : cause;
  });
  try {
    return await use(createModelStore({ directory, detector, lease: () => lease.folder }));
  } finally {
    await lease.release();
  }
}
