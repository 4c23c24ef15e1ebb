/** Recorded data as messages: a training file, and the tests that follow it. */
import { sourceOf, type DetectorSettings } from '../../config/settings';
import { readColumns } from '../../sources/file/file';
import type { Message } from '../../sources/source';
import { checkColumns, chooseChannels, constantChannels } from './columns';
import { tsbWindow } from './quality/tsb-window';
import {
  checkSizes,
  checkTimes,
  hasTimestamps,
  readImages,
  readRecords,
  toImageMessages,
  toMessages,
  valuesOf,
  type RecordedFile,
} from './series';
import { findTimeColumn } from './time-column';
import { seriesName, type SeriesFiles } from './series-files';
import { assumedChannels } from './series-settings';

/** A training file and the tests that share its training. */
export interface SeriesGroup {
  train: string;
  tests: readonly Pick<SeriesFiles, 'name' | 'test'>[];
}

/** Interval of records without times, if `window.interval` is not configured. */
const usualStepMs = 1000;

/** The messages of a training file, and the parameters to read its tests in the same way. */
export interface Recorded {
  train: readonly Message[];
  channels: readonly string[];
  /** Columns that are not channels. */
  ignored: readonly string[];
  constant: readonly string[];
  warnings: readonly string[];
  hasTimes: boolean;
  /** Column in which times were detected. */
  timeColumn: string | undefined;
  /** The configured fields, with the format of the times if the files have times. */
  fields: DetectorSettings['fields'];
  readTest: (path: string) => Promise<RecordedTest>;
}

interface RecordedTest {
  messages: readonly Message[];
  /** Device of each record; undefined if the file has no keys. */
  keys: readonly string[] | undefined;
  hasTimes: boolean;
  tsbWindow: number | undefined;
  warnings: readonly string[];
}

/** Key of records without one: the same in the training and in all its tests. */
function defaultKey({ train, tests }: SeriesGroup): string {
  return tests.length === 1 ? tests[0]!.name : seriesName(train, 'train');
}

/** Reads the training records. Their times come from the configured column or a detected one, or are made up. */
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

export async function recordedColumns(
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
  // The test files are read here, so that their errors appear before the training.
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

export async function recordedImages(settings: DetectorSettings, group: SeriesGroup): Promise<Recorded> {
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
