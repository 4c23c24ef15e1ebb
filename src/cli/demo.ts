/** `vaemon demo`: the daemon on the recording that the package contains. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadSettings } from '../config/load';
import { privateFile } from '../system/atomic-write';
import { messageOf } from '../system/error-text';
import { makeFolder, succeeds } from '../system/file-system';
import { addressOf } from './api-client';
import type { CommandContext, Register } from './context';
import { setOption, type DetectorOptions } from './options';
import { onceOption, onePass, runDaemon } from './run';

/** Folder of the package, in src/ and in dist/. */
const root = join(__dirname, '../..');
const configuration = join(root, 'config/demo');

export const register: Register = (program, context) => {
  program
    .command('demo')
    .description('replay a recorded machine with known faults; needs no configuration')
    .addOption(onceOption())
    .addOption(setOption())
    .action(async (options: DetectorOptions & { once?: boolean }) => {
      const overrides = { ...recording, ...onePass(options), ...options.set };
      const changes = await allowChanges(overrides, context);
      await runDaemon(configuration, { ...changes, ...overrides }, context);
    });
};

/** The files of the recording by their place in the package: the configuration has them relative to the working directory. */
const recording = {
  'source.file.path': join(root, 'data/host/host.csv.gz'),
  'source.file.labels': join(root, 'data/host/labels.csv'),
};

/**
 * Creates a token for changes on the page, readable only by the user of this process, and a file for labels, both in the store.
 * Prints the address of the page.
 * @returns overrides; none if a token is configured, or if the store cannot be written
 */
async function allowChanges(
  overrides: Readonly<Record<string, string>>,
  { env, stdout, stderr }: CommandContext,
): Promise<Readonly<Record<string, string>>> {
  const { daemon } = await loadSettings(configuration, { env, overrides });
  if (daemon.http.port !== 0) stdout.write(`The page: ${addressOf(daemon.http)}\n`);
  if (daemon.api.tokenFile !== '') return {};
  const file = join(daemon.store.path, 'demo-token');
  try {
    await makeFolder(daemon.store.path);
    const token = `${randomBytes(24).toString('base64url')}\n`;
    await succeeds(writeFile(file, token, { flag: 'wx', mode: privateFile }), 'EEXIST');
  } catch (error) {
    stderr.write(`the page is read-only, as its token could not be written: ${messageOf(error)}\n`);
    return {};
  }
  stdout.write(`Its buttons ask once for a token, which is in ${file}\n`);
  return { 'api.tokenFile': file, 'training.labels.file': join(daemon.store.path, 'demo-labels.csv') };
}
