/** `vaemon evaluate`: trains on recorded normal data, scores other recorded data, and measures the quality of the scores. */
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import { InvalidArgumentError, Option } from 'commander';
import { evaluate, formatJson, formatScores } from '../offline/evaluate/evaluate';
import { evaluateSeries, type EvaluatedDetector } from '../offline/evaluate/evaluate-series';
import type { SeriesFiles } from '../offline/evaluate/series-files';
import { formatReport } from '../offline/evaluate/table';
import { exitWhenParentIsGone } from '../runtime/training-process';
import type { Register } from './context';
import { setOption } from './set';

interface Options {
  train: string[];
  test: string[];
  labels: string[];
  out?: string;
  set: Record<string, string>;
  jobs: number;
  child?: string;
  json?: boolean;
}

export const register: Register = (program, { env, stdout, stderr }) => {
  program
    .command('evaluate')
    .description(
      'train on recorded normal data, score other recorded data, and measure the quality of the scores',
    )
    .argument('<detector>', "a detector's file; its source and channels are those of the data")
    .requiredOption(
      '--train <path...>',
      'CSV or idx3 images of normal records, or a folder with NAME.train.csv[.gz] or .idx3[.gz]; repeatable',
    )
    .requiredOption('--test <path...>', 'CSV or idx3 to score, or a folder with NAME.test.…; repeatable')
    .option(
      '--labels <path...>',
      'CSV `[series,]index,label`, idx1 (not 0 = anomalous), or a folder with NAME.label.…; repeatable',
      [],
    )
    .option('--out <file>', 'write `series,index,score,flag` of every test record')
    .addOption(setOption())
    .option(
      '--jobs <n>',
      'number of series to evaluate at the same time',
      parseJobs,
      os.availableParallelism(),
    )
    .option('--json', 'print the result as JSON')
    .addOption(new Option('--child <series>', 'evaluate one series and print its scores').hideHelp())
    .action(async (path: string, options: Options) => {
      const evaluated = { path, overrides: options.set, env };
      if (options.child !== undefined) {
        exitWhenParentIsGone();
        const files = { name: options.child, train: options.train[0]!, test: options.test[0]! };
        stdout.write(JSON.stringify(await evaluateSeries(evaluated, files)));
        return;
      }
      const { outcomes, report } = await evaluate({
        evaluated,
        paths: options,
        jobs: options.jobs,
        commandFor: (files) => childCommand(evaluated, files),
        stderr,
      });
      if (options.out !== undefined) await writeFile(options.out, formatScores(outcomes));
      stdout.write(options.json === true ? formatJson(report, outcomes) : formatReport(report));
    });
};

function parseJobs(text: string): number {
  const jobs = Number(text);
  if (!Number.isInteger(jobs) || jobs < 1) throw new InvalidArgumentError('Expected a whole number from 1.');
  return jobs;
}

/** Evaluates one series with the same program and configuration. */
function childCommand(
  { path, overrides }: EvaluatedDetector,
  { name, train, test }: SeriesFiles,
): [string, ...string[]] {
  return [
    process.execPath,
    ...process.execArgv,
    process.argv[1]!,
    'evaluate',
    path,
    `--child=${name}`,
    `--train=${train}`,
    `--test=${test}`,
    ...Object.entries(overrides).map(([key, value]) => `--set=${key}=${value}`),
  ];
}
