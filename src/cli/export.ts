/** `vaemon export`: a model for other tools, as safetensors in PyTorch's layout or as an ONNX graph. */
import { writeFile } from 'node:fs/promises';
import { Option } from 'commander';
import { toTorchWeights } from '../models/exchange';
import { traceWithScaler } from '../scoring/trace';
import { encodeSafetensors } from '../tensor';
import type { Register } from './context';
import { withModel } from './detector';
import { modelCommand, type DetectorOptions } from './options';

interface Options extends DetectorOptions {
  format: 'safetensors' | 'onnx';
}

export const register: Register = (program, context) => {
  modelCommand(program, 'export', "write a detector's model to a file: its weights, or its graph")
    .argument('<file>', 'file to write')
    .addOption(
      new Option('--format <format>', 'format of the file')
        .choices(['safetensors', 'onnx'])
        .default('safetensors'),
    )
    .action((path: string, file: string, options: Options) =>
      withModel(path, options, context, async ({ detector: { detector }, version, state, model }) => {
        const report = (what: string): void =>
          void context.stdout.write(`${detector}: version ${version}, ${what} → ${file}\n`);
        if (options.format === 'onnx') {
          await writeFile(file, traceWithScaler(model, state));
          report('graph');
          return;
        }
        // With this information, another tool can build the network and scale its input.
        const { spec, image, channels, counters, scaler, conditions } = state;
        const metadata = Object.fromEntries(
          Object.entries({
            version,
            spec,
            ...(image && { image }),
            channels,
            ...(counters && { counters }),
            scaler,
            conditions,
          }).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
        );
        await writeFile(file, encodeSafetensors(toTorchWeights(model.weights), metadata));
        report(`${model.weights.size} tensors`);
      }),
    );
};
