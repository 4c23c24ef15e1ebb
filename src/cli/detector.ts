/** What commands that are about one detector have in common: which one, its history, its current model version. */
import type { DetectorSettings, Settings } from '../config/settings';
import { ConfigError } from '../errors';
import type { Logger } from '../logger';
import { decodeModel } from '../scoring/bundle';
import type { VersionState } from '../scoring/version-state';
import { disposeModel, type Model } from '../models/model';
import type { ReadHistory } from '../sources/history';
import { configuredSource } from '../sources/sources';
import type { BundleFiles } from '../store/bundle';
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

/**
 * Past records of the source of a detector.
 * @param fileRecords of a bounded source: how many of its first records are history
 */
export function createHistory(
  { source }: DetectorSettings,
  fileRecords: string | undefined,
  log: Logger,
): Promise<ReadHistory> {
  const records = fileRecords === undefined ? undefined : Number(fileRecords);
  return configuredSource(source).createHistory({ log, records });
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
  settings: Settings,
  detector: DetectorSettings,
  wanted: string | undefined,
  use: (opened: OpenModel) => void | Promise<void>,
): Promise<void> {
  const { version, files } = await readVersion(settings, detector, wanted);
  const { state, model } = decodeModel(version, files);
  try {
    await use({ version, state, model });
  } finally {
    disposeModel(model);
  }
}

/**
 * The files of the current version, or of the one that is named.
 * @throws Error when there is no version yet, ModelVersionError when it cannot be read
 */
export async function readVersion(
  { daemon }: Settings,
  { detector }: DetectorSettings,
  wanted: string | undefined,
): Promise<{ version: string; files: BundleFiles }> {
  const store = createModelStore({ directory: daemon.store.path, detector });
  const version = wanted ?? (await store.current());
  if (version === undefined)
    throw new Error(`detector "${detector}" has no model version yet: train it first`);
  return { version, files: (await store.read(version)).files };
}
