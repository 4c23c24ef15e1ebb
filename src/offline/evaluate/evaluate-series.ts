/** Evaluates a detector's configuration on one training file and its tests. */
import { printFalseAlarmTarget } from '../../schema/time-formats';
import { eventPolicy } from '../../config/calibration';
import type { DetectorSettings } from '../../config/settings';
import { openEngines, usualEngines } from '../../runtime/engines';
import type { Label } from '../../domain/label';
import { readLabelFile } from '../../sources/labels';
import { printable } from '../../system/printable';
import { trainOnce, type TrainedDetector } from './evaluator';
import { inOrderOfFile } from './series';
import type { Cadence } from './retraining';
import type { SeriesFiles } from './series-files';
import { loadSeriesSettings, type EvaluatedDetector } from './series-settings';
import { recordedColumns, recordedImages, type SeriesGroup, type Recorded } from './recorded';

const dayMs = 86_400_000;

/** The result of one test. It is JSON, as the process of a series prints it. */
export interface SeriesOutcome extends Awaited<ReturnType<typeof scoreTest>> {
  series: string;
  channels: readonly string[];
  /** Columns that are not channels. */
  ignoredColumns: readonly string[];
  /** Column with the times, if it was detected because no configured column exists in the files. */
  timeColumn: string | undefined;
  /** Channels with one value in all training records. */
  constantChannels: readonly string[];
  /** Channels that are scored by their rate. */
  counters: readonly string[];
  /** Conditions derived from seasons of the training data. */
  seasons: readonly string[];
  /** Warnings about columns and channels of the files. */
  warnings: readonly string[];
  /** Alarm budget, events per day; undefined = none. */
  budgetPerDay: number | undefined;
  /** False-alarm target as it is configured. */
  configuredTarget: number | string;
  engine: string;
  /** Duration of the training, which all tests of a training file share. */
  trainingSeconds: number;
}

export async function evaluateSeries(
  evaluated: EvaluatedDetector,
  { name, train, test }: Pick<SeriesFiles, 'name' | 'train' | 'test'>,
): Promise<SeriesOutcome> {
  return (await evaluateGroup(evaluated, { train, tests: [{ name, test }] }))[0]!;
}

/**
 * Trains once and scores each test.
 * @param onOutcome receives each outcome as soon as it is known
 */
export async function evaluateGroup(
  evaluated: EvaluatedDetector,
  group: SeriesGroup,
  onOutcome: (outcome: SeriesOutcome) => void = () => undefined,
): Promise<SeriesOutcome[]> {
  const began = performance.now();
  const { detector: configured, columns } = await loadSeriesSettings(evaluated, group);
  const recorded =
    configured.record.kind === 'image'
      ? await recordedImages(configured, group)
      : await recordedColumns(configured, columns, group);
  const settings = withTimes(configured, recorded);
  const { retrain } = evaluated;
  if (retrain !== undefined && 'cron' in retrain && !recorded.hasTimes)
    throw new Error(
      `${group.train} has no times for the schedule "${retrain.cron}": give a number of records instead`,
    );
  const labelFile = settings.training.labels.file;
  const labels = labelFile === '' ? [] : await readLabelFile(labelFile, settings.fields);
  const engines = await openEngines(usualEngines);
  const trained = await trainOnce({
    settings: {
      ...settings,
      record: {
        ...settings.record,
        channels: recorded.channels,
      },
    },
    train: recorded.train,
    labels,
    engines,
    retrain,
  });
  const { eventsPerMs } = eventPolicy(settings);
  const shared = {
    channels: recorded.channels,
    ignoredColumns: recorded.ignored,
    timeColumn: recorded.timeColumn,
    constantChannels: recorded.constant,
    counters: trained.counters,
    seasons: trained.seasons,
    configuredTarget: printFalseAlarmTarget(settings.calibration.falseAlarmTarget),
    budgetPerDay: eventsPerMs === undefined ? undefined : eventsPerMs * dayMs,
    engine: engines.scoring.name,
    trainingSeconds: (performance.now() - began) / 1000,
  };
  const outcomes: SeriesOutcome[] = [];
  try {
    for (const { name, test } of group.tests) {
      const { warnings, ...scored } = await scoreTest(trained, recorded, test, retrain);
      const outcome = { series: name, ...shared, ...scored, warnings: [...recorded.warnings, ...warnings] };
      outcomes.push(outcome);
      onOutcome(outcome);
    }
  } finally {
    trained.dispose();
  }
  return outcomes;
}

/**
 * Settings that match the times of the messages. If times were made up, they are in ms from 1970 on, so that there are no
 * seasons and, unless the interval is configured, no events per day.
 */
function withTimes(settings: DetectorSettings, { hasTimes, fields }: Recorded): DetectorSettings {
  if (hasTimes) return { ...settings, fields };
  const { record, events, window } = settings;
  return {
    ...settings,
    fields: { ...fields, timestampFormat: 'ms' },
    record: { ...record, seasons: 'off' },
    events: window.intervalMs > 0 ? events : { ...events, budget: 'none' },
  };
}

/** Warning about labels without effect; at most one. */
function warnOfLabels(unmatched: readonly Label[]): string[] {
  if (unmatched.length === 0) return [];
  const { key, from, to } = unmatched[0]!;
  const [start, end] = [from, to].map((time) => new Date(time).toISOString());
  return [
    `labels of training.labels.file have no effect (${unmatched.length}), as no record of the training lies in their time: ` +
      `the first is from ${start} to ${end}${key === '' ? '' : ` of ${printable(key)}`}`,
  ];
}

async function scoreTest(
  trained: TrainedDetector,
  { readTest }: Recorded,
  path: string,
  retrain: Cadence | undefined,
) {
  const began = performance.now();
  const { messages, keys, hasTimes, tsbWindow, warnings } = await readTest(path);
  if (retrain !== undefined && !inOrderOfFile(messages))
    throw new Error(
      `${path} is not in order of time over all devices, which a training during the test needs`,
    );
  const { scores, flags, statistics, recordsPerDay, unmatchedLabels, ...rest } =
    await trained.score(messages);
  return {
    scores: Array.from(scores),
    flags: Array.from(flags),
    statistics: Object.fromEntries(
      // JSON has no NaN.
      Object.entries(statistics).map(([name, column]) => [
        name,
        Array.from(column, (value) => (Number.isNaN(value) ? null : value)),
      ]),
    ),
    ...rest,
    keys,
    recordsPerDay: hasTimes ? recordsPerDay : undefined,
    tsbWindow,
    warnings: [...warnings, ...warnOfLabels(unmatchedLabels)] as readonly string[],
    scoringSeconds: (performance.now() - began) / 1000,
  };
}
