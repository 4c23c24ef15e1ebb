/** `vaemon export`: a model for other tools, as safetensors in PyTorch's layout or as an ONNX graph. */
import { writeFile } from 'node:fs/promises';
import { Option } from 'commander';
import { loadSettings } from '../config/load';
import { toTorchWeights } from '../models/exchange';
import { traceWithScaler } from '../scoring/trace';
import { encodeSafetensors, openBackend } from '../tensor';
import type { Register } from './context';
import { pickDetector, withModel } from './detector';
import { setOption } from './set';

interface Options {
  set: Record<string, string>;
  detector?: string;
  modelVersion?: string;
  format: 'safetensors' | 'onnx';
}

export const register: Register = (program, { env, stdout }) => {
  program
    .command('export')
    .description("write a detector's model to a file: its weights, or its graph")
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .argument('<file>', 'file to write')
    .option('-d, --detector <name>', 'name of the detector, if there are several')
    .option('--model-version <name>', 'model version (default: the current one)')
    .addOption(
      new Option('--format <format>', 'format of the file')
        .choices(['safetensors', 'onnx'])
        .default('safetensors'),
    )
    .addOption(setOption())
    .action(async (path: string, file: string, options: Options) => {
      const settings = await loadSettings(path, { env, overrides: options.set });
      await openBackend();
      const detector = pickDetector(settings, options.detector);
      await withModel(settings, detector, options.modelVersion, async ({ version, state, model }) => {
        if (options.format === 'onnx') {
          await writeFile(file, traceWithScaler(model, state));
          stdout.write(`${detector.detector}: version ${version}, graph → ${file}\n`);
          return;
        }
        // With this, another tool can build the network and scale its input.
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
};
