/** `vaemon demo`: the daemon on the recording that the package contains. */
import { join } from 'node:path';
import type { Register } from './context';
import { setOption, type DetectorOptions } from './options';
import { onceOption, onePass, runDaemon } from './run';

/** Folder of the package, in src/ and in dist/. */
const root = join(__dirname, '../..');

export const register: Register = (program, context) => {
  program
    .command('demo')
    .description('replay a recorded machine with known faults; needs no configuration')
    .addOption(onceOption())
    .addOption(setOption())
    .action((options: DetectorOptions & { once?: boolean }) =>
      runDaemon(join(root, 'config/demo'), { ...recording, ...onePass(options), ...options.set }, context),
    );
};

/** The files by their place in the package: the configuration names them relative to the working directory. */
const recording = {
  'source.file.path': join(root, 'data/host/host.csv.gz'),
  'source.file.labels': join(root, 'data/host/labels.csv'),
};
