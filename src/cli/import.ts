/** `vaemon import`: publishes weights from another tool as a model version. */
import { readFile } from 'node:fs/promises';
import { loadSettings } from '../config/load';
import { createLogger } from '../logger';
import { decodeSafetensors } from '../tensor';
import type { Register } from './context';
import { pickDetector } from './detector';
import { trainVersion } from './train-version';
import { addTrainingOptions, type TrainingSelection } from './training-options';

export const register: Register = (program, { env, stdout, stderr }) => {
  const command = program
    .command('import')
    .description(
      'calibrate weights from another tool on the history, and publish them as the current model version',
    )
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .argument('<file>', 'safetensors with the names and shapes that `export` writes');
  addTrainingOptions(command).action(async (path: string, file: string, options: TrainingSelection) => {
    const settings = await loadSettings(path, { env, overrides: options.set });
    const detector = pickDetector(settings, options.detector);
    const log = createLogger({ ...settings.daemon.log, stream: stderr });
    const { tensors } = decodeSafetensors(await readFile(file));
    const { version, report } = await trainVersion(settings, detector, options, log, {
      weights: tensors,
      onProgress: () => undefined,
    });
    stdout.write(`${detector.detector}: version ${version}\n${JSON.stringify(report, null, 2)}\n`);
  });
};
