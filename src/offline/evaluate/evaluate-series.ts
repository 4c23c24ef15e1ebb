/** Evaluates a detector's configuration on one training file and its tests. */
import { printFalseAlarmTarget } from '../../schema/formats';
import { eventPolicy } from '../../config/calibration';
import { loadSettings } from '../../config/load';
import { sourceOf, type DetectorSettings, type Settings } from '../../config/settings';
import { checkColumns, chooseChannels, constantChannels } from './columns';
import { openEngines, usualEngines } from '../../runtime/engines';
import { trainOnce, type TrainedDetector } from './evaluator';
import { readColumns } from '../../sources/file/file';
import type { Label } from '../../domain/label';
import { readLabelFile } from '../../sources/labels';
import { printable } from '../../system/printable';
import type { Message } from '../../sources/source';
import { isIdxPath } from '../../domain/recording';
import { readIdxImages } from '../../sources/file/idx';
import { tsbWindow } from './quality/tsb-window';
import {
  checkSizes,
  checkTimes,
  hasTimestamps,
  inOrderOfFile,
  readImages,
  readRecords,
  toImageMessages,
  toMessages,
  valuesOf,
  type RecordedFile,
} from './series';
import { findTimeColumn } from './time-column';
import type { Cadence } from './retraining';
import { seriesName, type SeriesFiles } from './series-files';

const dayMs = 86_400_000;
/** Between records without times, if `window.interval` is not configured. */
const usualStepMs = 1000;

export interface EvaluatedDetector {
  /** A detector's file. */
  path: string;
  overrides: Readonly<Record<string, string>>;
  env: Readonly<Record<string, string | undefined>>;
  /** When to train again on the records of a test; undefined = never. */
  retrain?: Cadence | undefined;
}

/** The settings with source and field names of the series, and with its channels, unless the detector's file lists them. */
export async function loadSeriesSettings(
  { path, overrides, env }: EvaluatedDetector,
  { train }: Pick<SeriesFiles, 'train'>,
): Promise<{ daemon: Settings['daemon']; detector: DetectorSettings; columns: readonly string[] }> {
  const facts = isIdxPath(train) ? await factsOfImages(train) : await factsOfColumns(train);
  const { daemon, detectors } = await loadSettings(path, {
    env,
    overrides: {
      ...overrides,
      'source.kind': 'file',
      'source.file.path': train,
      'record.format': 'json',
      'sinks.kafka.enabled': 'false',
      ...facts.overrides,
    },
    assumed: facts.assumed,
  });
  if (detectors.length !== 1) throw new Error(`${path} must have one detector, not ${detectors.length}`);
  return { daemon, detector: detectors[0]!.settings, columns: facts.columns };
}

/** Settings that follow from a file of recorded data. */
interface FileFacts {
  columns: readonly string[];
  overrides: Readonly<Record<string, string>>;
  assumed: unknown;
}

/** In reverse, so that a configuration that lists all columns differs from one that lists none. */
function assumedChannels(columns: readonly string[]): string[] {
  return columns.filter((name) => name !== '').reverse();
}

async function factsOfColumns(train: string): Promise<FileFacts> {
  const columns = await readColumns(train);
  return {
    columns,
    overrides: {
      'fields.key': 'key',
      'fields.timestamp': 'timestamp',
      'fields.values': 'values',
      'fields.conditions': 'conditions',
    },
    assumed: {
      record: { channels: assumedChannels(columns), missingChannels: 'mask', extraChannels: 'ignore' },
    },
  };
}

async function factsOfImages(train: string): Promise<FileFacts> {
  const { width, height } = await readIdxImages(train);
  return {
    columns: [],
    overrides: { 'fields.image': '', 'record.image.format': 'raw', 'record.image.colour': 'grey' },
    assumed: { record: { kind: 'image', image: { width, height } } },
  };
}

/** Tests that share a training. */
export interface SeriesGroup {
  train: string;
  tests: readonly Pick<SeriesFiles, 'name' | 'test'>[];
}

