/** `vaemon generate`: synthetic windows from a detector's model as CSV, or images as one PNG. */
import { writeFile } from 'node:fs/promises';
import { InvalidArgumentError, Option } from 'commander';
import { loadSettings } from '../config/load';
import { createCategoryTable } from '../domain/condition';
import type { VersionState } from '../scoring/version-state';
import { generateWindows } from '../scoring/generate';
import { openBackend } from '../tensor';
import type { Register } from './context';
import { csvLine } from './csv';
import { withModel, pickDetector } from './detector';
import { encodeGrid } from './image-grid';
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

/** Numbers as numbers: a condition of kind number would refuse text. */
function readConditions(given: Readonly<Record<string, string>>, numeric: ReadonlySet<string>): object {
  return Object.fromEntries(
    Object.entries(given).map(([name, text]) => [name, numeric.has(name) ? Number(text) : text]),
  );
}

function formatWindows(
  windows: Float64Array,
  { channels, spec }: Pick<VersionState, 'channels' | 'spec'>,
): string {
  const width = channels.length;
  const lines = Array.from({ length: windows.length / width }, (_, row) => {
    const values = windows.subarray(row * width, (row + 1) * width);
    return csvLine([Math.floor(row / spec.length), row % spec.length, ...values]);
  });
  return [csvLine(['window', 'record', ...channels]), ...lines].join('');
}

export const register: Register = (program, { env, stdout }) => {
  program
    .command('generate')
    .description("print synthetic windows, drawn from a detector's model, as CSV; or write images")
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .option('-d, --detector <name>', 'which detector, where there are several')
    .option('--model-version <name>', 'which model version (default: the current one)')
    .option('--out <file>', 'write to this file; for images a PNG with all of them, side by side')
    .addOption(new Option('-n, --count <n>', 'windows or images').argParser(numberFrom(1, true)).default(10))
    .addOption(
      new Option('-g, --given <condition=value>', 'condition of every record; repeatable')
        .argParser(collect)
        .default({}, 'none'),
    )
    .addOption(new Option('--at <time>', 'time of every record (default: now)').argParser(parseTime))
    .addOption(
      new Option('--temperature <t>', 'scales how far samples stray')
        .argParser(numberFrom(0, false))
        .default(1),
    )
    .addOption(new Option('--seed <n>', 'of the draws').argParser(numberFrom(0, true)).default(1))
    .addOption(setOption())
    .action(async (path: string, options: Options) => {
      const settings = await loadSettings(path, { env, overrides: options.set });
      const detector = pickDetector(settings, options.detector);
      await openBackend();
      await withModel(settings, detector, options.modelVersion, async ({ state, model }) => {
        const { specs } = state.conditions;
        const numeric = new Set(specs.filter(({ kind }) => kind === 'number').map(({ name }) => name));
        const windows = generateWindows(state, model, createCategoryTable(), {
          count: options.count,
          conditions: { ...readConditions(options.given, numeric) },
          timestamp: options.at ?? Date.now(),
          temperature: options.temperature,
          seed: options.seed,
        });
        if (state.image !== undefined) {
          // Bytes of a picture are not for a terminal.
          if (options.out === undefined) throw new Error('images need a file: --out samples.png');
          await writeFile(options.out, await encodeGrid(windows, state.image));
        } else if (options.out !== undefined) await writeFile(options.out, formatWindows(windows, state));
        else stdout.write(formatWindows(windows, state));
      });
    });
};
