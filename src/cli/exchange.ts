/**
 * `vaemon export` and `vaemon import`: weights to and from other tools, as safetensors in PyTorch's layout, and the graph that
 * scores, as ONNX.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { Option } from 'commander';
import { loadSettings } from '../config/load';
import { createLogger } from '../logger';
import { toTorchWeights } from '../models/exchange';
import { traceWithScaler } from '../scoring/trace';
import { decodeSafetensors, encodeSafetensors, openBackend } from '../tensor';
import type { Register } from './context';
import { pickDetector, withModel } from './detector';
import { setOption } from './set';
import { trainVersion } from './train-version';
import { addTrainingOptions, type TrainingSelection } from './training-options';

interface Options {
  set: Record<string, string>;
  detector?: string;
}

interface ExportOptions extends Options {
  modelVersion?: string;
  format: 'safetensors' | 'onnx';
}

export const register: Register = (program, { env, stdout, stderr }) => {
  program
    .command('export')
    .description("write a detector's model to a file: its weights, or the graph that scores")
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .argument('<file>', 'where to write it')
    .option('-d, --detector <name>', 'which detector, where there are several')
    .option('--model-version <name>', 'which model version (default: the current one)')
    .addOption(
      new Option('--format <format>', 'of the file').choices(['safetensors', 'onnx']).default('safetensors'),
    )
    .addOption(setOption())
    .action(async (path: string, file: string, options: ExportOptions) => {
      const settings = await loadSettings(path, { env, overrides: options.set });
      await openBackend();
      const detector = pickDetector(settings, options.detector);
      await withModel(settings, detector, options.modelVersion, async ({ version, state, model }) => {
        if (options.format === 'onnx') {
          await writeFile(file, traceWithScaler(model, state));
          stdout.write(`${detector.detector}: version ${version}, its graph → ${file}\n`);
          return;
        }
        // All that another tool needs to build the network and to scale what it reads.
        const { spec, image, channels, scaler, conditions } = state;
        const metadata = Object.fromEntries(
          Object.entries({ version, spec, ...(image && { image }), channels, scaler, conditions }).map(
            ([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)],
          ),
        );
        await writeFile(file, encodeSafetensors(toTorchWeights(model.weights), metadata));
        stdout.write(`${detector.detector}: version ${version}, ${model.weights.size} tensors → ${file}\n`);
      });
    });

  const importCommand = program
    .command('import')
    .description(
      'make weights that were trained elsewhere the current model version, calibrated on the history',
    )
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .argument('<file>', 'safetensors, with the names and shapes that `export` writes');
  addTrainingOptions(importCommand).action(async (path: string, file: string, options: TrainingSelection) => {
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
