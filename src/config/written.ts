/** Writes settings as files that yield the same settings when they are loaded. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { toDocument } from '../schema/key';
import { daemonSchema } from './daemon';
import { detectorSchema } from './detector';
import type { Settings } from './settings';

/**
 * Writes the settings of the process and of one of its detectors into a folder, without secrets, which come from the
 * environment.
 */
export async function writeSettings(
  folder: string,
  { daemon, detectors }: Settings,
  name: string,
): Promise<void> {
  const { settings } = detectors.find((one) => one.settings.detector === name)!;
  const write = (file: string, document: object): Promise<void> =>
    writeFile(join(folder, file), stringify(document), { mode: 0o600 });
  await mkdir(join(folder, 'detectors'));
  await write('daemon.yaml', toDocument(daemonSchema, daemon, ''));
  await write('detectors/detector.yaml', toDocument(detectorSchema, settings, ''));
}
