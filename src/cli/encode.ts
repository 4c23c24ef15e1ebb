/** `vaemon encode`: the latent code of each window of a detector's history, as CSV. */
import { loadSettings } from '../config/load';
import { createLogger } from '../logger';
import { encodeHistory } from '../offline/encode';
import { openBackend } from '../tensor';
import type { Register } from './context';
import { createHistory, withModel, pickDetector } from './detector';
import { setOption } from './set';

interface Options {
  set: Record<string, string>;
  detector?: string;
  modelVersion?: string;
  fileRecords?: string;
}

export const register: Register = (program, { env, stdout, stderr }) => {
  program
    .command('encode')
    .description("print the latent code of each record's window, over a detector's history, as CSV")
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .option('-d, --detector <name>', 'name of the detector, if there are several')
    .option('--model-version <name>', 'model version (default: the current one)')
    .option('--file-records <n>', 'use the first n records of a file source (default: its historyRecords)')
    .addOption(setOption())
    .action(async (path: string, options: Options) => {
      const settings = await loadSettings(path, { env, overrides: options.set });
      const detector = pickDetector(settings, options.detector);
      const log = createLogger({ ...settings.daemon.log, stream: stderr });
      await openBackend();
      await withModel(settings, detector, options.modelVersion, async ({ state, model }) => {
        const readHistory = await createHistory(detector, options.fileRecords, log);
        const write = (line: string): void => void stdout.write(line);
        const { rejected } = await encodeHistory({ settings: detector, state, model, readHistory, write });
        if (rejected > 0) log.warn('records left out, as they cannot be decoded', { rejected });
      });
    });
};
