/** `vaemon evaluate`: trains on recorded normal data, scores other recorded data, and measures the quality of the scores. */
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import { InvalidArgumentError, Option } from 'commander';
import {
  evaluate,
  formatJson,
  formatScores,
  powerOf,
  thresholdsOf,
  trainingsOf,
} from '../offline/evaluate/evaluate';
import { evaluateSeries } from '../offline/evaluate/evaluate-series';
import { formatReport } from '../offline/evaluate/table';
import { parseCadence, printCadence, type Cadence } from '../offline/evaluate/retraining';
import { exitWhenParentIsGone } from '../runtime/training-process';
import { exitCodes, type Register } from './context';
import { ownCommand, setOption, wholeFrom } from './options';

interface Options {
  train: string[];
  test: string[];
  labels: string[];
  out?: string;
  set: Record<string, string>;
  jobs: number;
  retrain?: Cadence;
  child?: string;
  json?: boolean;
}

export const register: Register = (program, { env, stdout, stderr, setExitCode }) => {
  program
    .command('evaluate')
    .description(
      'train on recorded normal data, score other recorded data, and measure the quality of the scores',
    )
    .argument('<detector>', "a detector's file; its source and channels are those of the data")
    .requiredOption(
      '--train <path...>',
      'CSV or idx3 images of normal records, or a folder with NAME.train.csv[.gz] or .idx3[.gz]; repeatable; a single file is the training of all tests',
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
      wholeFrom(1),
      os.availableParallelism(),
    )
    .addOption(
      new Option(
        '--retrain <cadence>',
        'train again during the test, as the daemon does: a cron expression, or a number of records',
      ).argParser(readCadence),
    )
    .option('--json', 'print the result as JSON')
    .addOption(new Option('--child <series>', 'evaluate one series and print its scores').hideHelp())
    .action(async (path: string, options: Options) => {
      const { set: overrides, retrain } = options;
      const evaluated = { path, overrides, env, retrain };
      if (options.child !== undefined) {
        exitWhenParentIsGone();
        const files = { name: options.child, train: options.train[0]!, test: options.test[0]! };
        stdout.write(JSON.stringify(await evaluateSeries(evaluated, files)));
        return;
      }
      const { outcomes, report, unscored } = await evaluate({
        evaluated,
        paths: options,
        jobs: options.jobs,
        commandFor: ({ name, train, test }) =>
          ownCommand(
            [
              ...['evaluate', path, `--child=${name}`, `--train=${train}`, `--test=${test}`],
              ...(retrain === undefined ? [] : [`--retrain=${printCadence(retrain)}`]),
            ],
            overrides,
          ),
        stderr,
      });
      if (unscored.length > 0) setExitCode(exitCodes.failure);
      if (options.out !== undefined) await writeFile(options.out, formatScores(outcomes));
      stdout.write(
        options.json === true
          ? formatJson(report, outcomes)
          : formatReport(report, thresholdsOf(outcomes), trainingsOf(outcomes), powerOf(outcomes)),
      );
    });
};

function readCadence(text: string): Cadence {
  try {
    return parseCadence(text);
  } catch (error) {
    throw new InvalidArgumentError(`It ${(error as Error).message}.`);
  }
}
