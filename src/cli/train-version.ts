/** What commands that make a model version have in common: its history, what is left out of it, where it is published. */
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
 * @throws TrainingError with the reason why there is no new version
 */
export async function trainVersion(
  opened: OpenDetector,
  options: TrainingOptions,
  parts: Pick<TrainerParts, 'onProgress' | 'onHistory' | 'weights' | 'coldStart' | 'onTrial'>,
): Promise<TrainingResult> {
  const { settings, detector, log } = opened;
  const engines = await openEngines(settings.daemon.engine);
  // A calibration on anomalous records would treat them as normal.
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
 * A store to publish to: by the lease of the daemon that has started this process, or by one of our own.
 * @throws TrainingError (`lease`) that names who holds it
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
