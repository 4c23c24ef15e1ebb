/** `vaemon evaluate`: trains on recorded normal data, scores other recorded data, and says how good the scores are. */
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import { InvalidArgumentError, Option } from 'commander';
import { createReport, type ScoredSeries } from '../offline/evaluate/quality/report';
import { runSeriesProcess, type SeriesOutcome } from '../offline/evaluate/series-process';
import { runConcurrently } from '../system/concurrency';
import { exitWhenParentIsGone } from '../runtime/training-process';
import { createLogger, type Logger } from '../logger';
import { readRecordLabels, type RecordLabels } from '../offline/evaluate/record-labels';
import { findSeries, type SeriesFiles, type SeriesSelection } from '../offline/evaluate/series-files';
import type { CommandContext, Register } from './context';
import { formatReport } from './evaluate-report';
import { evaluateSeries, loadSeriesSettings, type EvaluatedDetector } from './evaluate-series';
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

/** Ratios of normal records for which alarms are counted, beside the detector's own target. */
const usualTargets = [0.01, 0.001];

export const register: Register = (program, context) => {
  program
    .command('evaluate')
    .description('train on recorded normal data, score other recorded data, and judge the scores')
    .argument('<detector>', "a detector's file; source and channels come from the data")
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
    .option('--out <file>', 'write `series,index,score,flag` of every record of test')
    .addOption(setOption())
    .option('--jobs <n>', 'series evaluated at once', parseJobs, os.availableParallelism())
    .option('--json', 'print the result as JSON')
    .addOption(new Option('--child <series>', 'evaluate one series and print its scores').hideHelp())
    .action(async (path: string, options: Options) => {
      const evaluated = { path, overrides: options.set, env: context.env };
      if (options.child === undefined) return evaluate(evaluated, options, context);
      exitWhenParentIsGone();
      const files = { name: options.child, train: options.train[0]!, test: options.test[0]! };
      context.stdout.write(JSON.stringify(await evaluateSeries(evaluated, files)));
    });
};

function parseJobs(text: string): number {
  const jobs = Number(text);
  if (!Number.isInteger(jobs) || jobs < 1) throw new InvalidArgumentError('Expected a whole number from 1.');
  return jobs;
}

async function evaluate(
  evaluated: EvaluatedDetector,
  options: Options,
  { env, stdout, stderr }: CommandContext,
): Promise<void> {
  const selection = await findSeries(options);
  const labels = await readLabels(selection);
  const { daemon } = await loadSeriesSettings(evaluated, selection.series[0]!);
  const log = createLogger({ ...daemon.log, stream: stderr });
  const runOne =
    selection.series.length === 1
      ? (files: SeriesFiles) => evaluateSeries(evaluated, files)
      : (files: SeriesFiles, signal: AbortSignal) =>
          runSeriesProcess(childCommand(evaluated, files), env, signal);
  const outcomes = await runConcurrently(selection.series, options.jobs, async (files, signal) => {
    try {
      const outcome = await runOne(files, signal);
      logOutcome(outcome, log);
      return outcome;
    } catch (cause) {
      throw new Error(`series "${files.name}" could not be evaluated`, { cause });
    }
  });
  if (options.out !== undefined) await writeFile(options.out, formatScores(outcomes));
  const verdict = createReport(
    outcomes.map((outcome) => toScored(outcome, labels)),
    [...outcomes.map(({ target }) => target), ...usualTargets],
  );
  stdout.write(options.json === true ? formatJson(verdict, outcomes) : formatReport(verdict));
}

async function readLabels({ series, sharedLabels }: SeriesSelection): Promise<Map<string, RecordLabels>> {
  const files = [
    ...sharedLabels.map((path) => ({ name: '', path })),
    ...series.flatMap(({ name, labels }) => (labels === undefined ? [] : [{ name, path: labels }])),
  ];
  const all = await Promise.all(files.map(({ name, path }) => readRecordLabels(path, name)));
  return new Map(all.flatMap((labels) => [...labels]));
}

/** The same program, the same configuration, one series. */
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

function logOutcome(
  { series, seconds, ignoredColumns, rejected, windowNotFull, training }: SeriesOutcome,
  log: Logger,
): void {
  log.info('series evaluated', { series, seconds: Math.round(seconds * 10) / 10 });
  if (ignoredColumns.length > 0)
    log.info('columns are no channels of the detector', { series, columns: ignoredColumns });
  if (training.rejectedRecords > 0)
    log.warn('training records were refused', { series, records: training.rejectedRecords });
  if (Object.keys(rejected).length > 0)
    log.warn('records were refused and have score 0', { series, ...rejected });
  if (windowNotFull > 0)
    log.warn('records had no full window and have score 0', { series, records: windowNotFull });
}

function toScored({ series, scores, flags }: SeriesOutcome, labels: Map<string, RecordLabels>): ScoredSeries {
  return {
    name: series,
    scores: Float64Array.from(scores),
    flags: Uint8Array.from(flags),
    labels: labels.get(series),
  };
}

function formatScores(outcomes: readonly SeriesOutcome[]): string {
  const lines = outcomes.flatMap(({ series, scores, flags }) =>
    scores.map((score, i) => `${series},${i},${score},${flags[i]!}`),
  );
  return ['series,index,score,flag', ...lines, ''].join('\n');
}

function formatJson(verdict: ReturnType<typeof createReport>, outcomes: readonly SeriesOutcome[]): string {
  // The scores themselves are for --out; undefined leaves a key out of JSON.
  const details = outcomes.map((outcome) => ({ ...outcome, scores: undefined, flags: undefined }));
  return `${JSON.stringify({ ...verdict, details }, null, 1)}\n`;
}
