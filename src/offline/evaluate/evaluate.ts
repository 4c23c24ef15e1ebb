/** Evaluates a detector's configuration on recorded series, each in its own process if there are several. */
import { createLogger, type Logger, type LogStream } from '../../logger';
import { runConcurrently } from '../../system/concurrency';
import {
  evaluateSeries,
  loadSeriesSettings,
  type EvaluatedDetector,
  type SeriesOutcome,
} from './evaluate-series';
import { createReport, type EvaluationReport } from './quality/report';
import { readRecordLabels, type RecordLabels } from './record-labels';
import { findSeries, type SeriesFiles, type SeriesSelection } from './series-files';
import { runSeriesProcess } from './series-process';

export interface EvaluateParts {
  evaluated: EvaluatedDetector;
  /** Files, or folders with files. */
  paths: Parameters<typeof findSeries>[0];
  /** Series evaluated at the same time. */
  jobs: number;
  /** The command that evaluates one series and prints its outcome. */
  commandFor: (files: SeriesFiles) => [string, ...string[]];
  stderr: LogStream;
}

/** Ratios of normal records for which alarms are counted, in addition to the target of the detector. */
const usualTargets = [0.01, 0.001];

export async function evaluate(
  parts: EvaluateParts,
): Promise<{ outcomes: readonly SeriesOutcome[]; report: EvaluationReport }> {
  const { evaluated, jobs, commandFor, stderr } = parts;
  const selection = await findSeries(parts.paths);
  const labels = await readLabels(selection);
  const { daemon } = await loadSeriesSettings(evaluated, selection.series[0]!);
  const log = createLogger({ ...daemon.log, stream: stderr });
  const run =
    selection.series.length === 1
      ? (files: SeriesFiles) => evaluateSeries(evaluated, files)
      : (files: SeriesFiles, signal: AbortSignal) =>
          runSeriesProcess(commandFor(files), evaluated.env, signal);
  const outcomes = await runConcurrently(selection.series, jobs, async (files, signal) => {
    try {
      const outcome = await run(files, signal);
      logOutcome(outcome, log);
      return outcome;
    } catch (cause) {
      throw new Error(`series "${files.name}" could not be evaluated`, { cause });
    }
  });
  const report = createReport(
    outcomes.map(({ series, scores, flags }) => ({
      name: series,
      scores: Float64Array.from(scores),
      flags: Uint8Array.from(flags),
      labels: labels.get(series),
    })),
    [...outcomes.map(({ target }) => target), ...usualTargets],
  );
  return { outcomes, report };
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
  { series, seconds, ignoredColumns, rejected, windowNotFull, training }: SeriesOutcome,
  log: Logger,
): void {
  log.info('series evaluated', { series, seconds: Math.round(seconds * 10) / 10 });
  if (ignoredColumns.length > 0)
    log.info('columns that are not channels of the detector', { series, columns: ignoredColumns });
  if (training.rejectedRecords > 0)
    log.warn('training records rejected', { series, records: training.rejectedRecords });
  if (Object.keys(rejected).length > 0)
    log.warn('records rejected; their score is 0', { series, ...rejected });
  if (windowNotFull > 0)
    log.warn('records without a full window; their score is 0', { series, records: windowNotFull });
}

export function formatScores(outcomes: readonly SeriesOutcome[]): string {
  const lines = outcomes.flatMap(({ series, scores, flags }) =>
    scores.map((score, i) => `${series},${i},${score},${flags[i]!}`),
  );
  return ['series,index,score,flag', ...lines, ''].join('\n');
}

export function formatJson(report: EvaluationReport, outcomes: readonly SeriesOutcome[]): string {
  // JSON omits keys that are undefined.
  const details = outcomes.map((outcome) => ({ ...outcome, scores: undefined, flags: undefined }));
  return `${JSON.stringify({ ...report, details }, null, 1)}\n`;
}
