/** One series of an evaluation: its files and a detector's configuration to scores. */
import { loadSettings } from '../config/load';
import { sourceOf, type DetectorSettings, type Settings } from '../config/settings';
import type { SeriesOutcome } from '../offline/evaluate/series-process';
import { openEngines, usualEngines } from '../runtime/engines';
import { evaluateDetector } from '../offline/evaluate/evaluator';
import { readColumns } from '../sources/file/file';
import { isIdxPath } from '../domain/recording';
import { readIdxImages } from '../sources/file/idx';
import {
  numericChannels,
  readImageSeries,
  readSeries,
  toImageMessages,
  toMessages,
} from '../offline/evaluate/series';
import type { SeriesFiles } from '../offline/evaluate/series-files';
import type { CommandContext } from './context';

export interface EvaluatedDetector {
  /** A detector's file. */
  path: string;
  overrides: Readonly<Record<string, string>>;
  env: CommandContext['env'];
}

/**
 * The settings for one series: source and field names are those of its files, and so are the channels, unless the
 * detector's file lists them.
 */
export async function loadSeriesSettings(
  { path, overrides, env }: EvaluatedDetector,
  { train }: Pick<SeriesFiles, 'train'>,
): Promise<{ daemon: Settings['daemon']; detector: DetectorSettings; columns: readonly string[] }> {
  const known = isIdxPath(train) ? await knownOfImages(train) : await knownOfColumns(train);
  const { daemon, detectors } = await loadSettings(path, {
    env,
    overrides: {
      ...overrides,
      'source.kind': 'file',
      'source.file.path': train,
      'record.format': 'json',
      'sinks.kafka.enabled': 'false',
      ...known.overrides,
    },
    assumed: known.assumed,
  });
  if (detectors.length !== 1) throw new Error(`${path} must have one detector, not ${detectors.length}`);
  return { daemon, detector: detectors[0]!.settings, columns: known.columns };
}

/** What a file of recorded data says of the detector's settings. */
interface Known {
  columns: readonly string[];
  overrides: Readonly<Record<string, string>>;
  assumed: unknown;
}

async function knownOfColumns(train: string): Promise<Known> {
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

async function knownOfImages(train: string): Promise<Known> {
  const { width, height } = await readIdxImages(train);
  return {
    columns: [],
    overrides: { 'fields.image': '', 'record.image.format': 'raw', 'record.image.colour': 'grey' },
    assumed: { record: { kind: 'image', image: { width, height } } },
  };
}

export async function evaluateSeries(
  evaluated: EvaluatedDetector,
  files: Pick<SeriesFiles, 'name' | 'train' | 'test'>,
): Promise<SeriesOutcome> {
  const began = performance.now();
  const { detector: settings, columns } = await loadSeriesSettings(evaluated, files);
  const recorded =
    settings.record.kind === 'image'
      ? await recordedImages(settings, files)
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
    ignoredColumns: recorded.ignored,
    engine: engines.scoring.name,
    seconds: (performance.now() - began) / 1000,
  };
}

/** The messages of a series, and which of its columns they are about. */
interface Recorded {
  messages: ReturnType<typeof toMessages>;
  channels: readonly string[];
  ignored: readonly string[];
}

type SeriesPaths = Pick<SeriesFiles, 'name' | 'train' | 'test'>;

async function recordedColumns(
  settings: DetectorSettings,
  columns: readonly string[],
  files: SeriesPaths,
): Promise<Recorded> {
  const series = await readSeries(files, sourceOf(settings, 'file').file.columns);
  const { channels } = settings.record;
  const fromHeader = channels.length === columns.length && channels.every((name, i) => name === columns[i]);
  const kept = fromHeader ? numericChannels(series) : channels;
  const known = Object.keys(series.train.records[0]!.values ?? {});
  return {
    messages: toMessages(series),
    channels: kept,
    ignored: known.filter((column) => !kept.includes(column)),
  };
}

async function recordedImages(settings: DetectorSettings, files: SeriesPaths): Promise<Recorded> {
  const series = await readImageSeries(files);
  const { width, height } = settings.record.image;
  const { train } = series;
  // Raw images are taken as they are: each would be refused, and a thousand refusals say less than this.
  if (train.width !== width || train.height !== height)
    throw new Error(
      `${files.train} has images of ${train.width} × ${train.height} pixels, but record.image says ${width} × ${height}`,
    );
  return { messages: toImageMessages(series), channels: [], ignored: [] };
}
