/** `vaemon generate`: synthetic windows as CSV, or synthetic images as one PNG. */
import { writeFile } from 'node:fs/promises';
import { InvalidArgumentError, Option } from 'commander';
import { loadSettings } from '../config/load';
import { formatWindows, generate } from '../offline/generate/generate';
import { encodeGrid } from '../offline/generate/image-grid';
import { openBackend } from '../tensor';
import type { Register } from './context';
import { withModel, pickDetector } from './detector';
import { collect, setOption } from './set';

interface Options {
  set: Record<string, string>;
  given: Record<string, string>;
  detector?: string;
  modelVersion?: string;
  count: number;
  temperature: number;
  seed: number;
  at?: number;
  out?: string;
}

function numberFrom(min: number, whole: boolean): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (
      text.trim() !== '' &&
      Number.isFinite(number) &&
      number >= min &&
      (!whole || Number.isInteger(number))
    )
      return number;
    throw new InvalidArgumentError(`Expected a ${whole ? 'whole ' : ''}number of at least ${min}.`);
  };
}

function parseTime(text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new InvalidArgumentError('Expected a time such as 2026-01-31T12:00:00Z.');
  return time;
}

export const register: Register = (program, { env, stdout }) => {
  program
    .command('generate')
    .description("draw synthetic windows from a detector's model: print them as CSV, or write images")
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .option('-d, --detector <name>', 'name of the detector, if there are several')
    .option('--model-version <name>', 'model version (default: the current one)')
    .option('--out <file>', 'write to this file; images become one PNG, side by side')
    .addOption(
      new Option('-n, --count <n>', 'number of windows or images').argParser(numberFrom(1, true)).default(10),
    )
    .addOption(
      new Option('-g, --given <condition=value>', 'condition of all records; repeatable')
        .argParser(collect)
        .default({}, 'none'),
    )
    .addOption(new Option('--at <time>', 'time of all records (default: now)').argParser(parseTime))
    .addOption(
      new Option('--temperature <t>', 'scale of the standard deviation of z')
        .argParser(numberFrom(0, false))
        .default(1),
    )
    .addOption(
      new Option('--seed <n>', 'seed of the random numbers').argParser(numberFrom(0, true)).default(1),
    )
    .addOption(setOption())
    .action(async (path: string, options: Options) => {
      const settings = await loadSettings(path, { env, overrides: options.set });
      const detector = pickDetector(settings, options.detector);
      await openBackend();
      await withModel(settings, detector, options.modelVersion, async ({ state, model }) => {
        const windows = generate(state, model, {
          count: options.count,
          conditions: options.given,
          timestamp: options.at ?? Date.now(),
          temperature: options.temperature,
          seed: options.seed,
        });
        if (state.image !== undefined) {
          if (options.out === undefined) throw new Error('images are written to a file: --out samples.png');
          await writeFile(options.out, await encodeGrid(windows, state.image));
        } else if (options.out !== undefined) await writeFile(options.out, formatWindows(windows, state));
        else stdout.write(formatWindows(windows, state));
      });
    });
};
