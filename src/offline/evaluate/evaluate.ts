/** Evaluates a detector's configuration on recorded series, each in its own process if each has its own training. */
import { csvLine } from '../csv';
import { createLogger, type Logger, type LogStream } from '../../logger';
import { runConcurrently } from '../../system/concurrency';
import { evaluateGroup, type SeriesOutcome } from './evaluate-series';
import { loadSeriesSettings, type EvaluatedDetector } from './series-settings';
import type { FailedTraining, UsedVersion } from './evaluator';
import { mergePower, type DetectionPower } from '../../scoring/detection-power';
import { createReport, type EvaluationReport } from './quality/report';
import { readRecordLabels, unusedLabels, type RecordLabels } from './record-labels';
import { findSeries, type SeriesFiles, type SeriesSelection } from './series-files';
import { runSeriesProcess } from './series-process';

export interface EvaluateParts {
  evaluated: EvaluatedDetector;
  /** Files, or folders with files. */
  paths: Parameters<typeof findSeries>[0];
  /** Number of series that are evaluated concurrently. */
  jobs: number;
  /** The command that evaluates one series and prints its outcome. */
  commandFor: (files: SeriesFiles) => [string, ...string[]];
  stderr: LogStream;
}

export interface Evaluation {
  /** Outcomes of the series with a scored record. */
  outcomes: readonly SeriesOutcome[];
  report: EvaluationReport;
  /** Names of the series without a scored record. */
  unscored: readonly string[];
}

/** Shares of normal records for which alarms are counted, in addition to the target of the detector. */
const usualTargets = [0.01, 0.001];

export async function evaluate({
  evaluated,
  paths,
  jobs,
  commandFor,
  stderr,
}: EvaluateParts): Promise<Evaluation> {
  const selection = await findSeries(paths);
  const { series } = selection;
  const labels = await readLabels(selection);
  const { daemon } = await loadSeriesSettings(evaluated, series[0]!);
  const log = createLogger({ ...daemon.log, stream: stderr });
  const names = series.map(({ name }) => name);
  for (const { series: name, labels: count, nearestSeries } of unusedLabels(labels, names))
    log.warn('labels have no effect: no series of the evaluation has their name', {
      series: name,
      labels: count,
      ...(nearestSeries !== undefined && { nearestSeries }),
    });
  const logged = (outcome: SeriesOutcome): void => logOutcome(outcome, log);
  const { train } = series[0]!;
  const all = series.every((one) => one.train === train)
    ? await nameSeries(series, () => evaluateGroup(evaluated, { train, tests: series }, logged))
    : await runConcurrently(series, jobs, async (files, signal) => {
        const outcome = await nameSeries([files], () =>
          runSeriesProcess(commandFor(files), evaluated.env, signal),
        );
        logged(outcome);
        return outcome;
      });
  const outcomes = all.filter(({ scored }) => scored > 0);
  const unscored = all.filter(({ scored }) => scored === 0);
  if (outcomes.length === 0) throw new Error(unscored.map(whyUnscored).join('; '));
  for (const outcome of unscored)
    log.error('series is left out of the results', {
      series: outcome.series,
      reason: whyUnscored(outcome),
    });
  const report = createReport(
    outcomes.map((outcome) => ({
      ...outcome,
      name: outcome.series,
      scores: Float64Array.from(outcome.scores),
      flags: Uint8Array.from(outcome.flags),
      labels: labels.get(outcome.series),
      statistics: Object.fromEntries(
        Object.entries(outcome.statistics).map(([name, column]) => [
          name,
          Float64Array.from(column, (value) => value ?? NaN),
        ]),
      ),
      versionStarts: outcome.versions.map(({ from }) => from),
    })),
    [...outcomes.map(({ target }) => target), ...usualTargets],
  );
  return { outcomes, report, unscored: unscored.map(({ series: name }) => name) };
}

function whyUnscored({ series, scores, rejected, windowNotFull }: SeriesOutcome): string {
  const reasons = Object.entries({ ...rejected, 'window not full': windowNotFull })
    .filter(([, records]) => records > 0)
    .map(([reason, records]) => `${reason}: ${records}`);
  return `series "${series}": none of ${scores.length} test records was scored (${reasons.join(', ')})`;
}

/** Adds the names of the series to an error of the task. */
async function nameSeries<T>(series: readonly SeriesFiles[], task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (cause) {
    const names = series.map(({ name }) => `"${name}"`).join(', ');
    throw new Error(`series ${names} could not be evaluated`, { cause });
  }
}

