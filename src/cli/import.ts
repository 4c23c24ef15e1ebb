/** `vaemon import`: publishes weights from another tool as a model version. */
import { readFile } from 'node:fs/promises';
import { decodeSafetensors } from '../tensor';
import type { Register } from './context';
import { openDetector } from './detector';
import { trainingCommand, type TrainingOptions } from './options';
import { trainVersion } from './train-version';
import { describeVersion } from './version-summary';

export const register: Register = (program, context) => {
  trainingCommand(
    program,
    'import',
    'calibrate weights from another tool on the history, and publish them as the current model version',
  )
    .argument('<file>', 'safetensors with the names and shapes that `export` writes')
    .action(async (path: string, file: string, options: TrainingOptions) => {
      const opened = await openDetector(path, options, context);
      const { tensors } = decodeSafetensors(await readFile(file));
      const result = await trainVersion(opened, options, {
        weights: tensors,
        onProgress: () => undefined,
      });
      context.stdout.write(describeVersion(opened, result));
    });
};
