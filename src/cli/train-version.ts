/** What commands that make a model version have in common: its history, what is left out of it, where it is published. */
import { sourceOf, type DetectorSettings, type Settings } from '../config/settings';
import { openEngines } from '../runtime/engines';
import { LeaseError, TrainingError } from '../errors';
import { quarantinePath, readQuarantine } from '../runtime/quarantine';
import type { createLogger } from '../logger';
import { createSourceClient } from '../sources/kafka/client';
import { readLabelFile, readLabelTopic, type TrainingLabel } from '../sources/training-labels';
import type { ModelStore } from '../store/bundle';
import { acquireLease, leaseFolder } from '../store/lease';
import { createModelStore } from '../store/model-store';
import { trainDetector, type TrainerParts, type TrainingResult } from '../runtime/trainer';
import { createHistory } from './detector';
import type { TrainingSelection } from './training-options';
import { packageVersions } from './version';

/**
 * Trains, or calibrates `weights`, and makes the result the current version.
 * @throws TrainingError with the reason why there is no new version
 */
export async function trainVersion(
  settings: Settings,
  detector: DetectorSettings,
  options: Omit<TrainingSelection, 'set'> & { lease?: string },
  log: ReturnType<typeof createLogger>,
  parts: Pick<TrainerParts, 'onProgress' | 'weights'>,
): Promise<TrainingResult> {
  const engines = await openEngines(settings.daemon.engine);
  // A calibration on anomalous records would treat them as normal.
  const exclude = await readQuarantine(
    options.quarantine ?? quarantinePath(settings.daemon.store.path, detector.detector),
  );
  const labels = await readTrainingLabels(detector, log);
  const readHistory = await createHistory(detector, options.fileRecords, log);
  return withPublishing(settings, detector, options, (store) =>
    trainDetector({
      ...parts,
      settings: detector,
      engines,
      store,
      readHistory,
      exclude,
      labels,
      writtenBy: packageVersions(),
      now: Date.now,
    }),
  );
}

/**
 * Labels that people gave to past records of a detector.
 * @throws Error that names the file and the line of an invalid label; invalid messages of a topic are logged
 */
async function readTrainingLabels(
  settings: DetectorSettings,
  log: ReturnType<typeof createLogger>,
): Promise<TrainingLabel[]> {
  const { detector, training } = settings;
  const { file, topic } = training.labels;
  const fromFile = file === '' ? [] : await readLabelFile(file);
  if (topic === '') return fromFile;
  const source = sourceOf(settings, 'kafka').kafka;
  const fromTopic = await readLabelTopic({
    kafka: createSourceClient(source, log, 'train'),
    settings: { topic, groupId: source.groupId },
    onBadLabel: (origin, reason) => log.warn('message is no label', { detector, ...origin, reason }),
    onUnread: () => log.warn('labels could not be read to their end', { detector, topic }),
  });
  return [...fromFile, ...fromTopic];
}

/**
 * A store to publish to: by the lease of the daemon that has started this process, or by one of our own.
 * @throws TrainingError (`lease`) that names who holds it
 */
async function withPublishing<T>(
  { daemon }: Settings,
  { detector }: DetectorSettings,
  { lease: token, takeLease = false }: { lease?: string; takeLease?: boolean },
  use: (store: ModelStore) => Promise<T>,
): Promise<T> {
  const { path: directory, leaseTimeoutMs: timeoutMs } = daemon.store;
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
