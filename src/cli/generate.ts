/** `vaemon generate`: synthetic windows as CSV, or synthetic images as one PNG. */
import { writeFile } from 'node:fs/promises';
import { InvalidArgumentError, Option } from 'commander';
import { modelImage } from '../domain/tiles';
import { formatWindows, generate } from '../offline/generate/generate';
import { encodeGrid } from '../offline/generate/image-grid';
import type { Register } from './context';
import { withModel } from './detector';
import { collect, modelCommand, parseTime, wholeFrom, type DetectorOptions } from './options';

interface Options extends DetectorOptions {
  given: Record<string, string>;
  count: number;
  temperature: number;
  seed: number;
  at?: number;
  out?: string;
}

function parseTemperature(text: string): number {
  const number = text.trim() === '' ? NaN : Number(text);
  if (Number.isFinite(number) && number >= 0) return number;
  throw new InvalidArgumentError('Expected a number of at least 0.');
}

export const register: Register = (program, context) => {
  modelCommand(
    program,
    'generate',
    "draw synthetic windows from a detector's model: print them as CSV, or write images",
  )
    .option('--out <file>', 'write to this file; images become one PNG, side by side')
    .option('-n, --count <n>', 'number of windows or images', wholeFrom(1), 10)
    .addOption(
      new Option('-g, --given <condition=value>', 'condition of all records; repeatable')
        .argParser(collect)
        .default({}, 'none'),
    )
    .option('--at <time>', 'time of all records (default: now)', parseTime)
    .option('--temperature <t>', 'scale of the standard deviation of z', parseTemperature, 1)
    .option('--seed <n>', 'seed of the random numbers', wholeFrom(0), 1)
    .action((path: string, options: Options) =>
      withModel(path, options, context, async ({ state, model }) => {
        const { count, given: conditions, at: timestamp = Date.now(), temperature, seed, out } = options;
        const windows = generate(state, model, { count, conditions, timestamp, temperature, seed });
        if (state.image !== undefined) {
          if (out === undefined) throw new Error('images are written to a file: --out samples.png');
          await writeFile(out, await encodeGrid(windows, modelImage(state.image)));
        } else if (out !== undefined) await writeFile(out, formatWindows(windows, state));
        else context.stdout.write(formatWindows(windows, state));
      }),
    );
};