/** The result of one test. JSON: the process of a series prints it. */
export interface SeriesOutcome extends Awaited<ReturnType<typeof scoreTest>> {
  series: string;
  channels: readonly string[];
  /** Columns that are not channels. */
  ignoredColumns: readonly string[];
  /** Column with the times, where the configuration names none that the files have. */
  timeColumn: string | undefined;
  /** Channels with one value in all training records. */
  constantChannels: readonly string[];
  /** Channels that are scored by their rate. */
  counters: readonly string[];
  /** Conditions that follow from seasons of the training. */
  seasons: readonly string[];
  /** About columns and channels of the files. */
  warnings: readonly string[];
  /** Alarm budget, events per day; undefined = none. */
  budgetPerDay: number | undefined;
  /** False-alarm target as it is configured. */
  configuredTarget: number | string;
  engine: string;
  /** Tests of one training file share its training. */
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
 * The settings for the times that the messages have. Those that stand in for absent ones are in ms from 1970 on, have no season and,
 * unless the interval is configured, no events a day.
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

/** At most one warning. */
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

/** A training file, and how to read the tests that follow it. */
interface Recorded {
  train: readonly Message[];
  channels: readonly string[];
  /** Columns that are not channels. */
  ignored: readonly string[];
  constant: readonly string[];
  warnings: readonly string[];
  hasTimes: boolean;
  /** Column that was found to have the times. */
  timeColumn: string | undefined;
  /** With the format of the times, where the files have some. */
  fields: DetectorSettings['fields'];
  readTest: (path: string) => Promise<RecordedTest>;
}

interface RecordedTest {
  messages: readonly Message[];
  /** Undefined if the file has none. */
  keys: readonly string[] | undefined;
  hasTimes: boolean;
  tsbWindow: number | undefined;
  warnings: readonly string[];
}

/** Key of records without one: the same in the training and all its tests. */
function defaultKey({ train, tests }: SeriesGroup): string {
  return tests.length === 1 ? tests[0]!.name : seriesName(train, 'train');
}

/** Reads the training records; their times are in the column that is configured, in one that is found, or stand for none. */
async function readTraining(settings: DetectorSettings, { train: path, tests }: SeriesGroup) {
  const { fields } = settings;
  const { columns } = sourceOf(settings, 'file').file;
  const file = await readRecords(path, 'train', columns);
  if (hasTimestamps(file.records)) return { file, columns, fields, timeColumn: undefined };
  const found = findTimeColumn(file);
  const inTests = await Promise.all(
    tests.map(async ({ test }) => found !== undefined && (await readColumns(test)).includes(found.column)),
  );
  if (found === undefined || inTests.includes(false)) return { file, columns, fields, timeColumn: undefined };
  const { column, timestampFormat, timeZone } = found;
  const timed = { ...columns, timestamp: column };
  return {
    file: await readRecords(path, 'train', timed),
    columns: timed,
    fields: { ...fields, timestampFormat, ...(timeZone !== '' && { timeZone }) },
    timeColumn: column,
  };
}

async function recordedColumns(
  settings: DetectorSettings,
  columns: readonly string[],
  group: SeriesGroup,
): Promise<Recorded> {
  const { file: train, columns: fileColumns, fields, timeColumn } = await readTraining(settings, group);
  const { channels } = settings.record;
  const assumed = assumedChannels(columns);
  const isAssumed = channels.length === assumed.length && channels.every((name, i) => name === assumed[i]);
  const known = Object.keys(train.records[0]!.values ?? {});
  const unnamed = columns.filter((name) => name === '');
  const chosen = isAssumed ? chooseChannels(train, [...known, ...unnamed]) : { channels, warnings: [] };
  const kept = chosen.channels;
  // Errors in the files appear before the training.
  for (const { test } of group.tests)
    checkTimes(train, await readRecords(test, 'test', fileColumns, 1), fileColumns.timestamp);
  for (const path of [group.train, ...group.tests.map(({ test }) => test)])
    checkColumns(path, await readColumns(path), kept);
  const key = defaultKey(group);
  const times = { ...fields, stepMs: settings.window.intervalMs || usualStepMs };
  return {
    train: toMessages(train, 'train', key, 0, times),
    channels: kept,
    ignored: [...known.filter((column) => !kept.includes(column)), ...unnamed],
    constant: constantChannels(train, kept),
    warnings: chosen.warnings,
    hasTimes: hasTimestamps(train.records),
    timeColumn,
    fields,
    async readTest(path) {
      const test = await readRecords(path, 'test', fileColumns);
      return {
        messages: toMessages(test, 'test', key, train.records.length, times),
        keys:
          test.records[0]!.key === undefined ? undefined : test.records.map((record) => record.key ?? key),
        hasTimes: hasTimestamps(test.records),
        tsbWindow:
          kept[0] === undefined
            ? undefined
            : tsbWindow(valuesOf(kept[0], [train, test], test.records[0]!.key)),
        warnings: [...warningsOn(test, kept)],
      };
    },
  };
}

function* warningsOn(test: RecordedFile, channels: readonly string[]): Generator<string> {
  const { records, shortRows } = test;
  for (const channel of channels)
    if (valuesOf(channel, [test]).length === 0)
      yield `channel "${channel}" has no value in any of ${records.length} test records`;
  if (shortRows.length > 0)
    yield `${shortRows.length} of ${records.length} test records have too few cells, the others count as missing: ${shortRows[0]!}`;
}

async function recordedImages(settings: DetectorSettings, group: SeriesGroup): Promise<Recorded> {
  const train = await readImages(group.train);
  const key = defaultKey(group);
  const { width, height } = settings.record.image;
  // One error instead of a dead letter for each image.
  if (train.width !== width || train.height !== height)
    throw new Error(
      `${train.path} has images of ${train.width} × ${train.height} pixels, but record.image has ${width} × ${height}`,
    );
  for (const { test } of group.tests) checkSizes(train, await readImages(test));
  return {
    train: toImageMessages(train, 'train', key, 0),
    channels: [],
    ignored: [],
    constant: [],
    warnings: [],
    hasTimes: false,
    timeColumn: undefined,
    fields: settings.fields,
    async readTest(path) {
      const test = await readImages(path);
      return {
        messages: toImageMessages(test, 'test', key, train.images.length),
        keys: undefined,
        hasTimes: false,
        tsbWindow: undefined,
        warnings: [],
      };
    },
  };
}