async function readLabels({ series, sharedLabels }: SeriesSelection): Promise<Map<string, RecordLabels>> {
  const files = [
    ...sharedLabels.map((path) => ({ name: '', path })),
    ...series.flatMap(({ name, labels }) => (labels === undefined ? [] : [{ name, path: labels }])),
  ];
  const all = await Promise.all(files.map(({ name, path }) => readRecordLabels(path, name)));
  return new Map(all.flatMap((labels) => [...labels]));
}

function logOutcome(
  {
    series,
    trainingSeconds,
    scoringSeconds,
    channels,
    ignoredColumns,
    timeColumn,
    constantChannels,
    counters,
    seasons,
    warnings,
    rejected,
    windowNotFull,
    training,
    failedTrainings,
  }: SeriesOutcome,
  log: Logger,
): void {
  const round = (seconds: number): number => Math.round(seconds * 10) / 10;
  log.info('series evaluated', {
    series,
    trainingSeconds: round(trainingSeconds),
    scoringSeconds: round(scoringSeconds),
    channels,
  });
  for (const warning of warnings) log.warn(warning, { series });
  if (constantChannels.length > 0)
    log.info('channels are constant in the training', { series, channels: constantChannels });
  if (counters.length > 0) log.info('channels that only grow are scored by their rate', { series, counters });
  if (seasons.length > 0)
    log.info('the history has seasons: they are conditions of the model', { series, seasons });
  if (timeColumn !== undefined)
    log.info('a column of the files has the times of the records', { series, column: timeColumn });
  if (ignoredColumns.length > 0)
    log.info('columns are ignored: the detector has no such channels', { series, columns: ignoredColumns });
  for (const failed of failedTrainings)
    log.warn('training failed: the version in use stays', {
      series,
      beforeRecord: failed.from,
      reason: failed.reason,
    });
  if (training.rejectedRecords > 0)
    log.warn('training records rejected', { series, records: training.rejectedRecords });
  if (Object.keys(rejected).length > 0)
    log.warn('records rejected; their score is 0', { series, ...rejected });
  if (windowNotFull > 0)
    log.warn('records without a full window; their score is 0', { series, records: windowNotFull });
}

/** False-alarm target and threshold by which the flags and events of some series were decided. */
export interface UsedThreshold {
  /** Target as it is configured. */
  configured: number | string;
  /** Ratio of normal records. */
  target: number;
  /** Surprise from which a record is anomalous. */
  threshold: number;
  /** Names of the series; a later version of a series has its number appended. */
  series: string[];
}

export function thresholdsOf(outcomes: readonly SeriesOutcome[]): UsedThreshold[] {
  const used: UsedThreshold[] = [];
  for (const { series, configuredTarget: configured, versions } of outcomes) {
    versions.forEach(({ target, threshold }, i) => {
      const name = i === 0 ? series : `${series} version ${i + 1}`;
      const known = used.find((one) => one.target === target && one.threshold === threshold);
      if (known === undefined) used.push({ configured, target, threshold, series: [name] });
      else known.series.push(name);
    });
  }
  return used;
}

/** Detection power over all versions of all series. */
export function powerOf(outcomes: readonly SeriesOutcome[]): DetectionPower | undefined {
  const versions = outcomes.flatMap((outcome) => outcome.versions);
  return mergePower(versions.flatMap(({ detectionPower: power }) => (power === undefined ? [] : [power])));
}

/** A training during an evaluation, in the order of the records. */
export interface Training extends Partial<UsedVersion>, Partial<FailedTraining> {
  series: string;
  /** Number of the version, from 1; undefined if the training failed. */
  version?: number;
  from: number;
}

/** The trainings of the series with more than one, failed ones included. */
export function trainingsOf(outcomes: readonly SeriesOutcome[]): Training[] {
  return outcomes
    .filter(({ versions, failedTrainings }) => versions.length + failedTrainings.length > 1)
    .flatMap(({ series, versions, failedTrainings }) =>
      [
        ...versions.map((one, i) => ({ series, version: i + 1, ...one })),
        ...failedTrainings.map((one) => ({ series, ...one })),
      ].sort((a, b) => a.from - b.from),
    );
}

export function formatScores(outcomes: readonly SeriesOutcome[]): string {
  const lines = outcomes.flatMap(({ series, scores, flags }) =>
    scores.map((score, i) => csvLine([series, i, score, flags[i]!])),
  );
  return ['series,index,score,flag\n', ...lines].join('');
}

export function formatJson(report: EvaluationReport, outcomes: readonly SeriesOutcome[]): string {
  // JSON omits keys that are undefined.
  const details = outcomes.map((outcome) => ({
    ...outcome,
    scores: undefined,
    flags: undefined,
    statistics: undefined,
    keys: undefined,
  }));
  return `${JSON.stringify({ ...report, thresholds: thresholdsOf(outcomes), detectionPower: powerOf(outcomes), details }, null, 1)}\n`;
}
