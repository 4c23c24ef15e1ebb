/** What commands that are about one detector have in common: which one, its history, its current model version. */
import type { DetectorSettings, Settings } from '../config/settings';
import { ConfigError } from '../errors';
import type { createLogger } from '../logger';
import { decodeModel } from '../scoring/bundle';
import type { VersionState } from '../scoring/version-state';
import { disposeModel, type Model } from '../models/model';
import { createFileHistory } from '../sources/file/file';
import type { ReadHistory } from '../sources/history';
import { createSourceClient } from '../runtime/kafka-clients';
import { createKafkaHistory } from '../sources/kafka/history';
import { createModelStore } from '../store/model-store';

/** The detector of that name, or the only one. Throws a ConfigError that names those there are. */
export function pickDetector(settings: Settings, name: string | undefined): DetectorSettings {
  const all = settings.detectors.map((one) => one.settings);
  const picked =
    name === undefined ? (all.length === 1 ? all[0] : undefined) : all.find((one) => one.detector === name);
  if (picked !== undefined) return picked;
  const names = all.map((one) => one.detector).join(', ');
  throw new ConfigError([
    {
      file: '--detector',
      key: '',
      message: name === undefined ? `name one of ${names}` : `there is no detector "${name}", only ${names}`,
    },
  ]);
}

/** Past records of a detector's source; of a file the first so many, or its `historyRecords`. */
export function createHistory(
  { source }: DetectorSettings,
  fileRecords: string | undefined,
  log: ReturnType<typeof createLogger>,
): ReadHistory {
  if (source.kind === 'file') {
    return createFileHistory(
      source.file,
      fileRecords === undefined ? source.file.historyRecords : Number(fileRecords),
    );
  }
  return createKafkaHistory({
    kafka: createSourceClient(source.kafka, log, 'train'),
    settings: source.kafka,
    onUnread: (ranges) =>
      log.warn('history could not be read to its end', {
        topic: source.kafka.topic,
        partitions: ranges.map(({ partition }) => partition),
      }),
  });
}

/** A model version as it was stored. */
export interface OpenModel {
  version: string;
  state: VersionState;
  model: Model;
}

/**
 * Uses the model of the current version, or of the one that is named, and disposes it.
 * @throws Error when there is none yet, ModelVersionError when it cannot be read
 */
export async function withModel(
  { daemon }: Settings,
  { detector }: DetectorSettings,
  wanted: string | undefined,
  use: (opened: OpenModel) => void | Promise<void>,
): Promise<void> {
  const store = createModelStore({ directory: daemon.store.path, detector });
  const version = wanted ?? (await store.current());
  if (version === undefined)
    throw new Error(`detector "${detector}" has no model version yet: train it first`);
  const { files } = await store.read(version);
  const { state, model } = decodeModel(version, files);
  try {
    await use({ version, state, model });
  } finally {
    disposeModel(model);
  }
}
