/** Evaluates a detector's configuration on the files of one series. */
import { loadSettings } from '../../config/load';
import { sourceOf, type DetectorSettings, type Settings } from '../../config/settings';
import { openEngines, usualEngines } from '../../runtime/engines';
import { evaluateDetector } from './evaluator';
import { readColumns } from '../../sources/file/file';
import { isIdxPath } from '../../domain/recording';
import { readIdxImages } from '../../sources/file/idx';
import { numericChannels, readImageMessages, readSeries, toMessages } from './series';
import type { SeriesFiles } from './series-files';

export interface EvaluatedDetector {
  /** A detector's file. */
  path: string;
  overrides: Readonly<Record<string, string>>;
  env: Readonly<Record<string, string | undefined>>;
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
    assumed: { record: { channels: columns, missingChannels: 'mask', extraChannels: 'ignore' } },
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

export type SeriesOutcome = Awaited<ReturnType<typeof evaluateSeries>>;

/** The outcome is JSON: the process of a series prints it. */
export async function evaluateSeries(evaluated: EvaluatedDetector, files: Parameters<typeof readSeries>[0]) {
  const began = performance.now();
  const { detector: settings, columns } = await loadSeriesSettings(evaluated, files);
  const recorded =
    settings.record.kind === 'image'
      ? { messages: await readImageMessages(files, settings.record.image), channels: [], ignored: [] }
      : await recordedColumns(settings, columns, files);
  const engines = await openEngines(usualEngines);
  const { scores, flags, ...rest } = await evaluateDetector({
    settings: { ...settings, record: { ...settings.record, channels: recorded.channels } },
    ...recorded.messages,
    engines,
  });
  return {
    series: files.name,
    scores: Array.from(scores),
    flags: Array.from(flags),
    ...rest,
    channels: recorded.channels,
    /** Columns that are not channels. */
    ignoredColumns: recorded.ignored,
    engine: engines.scoring.name,
    /** Duration of training and scoring. */
    seconds: (performance.now() - began) / 1000,
  };
}

async function recordedColumns(
  settings: DetectorSettings,
  columns: readonly string[],
  files: Parameters<typeof readSeries>[0],
) {
  const series = await readSeries(files, sourceOf(settings, 'file').file.columns);
  const { channels } = settings.record;
  const fromHeader = channels.length === columns.length && channels.every((name, i) => name === columns[i]);
  const kept = fromHeader ? numericChannels(series) : channels;
  const known = Object.keys(series.train[0]!.values ?? {});
  return {
    messages: toMessages(series),
    channels: kept,
    ignored: known.filter((column) => !kept.includes(column)),
  };
}
