/** Parts that commands on one detector share: finding it, and loading a model version. */
import { loadSettings } from '../config/load';
import type { DetectorSettings, Settings } from '../config/settings';
import { createLogger, type Logger } from '../logger';
import { disposeModel } from '../models/model';
import { decodeModel } from '../scoring/bundle';
import type { BundleFiles } from '../store/bundle';
import { createModelStore } from '../store/model-store';
import { openBackend } from '../tensor';
import type { CommandContext } from './context';
import { nameDetector } from './detector-name';
import type { DetectorOptions } from './options';

export interface OpenDetector {
  settings: Settings;
  detector: DetectorSettings;
  log: Logger;
}

/** Loads the configuration at a path, and returns the detector in the options, or without one the only detector. */
export async function openDetector(
  path: string,
  { set: overrides, detector: name }: DetectorOptions,
  { env, stderr }: CommandContext,
): Promise<OpenDetector> {
  const settings = await loadSettings(path, { env, overrides });
  const wanted = nameDetector(settings, name);
  const { settings: detector } = settings.detectors.find((one) => one.settings.detector === wanted)!;
  return { settings, detector, log: createLogger({ ...settings.daemon.log, stream: stderr }) };
}

/**
 * Passes the model of the current version, or of the version in the options, to a function, and disposes it.
 * @throws Error if there is no version yet, ModelVersionError if it cannot be read
 */
export async function withModel(
  path: string,
  options: DetectorOptions,
  context: CommandContext,
  use: (opened: OpenDetector & { version: string } & ReturnType<typeof decodeModel>) => Promise<void>,
): Promise<void> {
  const opened = await openDetector(path, options, context);
  await openBackend();
  const { version, files } = await readVersion(opened, options.modelVersion);
  const decoded = decodeModel(version, files);
  try {
    await use({ ...opened, version, ...decoded });
  } finally {
    disposeModel(decoded.model);
  }
}

/**
 * Files of the wanted version; default: the current one.
 * @throws Error if there is no version yet, ModelVersionError if it cannot be read
 */
export async function readVersion(
  { settings, detector: { detector } }: OpenDetector,
  wanted: string | undefined,
): Promise<{ version: string; files: BundleFiles }> {
  const store = createModelStore({ directory: settings.daemon.store.path, detector });
  const version = wanted ?? (await store.current());
  if (version === undefined)
    throw new Error(`detector "${detector}" has no model version yet: train it first`);
  return { version, files: (await store.read(version)).files };
}
